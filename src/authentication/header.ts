/** The header of one message, as it comes in field by field. */
import { type HeaderField, headerField } from "../mail/header-field.ts";
import type { HeaderField as GivenField } from "../milter/application.ts";
import { type ClaimedNames, ForgedResults } from "./forged-results.ts";
import { PrependedFields } from "./prepended.ts";

const NONE: ReadonlySet<string> = new Set();

export class MessageHeader {
  readonly fields: HeaderField[] = [];
  readonly forged: ForgedResults;
  readonly prepended: PrependedFields;
  /** True if there was more than is kept. */
  isExcessive = false;

  /**
   * @param names those in Authentication-Results that others may not write
   * @param given values of Received-SPF that Postfix was told to prepend
   */
  constructor(names: ClaimedNames, given: ReadonlySet<string> = NONE) {
    this.forged = new ForgedResults(names);
    this.prepended = new PrependedFields(given);
  }

  /** @param isExcess true for a field that is not kept */
  add({ name, value }: GivenField, isExcess: boolean): void {
    const field = headerField(name, value);
    this.forged.note(field);
    this.prepended.note(field);
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
