/**
 * Finds the Authentication-Results fields that claim to be ours (RFC 8601 section 5). They are removed from each message,
 * whatever else happens to it: who reads them believes whoever wrote our name.
 *
 *     Authentication-Results: authserv-id [version]; ...
 *
 * A field that cannot be read, but begins with our name, is one of them.
 */
import { lowerCase } from "../dns/name.ts";
import type { HeaderField } from "../mail/header-field.ts";
import type { FieldIndex } from "../milter/application.ts";
import { claimedName } from "./claimed-name.ts";
import { type Giver, giverOf } from "./handover.ts";

const NAME = "Authentication-Results";
const KEY = lowerCase(NAME);

/** The names that are looked for, in lower case and without a trailing dot. */
export interface ClaimedNames {
  /** Ours. */
  readonly ids: readonly string[];
  /** Those of hosts that are believed. */
  readonly trustedIds: readonly string[];
  /** True if the client is such a host: then its fields above the first Received: field are its own. */
  readonly isRelayed: boolean;
}

/** Collects the indices of such fields while the header comes in. */
export class ForgedResults {
  readonly #names: ClaimedNames;
  readonly #indices: number[] = [];
  /** Those that claim the name of a host that is believed. */
  readonly #foreign: number[] = [];
  #count = 0;
  #areBelowReceived = false;
  #areBelowStranger = false;
  /** Who gave the message to this host, by the first Received: field that another program than one on this host has caused. */
  #giver: Giver = "host";
  /** Number of the first ones that stand above the first Received: field. */
  #above = 0;
  #foreignAbove = 0;
  /** Number of those above the field of `#giver`, and above the first one of a stranger. */
  #aboveGiver = 0;
  #aboveStranger = 0;

  constructor(names: ClaimedNames) {
    this.#names = names;
  }

  /** Takes the next field of the header. */
  note({ key, value }: HeaderField): void {
    if (key === "received") this.#noteReceived(value);
    if (key !== KEY) return;
    this.#count += 1;
    const { ids, trustedIds } = this.#names;
    const claims = claimedName(value);
    if (ids.some(claims)) {
      this.#indices.push(this.#count);
      if (!this.#areBelowReceived) this.#above += 1;
      if (this.#giver === "host") this.#aboveGiver += 1;
      if (!this.#areBelowStranger) this.#aboveStranger += 1;
    } else if (trustedIds.some(claims)) {
      this.#foreign.push(this.#count);
      if (!this.#areBelowReceived) this.#foreignAbove += 1;
    }
  }

  /** All that claim to be ours, and those of believed hosts that these have not added. */
  all(): FieldIndex[] {
    const isKept = this.#names.isRelayed && this.#areBelowReceived;
    return [...this.#indices, ...this.#foreign.slice(isKept ? this.#foreignAbove : 0)].map(toIndex);
  }

  /**
   * Those that this host has written on its first pass, if it is asked on the second one. They stand above the first Received:
   * field, which this host has written, too. A content filter puts fields of its own above them; so the Received: fields of
   * programs on this host do not count, if below them comes that of a client elsewhere.
   */
  ofFirstPass(): FieldIndex[] {
    return this.#indices.slice(0, this.#ofFirstPass()).map(toIndex);
  }

  /** All others that claim to be ours. */
  notOfFirstPass(): FieldIndex[] {
    return this.#indices.slice(this.#ofFirstPass()).map(toIndex);
  }

  /** Those that claim to be ours below the Received: field of a client elsewhere: they came with the message. */
  belowStranger(): FieldIndex[] {
    return this.#indices.slice(this.#aboveStranger).map(toIndex);
  }

  #ofFirstPass(): number {
    if (!this.#areBelowReceived) return 0;
    return this.#giver === "stranger" ? this.#aboveGiver : this.#above;
  }

  #noteReceived(value: string): void {
    this.#areBelowReceived = true;
    if (this.#areBelowStranger) return;
    const giver = giverOf(value);
    if (this.#giver === "host") this.#giver = giver;
    this.#areBelowStranger = giver === "stranger";
  }
}

/** Tells if a field is an Authentication-Results field. */
export function isResultsField({ key }: HeaderField): boolean {
  return key === KEY;
}

function toIndex(index: number): FieldIndex {
  return { name: NAME, index };
}

/** The values of our fields of the first pass, the top one first: nothing that a stranger has sent is among them. */
export function ownResults(fields: readonly HeaderField[], ids: readonly string[]): string[] {
  const forged = new ForgedResults({ ids, trustedIds: [], isRelayed: false });
  for (const field of fields) forged.note(field);
  const all = fields.filter(isResultsField);
  return forged.ofFirstPass().flatMap(({ index }) => all[index - 1]?.value ?? []);
}
