/** Domain names and mailboxes as lists in the configuration match them: without case, at label boundaries. */

/** Lower case, one trailing dot taken off: the form in which names are compared. */
export function normalizeName(name: string): string {
  return (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase();
}

/** The domain of a mailbox: what stands behind its last "@" (a quoted local part may hold others), or nothing. */
export function domainOf(mailbox: string): string {
  const at = mailbox.lastIndexOf("@");
  return at === -1 ? "" : mailbox.slice(at + 1);
}

/** An entry of a list as octets (one character each), as requests carry them, ready to be compared. */
function entryOctets(entry: string): string {
  return normalizeName(Buffer.from(entry, "utf8").toString("latin1"));
}

/** Names: `example.net` is that name alone, `.example.net` is every name below it, at any depth. */
export class NameSet {
  readonly #names: ReadonlySet<string>;

  constructor(entries: readonly string[]) {
    this.#names = new Set(entries.map(entryOctets));
  }

  has(name: string): boolean {
    if (this.#names.size === 0) return false;
    const wanted = normalizeName(name);
    if (wanted === "" || wanted.startsWith(".")) return false;
    if (this.#names.has(wanted)) return true;
    for (let dot = wanted.indexOf("."); dot !== -1; dot = wanted.indexOf(".", dot + 1)) {
      if (this.#names.has(wanted.slice(dot))) return true;
    }
    return false;
  }
}

/** Mailboxes: `user@example.org` is that one, `@example.org` is every one there, `<>` is the null sender. */
export class MailboxSet {
  readonly #entries: ReadonlySet<string>;

  constructor(entries: readonly string[]) {
    this.#entries = new Set(entries.map(entryOctets));
  }

  has(mailbox: string): boolean {
    if (mailbox === "") return this.#entries.has("<>");
    const wanted = normalizeName(mailbox);
    return this.#entries.has(wanted) || this.#entries.has(`@${domainOf(wanted)}`);
  }
}
