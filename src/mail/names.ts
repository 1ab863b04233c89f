/** Lists of domain names and mailboxes. Matching ignores case and respects label boundaries. Text is latin1. */

import { lowerCase } from "../dns/name.ts";
import { ipVersion } from "./address-groups.ts";

/** The form in which names are compared: lower case, without one trailing dot. */
export function normalizeName(name: string): string {
  return lowerCase(name.endsWith(".") ? name.slice(0, -1) : name);
}

const MAX_NAME_BYTES = 253;
const MAX_LABEL_BYTES = 63;

/**
 * Tells if a name is a host or domain name in A-labels, without a trailing dot: labels of RFC 1123 section 2.1, with
 * the underscore that is common in practice, and no IPv4 address. Every lookup calls this, so it is a loop instead of
 * the slower regular expression.
 */
export function isDomainName(name: string): boolean {
  if (name.length > MAX_NAME_BYTES) return false;
  let labelStart = 0;
  let last: number = HYPHEN;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code === DOT) {
      if (last === HYPHEN || i - labelStart > MAX_LABEL_BYTES) return false;
      labelStart = i + 1;
      last = HYPHEN;
      continue;
    }
    if (NAME_CHARACTER[code] !== 1 && (code !== HYPHEN || i === labelStart)) return false;
    last = code;
  }
  return last !== HYPHEN && name.length - labelStart <= MAX_LABEL_BYTES && !(isDigit(last) && ipVersion(name) === 4);
}

const DOT = 0x2e;
const HYPHEN = 0x2d;
const NAME_CHARACTER = Uint8Array.from({ length: 256 }, (_, code) =>
  /[A-Za-z0-9_]/.test(String.fromCharCode(code)) ? 1 : 0,
);

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** The domain of a mailbox: the text after its last "@" (a quoted local part may contain others), or "". */
export function domainOf(mailbox: string): string {
  const at = mailbox.lastIndexOf("@");
  return at === -1 ? "" : mailbox.slice(at + 1);
}

/**
 * A list of domains: `example.net` is that name alone, `.example.net` is every name below it, at any depth.
 * A lookup costs one step for each label, whatever the length of the list.
 */
export class DomainList {
  readonly #names = new Set<string>();
  #hasSuffixes = false;

  constructor(entries: Iterable<string>) {
    for (const entry of entries) this.add(entry);
  }

  /** Adds an entry before the list is used, for lists too long to be built at once. */
  add(entry: string): void {
    const name = normalizeName(entry);
    if (name === "") return;
    this.#names.add(name);
    if (name.startsWith(".")) this.#hasSuffixes = true;
  }

  get size(): number {
    return this.#names.size;
  }

  has(domain: string): boolean {
    return this.hasNormalized(normalizeName(domain));
  }

  /** The same for a name that is already normalized. */
  hasNormalized(name: string): boolean {
    if (this.#names.has(name)) return true;
    if (!this.#hasSuffixes) return false;
    for (let dot = name.indexOf("."); dot !== -1; dot = name.indexOf(".", dot + 1)) {
      if (dot > 0 && this.#names.has(name.slice(dot))) return true;
    }
    return false;
  }
}

/**
 * A list of mailboxes: `user@example.org` is that mailbox, `@example.org` is all of its domain, `<>` is the null
 * sender.
 */
export class MailboxList {
  readonly #entries: ReadonlySet<string>;

  /** @param entries Unicode text; requests contain the same in UTF-8 */
  constructor(entries: readonly string[]) {
    this.#entries = new Set(entries.map((entry) => normalizeName(Buffer.from(entry, "utf8").toString("latin1"))));
  }

  has(mailbox: string): boolean {
    if (mailbox === "") return this.#entries.has("<>");
    const wanted = normalizeName(mailbox);
    return this.#entries.has(wanted) || this.#entries.has(`@${domainOf(wanted)}`);
  }
}
