/**
 * Finds copies of the Received-SPF fields that our policy service has had Postfix prepend. Postfix adds one for each answer,
 * and they stand right above what the client has sent, so only their text tells them apart: the topmost one of a text is ours,
 * any other is a forgery or one too many.
 */
import type { HeaderField } from "../mail/header-field.ts";
import type { FieldIndex } from "../milter/application.ts";

const NAME = "Received-SPF";
const KEY = "received-spf";

export class PrependedFields {
  readonly #given: ReadonlySet<string>;
  readonly #seen = new Set<string>();
  readonly #copies: number[] = [];
  #count = 0;

  /** @param given the values that Postfix was told to prepend */
  constructor(given: ReadonlySet<string>) {
    this.#given = given;
  }

  /** Takes the next field of the header. */
  note({ key, value }: HeaderField): void {
    if (key !== KEY) return;
    this.#count += 1;
    if (!this.#given.has(value)) return;
    if (this.#seen.has(value)) this.#copies.push(this.#count);
    else this.#seen.add(value);
  }

  copies(): FieldIndex[] {
    return this.#copies.map((index) => ({ name: NAME, index }));
  }
}
