/** One of Postfix's domain lists, such as relay_domains. Matches as Postfix does (postconf(5), "mydestination"). */
import { DomainList } from "../mail/names.ts";
import type { MatchItem } from "../postfix/match-list.ts";
import { asciiName, type LookupName } from "./name.ts";
import type { PostfixTables } from "./postfix-tables.ts";
import type { Source } from "./source.ts";

/**
 * The meaning of a name in a match list (postconf(5), "parent_domain_matches_subdomains"): `exact`, the name itself;
 * `dotted`, the name itself or, with a dot before it, all names below; `parents`, the name and all names below.
 */
export type MatchStyle = "exact" | "dotted" | "parents";

type Step =
  | { readonly negated: boolean; readonly names: DomainList }
  | { readonly negated: boolean; readonly table: string };

/** Table types that Postfix asks only for the whole name, because a pattern can match the parent domains itself. */
const PATTERN_TYPES = /^(?:proxy:)*(?:regexp|pcre|cidr|tcp|socketmap|randmap|fail):/;

/** The items of a list in order. The first item that matches decides. */
export class DomainClass implements Source {
  readonly #style: MatchStyle;
  readonly #tables: PostfixTables;
  readonly #steps: Step[] = [];
  /** The lookup tables in the list, by name. */
  readonly tableNames: string[] = [];
  #count = 0;

  constructor(style: MatchStyle, tables: PostfixTables) {
    this.#style = style;
    this.#tables = tables;
  }

  /** Counts the names in the list without those that are excluded. */
  get count(): number {
    return this.#count;
  }

  /** Appends an item before the list is used. An item that is not a domain name, such as `[192.0.2.1]`, is left out. */
  add(item: MatchItem): void {
    if (item.kind === "table") {
      this.tableNames.push(item.text);
      this.#steps.push({ negated: item.negated, table: item.text });
      return;
    }
    const dotted = item.text.startsWith(".");
    const name = asciiName(dotted ? item.text.slice(1) : item.text);
    if (name === undefined || (dotted && this.#style !== "dotted")) return;
    const names = this.#namesFor(item.negated);
    names.add(dotted ? `.${name}` : name);
    if (this.#style === "parents") names.add(`.${name}`);
    if (!item.negated) this.#count += 1;
  }

  has(name: LookupName): boolean | Promise<boolean> {
    return this.#from(0, name);
  }

  #from(start: number, name: LookupName): boolean | Promise<boolean> {
    for (const [index, step] of this.#steps.entries()) {
      if (index < start) continue;
      const matches = "names" in step ? step.names.hasNormalized(name.ascii) : this.#find(step.table, name);
      if (typeof matches !== "boolean") {
        return matches.then((found) => (found ? !step.negated : this.#from(index + 1, name)));
      }
      if (matches) return !step.negated;
    }
    return false;
  }

  #find(table: string, name: LookupName): boolean | Promise<boolean> {
    const whole = this.#style === "exact" || PATTERN_TYPES.test(table);
    return this.#tables.find(table, name, (spelling) => [spelling, ...(whole ? [] : this.#namesAbove(spelling))]);
  }

  #namesAbove(name: string): string[] {
    const labels = name.split(".");
    const dot = this.#style === "dotted" ? "." : "";
    return labels.slice(1).map((_, index) => dot + labels.slice(index + 1).join("."));
  }

  /** The set for the next name. Neighbouring names share one set, so that a long list is as fast as a short one. */
  #namesFor(negated: boolean): DomainList {
    const last = this.#steps.at(-1);
    if (last !== undefined && last.negated === negated && "names" in last) return last.names;
    const names = new DomainList([]);
    this.#steps.push({ negated, names });
    return names;
  }
}
