/** Domain names and mailboxes as lists match them: without case, at label boundaries. Text is latin1, one character a byte. */
import { lowerCase } from "../dns/name.ts";

/** The form in which names are compared: lower case, one trailing dot taken off. */
export function normalizeName(name: string): string {
  return lowerCase(name.endsWith(".") ? name.slice(0, -1) : name);
}

const MAX_NAME_BYTES = 253;
/** Labels of RFC 1123 section 2.1, with the underscore that is found in the wild; not an IPv4 address. */
const DOMAIN_NAME =
  /^(?!\d+(?:\.\d+){3}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$/;

/** Whether a name is a host or domain name in A-labels, without a trailing dot. */
export function isDomainName(name: string): boolean {
  return name.length <= MAX_NAME_BYTES && DOMAIN_NAME.test(name);
}

/** The domain of a mailbox: what stands behind its last "@" (a quoted local part may hold others), or nothing. */
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

  /** For lists too long to be built in one go; before the list is used. */
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

  /** The same for a name that normalizeName has been through. */
  hasNormalized(name: string): boolean {
    if (this.#names.has(name)) return true;
    if (!this.#hasSuffixes) return false;
    for (let dot = name.indexOf("."); dot !== -1; dot = name.indexOf(".", dot + 1)) {
      if (dot > 0 && this.#names.has(name.slice(dot))) return true;
    }
    return false;
  }
}

/** A list of mailboxes: `user@example.org` is that one, `@example.org` is every one there, `<>` is the null sender. */
export class MailboxList {
  readonly #entries: ReadonlySet<string>;

  /** @param entries Unicode text; requests carry the same in UTF-8 */
  constructor(entries: readonly string[]) {
    this.#entries = new Set(entries.map((entry) => normalizeName(Buffer.from(entry, "utf8").toString("latin1"))));
  }

  has(mailbox: string): boolean {
    if (mailbox === "") return this.#entries.has("<>");
    const wanted = normalizeName(mailbox);
    return this.#entries.has(wanted) || this.#entries.has(`@${domainOf(wanted)}`);
  }
}
