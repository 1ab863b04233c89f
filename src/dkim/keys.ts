/**
 * Chooses the keys that sign for an author, of all that are configured.
 *
 * A key signs only once its record was seen in DNS, so that a rotation is: put the new key beside the old one, publish
 * it, done. The old key goes on until then, and again when the record has vanished. A DNS error changes nothing.
 */
import { createHash, createPublicKey } from "node:crypto";
import { lowerCase } from "../dns/name.ts";
import type { DnsAnswer } from "../dns/types.ts";
import { publicationOf, recordName } from "./record.ts";
import type { SigningKey } from "./sign.ts";

/** A key with the authors it signs for. */
export interface ConfiguredKey extends SigningKey {
  /** `example.net`, `.example.net` for every name below it, or `user@example.net`; A-labels. */
  readonly from: readonly string[];
}

/** `waiting`: its record was not seen. `spare`: a newer key of the same algorithm signs. */
export type KeyState = "signing" | "waiting" | "spare";

export class SigningKeys {
  readonly #byAuthor = new Map<string, ConfiguredKey[]>();
  /** The RSA keys of each d=. */
  readonly #byDomain = new Map<string, ConfiguredKey[]>();
  /** All keys, with what tells them apart. */
  readonly #ids: ReadonlyMap<ConfiguredKey, string>;
  readonly #seen: Set<string>;
  readonly #requirePublished: boolean;

  /**
   * @param keys the newest last
   * @param options.requirePublished false: the newest key signs at once
   * @param options.seen the keys that were seen in DNS before, as `seen` gives them
   */
  constructor(
    keys: readonly ConfiguredKey[],
    options: { readonly requirePublished: boolean; readonly seen: Iterable<string> },
  ) {
    this.#ids = new Map(keys.map((key) => [key, idOf(key)]));
    this.#requirePublished = options.requirePublished;
    const known = new Set(this.#ids.values());
    this.#seen = new Set([...options.seen].filter((id) => known.has(id)));
    for (const key of keys) {
      for (const pattern of key.from) addTo(this.#byAuthor, lowerCase(pattern), key);
      if (key.algorithm === "rsa-sha256") addTo(this.#byDomain, lowerCase(key.domain), key);
    }
  }

  /**
   * The keys for a From address: of the most exact pattern that has a usable one, the newest usable key of each
   * algorithm. None if there is none.
   *
   * @param domain in A-labels
   */
  choose(local: string, domain: string): readonly ConfiguredKey[] {
    for (const author of patternsFor(lowerCase(local), lowerCase(domain))) {
      const keys = this.#newest(this.#byAuthor.get(author) ?? []);
      if (keys.length > 0) return keys;
    }
    return [];
  }

  /** All keys that are configured for an author, usable or not. */
  candidates(local: string, domain: string): readonly ConfiguredKey[] {
    const patterns = patternsFor(lowerCase(local), lowerCase(domain));
    return [...new Set(patterns.flatMap((author) => this.#byAuthor.get(author) ?? []))];
  }

  /**
   * The key that seals with ARC: the newest usable one of the first domain that has one. RSA only, because few who read
   * chains know ed25519, and to the others a chain with it is broken.
   *
   * @param domains A-labels
   * @param selector empty for any
   */
  sealer(domains: readonly string[], selector: string): ConfiguredKey | undefined {
    return this.sealerCandidates(domains, selector).find((key) => this.#isUsable(key));
  }

  /** All keys that could seal, usable or not, the most wanted one first. */
  sealerCandidates(domains: readonly string[], selector: string): readonly ConfiguredKey[] {
    const keys = domains.flatMap((domain) => (this.#byDomain.get(lowerCase(domain)) ?? []).toReversed());
    return selector === "" ? keys : keys.filter((key) => lowerCase(key.selector) === lowerCase(selector));
  }

  /**
   * Takes the answer for the key's record.
   *
   * @returns true if that changed whether the key may sign
   */
  learn(key: ConfiguredKey, answer: DnsAnswer<"TXT">): boolean {
    const { state } = publicationOf(key.privateKey, answer);
    if (state === "trouble") return false;
    const id = this.#ids.get(key) ?? "";
    if (state !== "published") return this.#seen.delete(id);
    if (this.#seen.has(id)) return false;
    this.#seen.add(id);
    return true;
  }

  /** The keys that were seen in DNS, to be kept over a restart. */
  get seen(): readonly string[] {
    return [...this.#seen];
  }

  stateOf(key: ConfiguredKey): KeyState {
    if (!this.#isUsable(key)) return "waiting";
    // A key for ARC alone has no authors.
    if (key.from.length === 0) return "signing";
    const isNewest = key.from.some((author) => this.#newest(this.#byAuthor.get(lowerCase(author)) ?? []).includes(key));
    return isNewest ? "signing" : "spare";
  }

  #isUsable(key: ConfiguredKey): boolean {
    return !this.#requirePublished || this.#seen.has(this.#ids.get(key) ?? "");
  }

  /** The last usable key of each algorithm, in the order of the list. */
  #newest(keys: readonly ConfiguredKey[]): readonly ConfiguredKey[] {
    const usable = keys.filter((key) => this.#isUsable(key));
    return usable.filter((key, at) => !usable.slice(at + 1).some(({ algorithm }) => algorithm === key.algorithm));
  }
}

function addTo(map: Map<string, ConfiguredKey[]>, name: string, key: ConfiguredKey): void {
  const list = map.get(name);
  if (list === undefined) map.set(name, [key]);
  else list.push(key);
}

/** The patterns that match an author, the most exact one first. */
function patternsFor(local: string, domain: string): string[] {
  const labels = domain.split(".");
  const above = labels.map((_label, at) => `.${labels.slice(at + 1).join(".")}`).slice(0, -1);
  return [`${local}@${domain}`, domain, ...above];
}

/** Tells a key from another one of the same name. */
function idOf({ selector, domain, privateKey }: ConfiguredKey): string {
  const der = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return `${recordName(selector, domain)} ${createHash("sha256").update(der).digest("hex")}`;
}
