/** The changes that connect Postfix to us, as postconf(1) makes them, with what an admin has to know of them. */

/** One call of postconf that changes a file. */
export type Edit =
  | { readonly type: "set"; readonly name: string; readonly value: string }
  | { readonly type: "unset"; readonly name: string }
  /** `service` is `name/type`. */
  | { readonly type: "remove service"; readonly service: string }
  | { readonly type: "override"; readonly service: string; readonly name: string; readonly value: string };

export interface Plan {
  readonly edits: readonly Edit[];
  /** Services to add at the end of master.cf. */
  readonly services: string;
  /** srs-recipients.regexp; `undefined` leaves it as it is. */
  readonly recipientTable: string | undefined;
  /** Sentences about what is taken out, what stays in the way, and what changes for others. */
  readonly notes: readonly string[];
  /** Reasons why this cannot be done: of our configuration or of Postfix. */
  readonly problems: readonly string[];
}

/** Collects a plan. */
export class Planning {
  readonly #edits: Edit[] = [];
  readonly #notes: string[] = [];
  readonly #problems: string[] = [];
  #services = "";
  #recipientTable: string | undefined;

  set(name: string, value: string): void {
    this.#edits.push({ type: "set", name, value });
  }

  unset(name: string): void {
    this.#edits.push({ type: "unset", name });
  }

  removeService(service: string): void {
    this.#edits.push({ type: "remove service", service });
  }

  override(service: string, name: string, value: string): void {
    this.#edits.push({ type: "override", service, name, value });
  }

  addServices(text: string): void {
    this.#services += text;
  }

  setRecipientTable(text: string): void {
    this.#recipientTable = text;
  }

  note(sentence: string): void {
    this.#notes.push(sentence);
  }

  problem(sentence: string): void {
    if (!this.#problems.includes(sentence)) this.#problems.push(sentence);
  }

  done(): Plan {
    return {
      edits: this.#edits,
      services: this.#services,
      recipientTable: this.#recipientTable,
      notes: this.#notes,
      problems: this.#problems,
    };
  }
}
