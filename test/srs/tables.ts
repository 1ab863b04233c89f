/** SRS maps with short options for tests. */
import { DomainList } from "../../src/mail/names.ts";
import type { LookupObserver } from "../../src/net/lookup.ts";
import type { HashAlphabet } from "../../src/srs/hash.ts";
import { Rewriter } from "../../src/srs/rewriter.ts";
import type { AddressStore } from "../../src/srs/seams.ts";
import { Signer } from "../../src/srs/signer.ts";
import type { SrsTables } from "../../src/srs/table.ts";

/** What a test says about SRS; everything has a default. */
export interface SrsOptions {
  readonly srsDomain: string;
  /** Beside srsDomain. */
  readonly ownDomains: readonly string[];
  readonly secrets: readonly Uint8Array[];
  readonly separator: string;
  readonly hashLength: number;
  readonly hashMinLength: number;
  readonly hashAlphabet: HashAlphabet;
  readonly isPostfixSender: (address: string) => boolean;
  readonly alwaysRewrite: boolean;
  readonly nowMs: number;
  readonly store: AddressStore | undefined;
  readonly storeMode: "long" | "all";
}

/** The settings that most recorded answers were made with: 2020-01-01 00:01 UTC, stamp `2W`. */
export const DEFAULTS: SrsOptions = {
  srsDomain: "example.com",
  ownDomains: [],
  secrets: [Buffer.from("tops3cr3t")],
  separator: "=",
  hashLength: 4,
  hashMinLength: 4,
  hashAlphabet: "url-safe",
  isPostfixSender: () => false,
  alwaysRewrite: false,
  nowMs: 1_577_836_860_000,
  store: undefined,
  storeMode: "all",
};

/** The maps' rules as the daemon puts them together from its configuration. */
export function srsTables(changes: Partial<SrsOptions> = {}): SrsTables {
  const options = { ...DEFAULTS, ...changes };
  const { srsDomain, separator, nowMs } = options;
  const maxAgeDays = 21;
  return {
    rewriter: new Rewriter({ signer: new Signer(options), srsDomain, separator, maxAgeDays }),
    ownDomains: new DomainList([srsDomain, ...options.ownDomains]),
    isPostfixSender: options.isPostfixSender,
    alwaysRewrite: options.alwaysRewrite,
    forwardTransport: "srs:[127.0.0.1]:12526",
    store: options.store,
    storeMode: options.storeMode,
    maxAgeDays,
    timeMs: () => nowMs,
  };
}

/** A store in memory, with what is in it to be seen and to be filled. */
export function memoryStore(addresses = new Map<string, string>()): AddressStore {
  return {
    put(alias, address) {
      addresses.set(alias, address);
    },
    get: (alias) => addresses.get(alias),
    close: () => Promise.resolve(),
  };
}

/** An observer that does nothing. */
export const SILENT: LookupObserver = { clockMs: () => 0, looked: () => {}, badRequest: () => {} };
