/** Creates the rules of the SRS maps from a setup, for the daemon and `postvouch srs`. */
import { Rewriter } from "../srs/rewriter.ts";
import type { AddressStore, OwnDomains } from "../srs/seams.ts";
import { Signer } from "../srs/signer.ts";
import type { SrsTables } from "../srs/table.ts";
import type { Setup } from "./setup.ts";

const DAY_MS = 86_400_000;

/** The parts that the maps need from outside. */
export interface SrsParts {
  readonly ownDomains: OwnDomains;
  readonly store: AddressStore | undefined;
  /** Milliseconds since 1970. */
  readonly timeMs: () => number;
}

/** Creates the rules. */
export function createSrsTables(setup: Setup, parts: SrsParts): SrsTables {
  const { config } = setup;
  const maxAgeDays = Math.floor(config["srs.max_age"] / DAY_MS);
  const signer = new Signer({
    secrets: setup.secrets,
    hashLength: config["srs.hash_length"],
    hashMinLength: config["srs.hash_min_length"],
    hashAlphabet: config["srs.hash_alphabet"],
  });
  const rewriter = new Rewriter({ signer, srsDomain: setup.srsDomain, separator: config["srs.separator"], maxAgeDays });
  return {
    rewriter,
    ownDomains: parts.ownDomains,
    isPostfixSender: setup.isPostfixSender,
    alwaysRewrite: config["srs.always_rewrite"],
    forwardTransport: config["srs.forward_transport"],
    store: parts.store,
    storeMode: config["srs.store.mode"],
    maxAgeDays,
    timeMs: parts.timeMs,
  };
}
