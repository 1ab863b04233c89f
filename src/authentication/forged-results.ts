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
  /** Number of the first ones that stand above the first Received: field. */
  #above = 0;
  #foreignAbove = 0;

  constructor(names: ClaimedNames) {
    this.#names = names;
  }

  /** Takes the next field of the header. */
  note({ key, value }: HeaderField): void {
    if (key === "received") this.#areBelowReceived = true;
    if (key !== KEY) return;
    this.#count += 1;
    const { ids, trustedIds } = this.#names;
    const claims = claimedName(value);
    if (ids.some(claims)) {
      this.#indices.push(this.#count);
      if (!this.#areBelowReceived) this.#above += 1;
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
   * Those below the first Received: field that claim to be ours. On the second pass this host has written that field, and all that stands above
   * it. All of them if there is none.
   */
  belowReceived(): FieldIndex[] {
    return this.#indices.slice(this.#areBelowReceived ? this.#above : 0).map(toIndex);
  }
}

/** Tells if a field is an Authentication-Results field. */
export function isResultsField({ key }: HeaderField): boolean {
  return key === KEY;
}

function toIndex(index: number): FieldIndex {
  return { name: NAME, index };
}

/**
 * The values of our fields above the first Received: field, the top one first. On the second pass this host has written them:
 * nothing that a stranger has sent can stand there.
 */
export function ownResults(fields: readonly HeaderField[], ids: readonly string[]): string[] {
  const received = fields.findIndex(({ key }) => key === "received");
  return fields
    .slice(0, Math.max(received, 0))
    .flatMap(({ key, value }) => (key === KEY && ids.some(claimedName(value)) ? [value] : []));
}
