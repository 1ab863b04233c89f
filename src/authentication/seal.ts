/** Seals a message with ARC: finds the key, and adds the set when the chain and our results are known. */
import type { Chain } from "../arc/chain.ts";
import { sealedResults } from "../arc/results.ts";
import { chainStatus, type NotSealed, planSeal, Sealing } from "../arc/seal.ts";
import type { ArcVerdict } from "../arc/verdict.ts";
import type { BodyHashes } from "../dkim/body-hash.ts";
import type { ConfiguredKey, SigningKeys } from "../dkim/keys.ts";
import { namesToSign, type SigningKey, type SignSettings } from "../dkim/sign.ts";
import { USUAL_HEADERS } from "../dkim/usual-headers.ts";
import type { HeaderField } from "../mail/header-field.ts";
import { asciiHeaderValue } from "../mail/header-text.ts";
import type { MessageHeader } from "./header.ts";
import type { MessageReport } from "./report.ts";
import type { AuthenticationSettings } from "./settings.ts";

/** What seals. */
export interface SealParts {
  readonly settings: Pick<AuthenticationSettings, "arc" | "authservId" | "sign">;
  readonly keys: Pick<SigningKeys, "sealer" | "sealerCandidates">;
  /** Milliseconds since 1970. */
  readonly timeMs: () => number;
}

interface Sealed {
  /** The set, in the order in which it is to stand at the top. */
  readonly fields: readonly HeaderField[];
  readonly key: SigningKey;
}

/** `isTrouble`: the admin wants to seal, and has to do something for it. */
export type SealOutcome = Sealed | (NotSealed & { readonly isTrouble: boolean });

interface Begun {
  readonly key: ConfiguredKey;
  readonly chain: Chain;
  readonly sealing: Sealing;
}

export class Seal {
  readonly #parts: SealParts;
  readonly #begun: Begun | (NotSealed & { readonly isTrouble: boolean });

  /** Begins before the body, of which it needs the hash. */
  constructor(parts: SealParts, header: MessageHeader, chain: Chain, body: BodyHashes) {
    this.#parts = parts;
    this.#begun = begin(parts, header, chain, body);
  }

  /** Why there will be no set whatever the body, if that is known. */
  get refusal(): (NotSealed & { readonly isTrouble: boolean }) | undefined {
    return "refusal" in this.#begun ? this.#begun : undefined;
  }

  /**
   * Adds the set, after the end of the body.
   *
   * @param results the values of our own Authentication-Results fields
   */
  async finish(verdict: ArcVerdict, results: readonly string[]): Promise<SealOutcome> {
    if ("refusal" in this.#begun) return this.#begun;
    const { settings, timeMs } = this.#parts;
    const { key, chain, sealing } = this.#begun;
    const found = chainStatus(verdict, chain, key.domain);
    if ("refusal" in found) return { ...found, isTrouble: false };
    const text = sealedResults(results, asciiHeaderValue(settings.authservId));
    return { fields: await sealing.finish(found.status, chain.sets, text, timeMs() / 1000), key };
  }
}

/** The set as edits of the header. */
export function sealEdits(outcome: SealOutcome | undefined): { name: string; value: string; position: number }[] {
  if (outcome === undefined || "refusal" in outcome) return [];
  return outcome.fields.map(({ name, value }) => ({ name, value, position: 0 }));
}

/** What is told of it. */
export function sealReport(outcome: SealOutcome | undefined): Pick<MessageReport, "sealed" | "problem"> {
  if (outcome === undefined) return {};
  if ("refusal" in outcome) return outcome.isTrouble ? { problem: `not sealed: ${outcome.refusal}` } : {};
  return { sealed: outcome.key };
}

function begin(
  { settings, keys }: SealParts,
  header: MessageHeader,
  chain: Chain,
  body: BodyHashes,
): Begun | (NotSealed & { readonly isTrouble: boolean }) {
  const { domains, selector } = settings.arc;
  const refuse = (refusal: string, isTrouble = false): NotSealed & { readonly isTrouble: boolean } => ({
    refusal,
    isTrouble,
  });
  const key = keys.sealer(domains, selector);
  if (key === undefined) {
    const [waiting] = keys.sealerCandidates(domains, selector);
    return waiting === undefined
      ? refuse(`no RSA key of ${domains.join(" or ")}`)
      : refuse(`no key of ${waiting.domain} is published in DNS`, true);
  }
  if (header.isExcessive) return refuse("the header is longer than this host reads");
  const plan = planSeal(chain);
  if ("refusal" in plan) return refuse(plan.refusal);
  const sign = sealForm(settings.sign);
  const found = namesToSign(header.fields, sign);
  if ("refusal" in found) return refuse(found.refusal);
  return { key, chain, sealing: new Sealing(sign, header.fields, found.names, key, plan.instance, body) };
}

/**
 * The form of our message signatures: the fields that DKIM signs, and the signatures that were there (RFC 8617 section 4.1.2).
 * Relaxed, because the next hosts are no ones that we know; and without an end, as seals have none.
 */
function sealForm({ headers, oversign }: SignSettings): SignSettings {
  const signed = [...(headers.length > 0 ? headers : USUAL_HEADERS), "DKIM-Signature"];
  return { headerForm: "relaxed", bodyForm: "relaxed", headers: signed, oversign, expireSeconds: undefined };
}
