/**
 * Seals a message: adds a set to its ARC chain (RFC 8617 section 5.1), while it comes in.
 *
 *     const plan = planSeal(chain);                               // the number of the set, or why there is none
 *     const sealing = new Sealing(settings, fields, names, key, plan.instance, body);
 *     body.update(chunk); ... body.end();
 *     const set = await sealing.finish(status, chain.sets, results, nowSeconds);
 */
import type { BodyHashes } from "../dkim/body-hash.ts";
import { FOLD, Signing, type SigningKey, type SignSettings, signatureText } from "../dkim/sign.ts";
import { lowerCase } from "../dns/name.ts";
import { type HeaderField, headerField } from "../mail/header-field.ts";
import { type ArcSet, type Chain, MAX_SETS, MESSAGE_SIGNATURE, RESULTS, SEAL } from "./chain.ts";
import type { ChainStatus } from "./seal-field.ts";
import { SealedFields } from "./sealed-fields.ts";
import type { ArcVerdict } from "./verdict.ts";

/** The reason for adding no set. */
export interface NotSealed {
  readonly refusal: string;
}

/** What can be said before the body: a chain that has failed is left alone, and 50 sets are enough. */
export function planSeal({ highest, isOver }: Chain): { readonly instance: number } | NotSealed {
  if (isOver) return { refusal: "the newest seal says that the chain has failed" };
  return highest >= MAX_SETS ? { refusal: `the chain has ${highest} sets` } : { instance: highest + 1 };
}

/**
 * What our seal says of the chain. After DNS trouble nothing is said: cv=fail is for good. And our own seal on a message that
 * has not changed since says all that we can say: without this a message that loops would get one each time.
 */
export function chainStatus(
  { result, reason }: ArcVerdict,
  { signer }: Chain,
  domain: string,
): { readonly status: ChainStatus } | NotSealed {
  if (result === "temperror") return { refusal: `the chain cannot be verified now: ${reason}` };
  if (result === "pass" && lowerCase(signer) === lowerCase(domain)) return { refusal: "the newest set is ours" };
  return { status: result };
}

export class Sealing {
  readonly #key: SigningKey;
  readonly #instance: number;
  readonly #signing: Signing;

  /** @param names what `namesToSign` gives for the same fields; none of ARC's own, and no Authentication-Results */
  constructor(
    settings: SignSettings,
    fields: readonly HeaderField[],
    names: readonly string[],
    key: SigningKey,
    instance: number,
    body: BodyHashes,
  ) {
    this.#key = key;
    this.#instance = instance;
    const start = { fieldName: MESSAGE_SIGNATURE, firstTag: `i=${instance}` };
    this.#signing = new Signing(settings, fields, names, [key], body, start);
  }

  /**
   * The fields of the new set after the end of the body, in the order in which they are to stand at the top.
   *
   * @param sets those that are there already. With cv=fail the new seal covers its own set alone (RFC 8617 section 5.1.2)
   * @param results our results as `sealedResults` gives them
   * @param nowSeconds since 1970
   */
  async finish(
    status: ChainStatus,
    sets: readonly ArcSet[],
    results: string,
    nowSeconds: number,
  ): Promise<readonly HeaderField[]> {
    const instance = this.#instance;
    const found = headerField(RESULTS, ` i=${instance};${results}`);
    const [signature] = await this.#signing.finish(nowSeconds);
    if (signature === undefined) throw new Error("Cannot seal: no message signature");
    const { algorithm, domain, selector } = this.#key;
    const unsigned = [
      ` i=${instance}; a=${algorithm}; cv=${status}; d=${domain}; s=${selector};`,
      `t=${Math.floor(nowSeconds)};`,
      "b=",
    ].join(FOLD);
    const own = { instance, results: found, signature, seal: headerField(SEAL, unsigned) };
    const covered = status === "pass" ? [...sets, own] : [own];
    const bytes = new SealedFields(covered).bytes(covered.length);
    const seal = headerField(SEAL, `${unsigned}${await signatureText(this.#key, bytes)}`);
    return [seal, signature, found];
  }
}
