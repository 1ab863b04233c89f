/** The bytes that a seal covers (RFC 8617 section 5.1.1): all sets from the first to its own, always in relaxed form. */
import { canonicalField, canonicalSignature } from "../dkim/canonical-header.ts";
import type { HeaderField } from "../mail/header-field.ts";
import type { ArcSet } from "./chain.ts";

const FORM = "relaxed";

/** The bytes for the seals of one chain. The canonical form of a field is made once. */
export class SealedFields {
  readonly #sets: readonly ArcSet[];
  readonly #canonical = new Map<HeaderField, Buffer>();

  constructor(sets: readonly ArcSet[]) {
    this.#sets = sets;
  }

  /** @param count number of sets up to the one whose seal it is; the value of its b= is left out */
  bytes(count: number): Buffer {
    const pieces = this.#sets
      .slice(0, count)
      .flatMap(({ results, signature, seal }, at) => [
        this.#canonicalField(results),
        this.#canonicalField(signature),
        at === count - 1 ? canonicalSignature(seal, FORM) : this.#canonicalField(seal),
      ]);
    return Buffer.concat(pieces);
  }

  #canonicalField(field: HeaderField): Buffer {
    const known = this.#canonical.get(field);
    if (known !== undefined) return known;
    const made = canonicalField(field, FORM);
    this.#canonical.set(field, made);
    return made;
  }
}
