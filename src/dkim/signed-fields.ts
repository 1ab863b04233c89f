/** The bytes of the header that a signature covers (RFC 6376 sections 3.4, 3.7 and 5.4.2). */
import type { HeaderField } from "../mail/header-field.ts";
import type { Canonicalization } from "./canonical-body.ts";
import { canonicalField, canonicalSignature } from "./canonical-header.ts";

/** Gives the bytes for all signatures of a message. The canonical form of a field is made once. */
export class SignedFields {
  readonly #fields: readonly HeaderField[];
  #byName: Map<string, HeaderField[]> | undefined;
  readonly #canonical = { simple: new Map<HeaderField, Buffer>(), relaxed: new Map<HeaderField, Buffer>() } as const;

  constructor(fields: readonly HeaderField[]) {
    this.#fields = fields;
  }

  /**
   * @param names those in h=, in lower case: each stands for the lowest field of that name that no earlier one took, and
   *   for nothing if there is none left
   * @param signature the field itself; the value of its b= is left out
   */
  bytes(names: readonly string[], signature: HeaderField, form: Canonicalization): Buffer {
    const byName = (this.#byName ??= groupByName(this.#fields));
    const taken = new Map<string, number>();
    const pieces: Buffer[] = [];
    for (const name of names) {
      const count = (taken.get(name) ?? 0) + 1;
      const field = byName.get(name)?.at(-count);
      if (field === undefined) continue;
      taken.set(name, count);
      pieces.push(this.#canonicalField(field, form));
    }
    pieces.push(canonicalSignature(signature, form));
    return Buffer.concat(pieces);
  }

  #canonicalField(field: HeaderField, form: Canonicalization): Buffer {
    const known = this.#canonical[form].get(field);
    if (known !== undefined) return known;
    const made = canonicalField(field, form);
    this.#canonical[form].set(field, made);
    return made;
  }
}

function groupByName(fields: readonly HeaderField[]): Map<string, HeaderField[]> {
  const groups = new Map<string, HeaderField[]>();
  for (const field of fields) {
    const group = groups.get(field.key);
    if (group === undefined) groups.set(field.key, [field]);
    else group.push(field);
  }
  return groups;
}
