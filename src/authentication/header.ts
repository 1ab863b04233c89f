/** The header of one message, as it comes in field by field. */
import { type HeaderField, headerField } from "../mail/header-field.ts";
import type { HeaderField as GivenField } from "../milter/application.ts";
import { type ClaimedNames, ForgedResults } from "./forged-results.ts";

export class MessageHeader {
  readonly fields: HeaderField[] = [];
  readonly forged: ForgedResults;
  /** True if there was more than is kept. */
  isExcessive = false;

  /** @param names those in Authentication-Results that others may not write */
  constructor(names: ClaimedNames) {
    this.forged = new ForgedResults(names);
  }

  /** @param isExcess true for a field that is not kept */
  add({ name, value }: GivenField, isExcess: boolean): void {
    const field = headerField(name, value);
    this.forged.note(field);
    if (isExcess) this.isExcessive = true;
    else this.keep(field);
  }

  keep(field: HeaderField): void {
    this.fields.push(field);
  }

  /** The values of all fields of this name, given in lower case. */
  valuesOf(key: string): string[] {
    return this.fields.filter((field) => field.key === key).map(({ value }) => value);
  }
}
