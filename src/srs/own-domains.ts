/** Which sender domains are ours, and so are never rewritten. */
export interface OwnDomains {
  /**
   * Whether `domain` (as it came, any case, a trailing dot allowed) is own. A promise only when something outside the
   * process has to be asked; it rejects when that does not answer and nothing is known.
   */
  has(domain: string): boolean | Promise<boolean>;
}

/**
 * A fixed list: `example.net` is that name alone, `.example.net` is every name below it, at any depth.
 * A lookup costs one step for each label, whatever the length of the list.
 */
export class DomainList implements OwnDomains {
  readonly #names = new Set<string>();
  #hasSuffixes = false;

  constructor(entries: Iterable<string>) {
    for (const entry of entries) this.add(entry);
  }

  /** For lists too long to be built in one go; before the list is used. */
  add(entry: string): void {
    const name = normalizeDomain(entry);
    if (name === "") return;
    this.#names.add(name);
    if (name.startsWith(".")) this.#hasSuffixes = true;
  }

  get size(): number {
    return this.#names.size;
  }

  has(domain: string): boolean {
    const name = normalizeDomain(domain);
    if (this.#names.has(name)) return true;
    if (!this.#hasSuffixes) return false;
    for (let dot = name.indexOf("."); dot !== -1; dot = name.indexOf(".", dot + 1)) {
      if (dot > 0 && this.#names.has(name.slice(dot))) return true;
    }
    return false;
  }
}

/** Lower case, one trailing dot taken off: the form in which domains are compared. */
export function normalizeDomain(domain: string): string {
  const name = domain.endsWith(".") ? domain.slice(0, -1) : domain;
  return name.toLowerCase();
}
