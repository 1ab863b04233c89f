/** Finds the domains that Postfix receives mail for, and the entries of transport_maps for domains of strangers. */
import { type MatchItem, parseMatchLine, parseMatchList } from "../../postfix/match-list.ts";
import type { AskTable } from "../../postfix/postmap.ts";
import { BIG_RECEIVERS, domainOfKey, isDefaultRoute, MAX_KEYS } from "../../postfix/transport-map.ts";
import { readText } from "../../process/regular-file.ts";
import { entriesOf } from "../entries.ts";
import type { PostfixFacts } from "../postfix-facts.ts";
import { STRANGER } from "./probe.ts";

/** The lists of domains that Postfix accepts mail for. */
const CLASSES = ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"] as const;

/** Asks the tables of a Postfix. None of them rejects: a table that cannot be asked has no entry. */
export interface Tables {
  readonly lookUp: (table: string, key: string) => Promise<string | undefined>;
  readonly askAll: AskTable;
  /** `undefined` for a table that cannot list its entries. */
  readonly list: (table: string) => Promise<ReadonlyMap<string, string> | undefined>;
}

/** Those of some domains that a list of main.cf has. */
export async function findReceived(
  expanded: PostfixFacts["expanded"],
  domains: readonly string[],
  { askAll }: Tables,
): Promise<Set<string>> {
  const received = new Set<string>();
  for (const name of CLASSES) {
    const namesOf = name === "relay_domains" ? withParents : (domain: string) => [domain];
    const open = new Map(domains.map((domain) => [domain, namesOf(domain)]));
    // The first item that matches decides.
    for (const item of parseMatchList(expanded.get(name) ?? "")) {
      const found = await namesIn(item, [...open.values()].flat(), askAll);
      for (const [domain, names] of open) {
        if (!names.some((one) => found.has(one))) continue;
        open.delete(domain);
        if (!item.negated) received.add(domain);
      }
    }
  }
  return received;
}

/** What an item of a list has of some names: by name, in a file, or in a table. */
async function namesIn({ kind, text }: MatchItem, names: readonly string[], askAll: AskTable): Promise<Set<string>> {
  if (kind === "name") return new Set([text.toLowerCase()]);
  if (kind === "file") return namesInFile(text);
  const answer = await askAll(text, names);
  return answer.status === "answered" ? new Set(answer.found) : new Set();
}

/** `srs.example.org`, `example.org` and `.example.org` … */
function withParents(domain: string): string[] {
  const labels = domain.split(".");
  const parents = labels.slice(1).map((_, index) => labels.slice(index + 1).join("."));
  return [domain, ...parents.flatMap((parent) => [parent, `.${parent}`])];
}

function namesInFile(path: string): Set<string> {
  const lines = (readText(path) ?? "").split("\n");
  return new Set(lines.flatMap(parseMatchLine).map(({ text }) => text.toLowerCase()));
}

/** What goes past sender_dependent_default_transport_maps. */
export type PastRoutes = Pick<PostfixFacts, "catchAlls" | "foreignRoutes">;

/** Looks at each table of transport_maps. */
export async function findPastRoutes(expanded: PostfixFacts["expanded"], tables: Tables): Promise<PastRoutes> {
  const entries = entriesOf(expanded.get("transport_maps") ?? "");
  const isCatchAll = await Promise.all(entries.map((entry) => answersAll(entry, tables)));
  const others = entries.filter((_, index) => isCatchAll[index] === false);
  const keys = await Promise.all(others.map((entry) => keysWithRoute(entry, tables)));
  const domains = [...new Set(keys.flat().flatMap((key) => domainOfKey(key) ?? []))];
  const received = await findReceived(expanded, domains, { ...tables, askAll: hasAllIfSilent(tables.askAll) });
  const isForeign = (key: string): boolean => {
    const domain = domainOfKey(key);
    return domain !== undefined && !received.has(domain);
  };
  return {
    catchAlls: entries.filter((_, index) => isCatchAll[index]),
    foreignRoutes: new Map(
      others.flatMap((entry, index) => {
        const foreign = (keys[index] ?? []).filter(isForeign).sort();
        return foreign.length === 0 ? [] : [[entry, foreign] as const];
      }),
    ),
  };
}

/** Takes a table that cannot be asked as one that has every domain: nothing is said of a domain that may be ours. */
function hasAllIfSilent(askAll: AskTable): AskTable {
  return async (table, keys) => {
    const answer = await askAll(table, keys);
    return answer.status === "answered" ? answer : { status: "answered", found: new Set(keys) };
  };
}

/** Tells if a table has "*". A table of patterns has no "*": it is asked for an address. */
async function answersAll(entry: string, { lookUp }: Tables): Promise<boolean> {
  const answer = (await lookUp(entry, "*")) ?? (await lookUp(entry, STRANGER));
  return answer !== undefined && !isDefaultRoute(answer);
}

/** The keys with a transport or a next hop: all, or the big receivers of a table that cannot list them. */
async function keysWithRoute(entry: string, { list, lookUp }: Tables): Promise<string[]> {
  const listed = await list(entry);
  if (listed !== undefined) {
    return [...listed].slice(0, MAX_KEYS).flatMap(([key, value]) => (isDefaultRoute(value) ? [] : [key]));
  }
  const found = await Promise.all(
    BIG_RECEIVERS.map(async (domain) => {
      const answer = (await lookUp(entry, domain)) ?? (await lookUp(entry, `someone@${domain}`));
      return answer === undefined || isDefaultRoute(answer) ? [] : [domain];
    }),
  );
  return found.flat();
}
