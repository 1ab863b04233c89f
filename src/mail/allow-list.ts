/**
 * Allow lists: they find clients that are not checked, by address, by name or by SPF. The lists that need no DNS come
 * first. A name must be confirmed by the address: a HELO name or a reverse name alone proves nothing.
 */

import { chain, type Eventual } from "../collections/eventual.ts";
import type { DnsAnswer, Resolver } from "../dns/types.ts";
import { isSameAddress, readAddress } from "./address-groups.ts";
import { AddressSet, type Cidr, type ClientAddress, reverseName } from "./ip.ts";
import { DomainList, normalizeName } from "./names.ts";

/** The lists. A client needs to be on only one of them. */
export interface AllowSettings {
  readonly addresses: readonly Cidr[];
  /** Known forwarders: the client passes SPF of one of these. */
  readonly spfDomains: readonly string[];
  /** HELO names: HELO equals one of these, and its A or AAAA records contain the client. */
  readonly heloNames: readonly string[];
  /** Reverse names: the forward-confirmed reverse name is one of these, or below a `.name`. */
  readonly ptrDomains: readonly string[];
}

/** The list that holds a client; `none`; or `unknown` if DNS trouble hides the answer. */
export type Exemption = "addresses" | "helo_names" | "ptr_domains" | "spf_domains" | "none" | "unknown";

/** The client to look for, and the deadline (on the clock of `performance.now()`). */
export interface AllowQuery {
  readonly client: ClientAddress;
  readonly heloName: string;
  readonly deadlineMs: number;
}

/** The answer of one list; `unknown` on DNS trouble. */
export type Membership = "yes" | "no" | "unknown";

/** The lookups that the lists need. */
export interface AllowSources {
  readonly resolver: Resolver;
  /** Tells if the SPF record of `domain` authorizes the client. */
  readonly passesSpf: (domain: string, query: AllowQuery) => Eventual<Membership>;
}

/** Reverse names of a client that are looked up, as in RFC 7208 section 5.5. */
const MAX_PTR_NAMES = 10;

type List = { readonly name: Exemption; readonly holds: (query: AllowQuery) => Eventual<Membership> };

/**
 * Prepares the lists and returns a function that finds the list that holds a client. DNS trouble never makes it reject.
 */
export function createAllowList(
  settings: AllowSettings,
  { resolver, passesSpf }: AllowSources,
): (query: AllowQuery) => Eventual<Exemption> {
  const addresses = new AddressSet(settings.addresses);
  const heloNames = new Set(settings.heloNames.map(normalizeName));
  const ptrDomains = new DomainList(settings.ptrDomains);
  const lists: List[] = [{ name: "addresses", holds: ({ client }) => (addresses.has(client) ? "yes" : "no") }];
  if (heloNames.size > 0) {
    lists.push({ name: "helo_names", holds: (query) => isHeloListed(query, heloNames, resolver) });
  }
  if (settings.ptrDomains.length > 0) {
    lists.push({ name: "ptr_domains", holds: (query) => isReverseNameListed(query, ptrDomains, resolver) });
  }
  for (const domain of settings.spfDomains) {
    lists.push({ name: "spf_domains", holds: (query) => passesSpf(domain, query) });
  }
  return (query) => firstThatHolds(lists, 0, query, "none");
}

/** Searches the lists in order. DNS trouble at one list does not end the search: another may hold the client. */
function firstThatHolds(
  lists: readonly List[],
  index: number,
  query: AllowQuery,
  otherwise: Exemption,
): Eventual<Exemption> {
  const list = lists[index];
  if (list === undefined) return otherwise;
  return chain(list.holds(query), (membership) => {
    if (membership === "yes") return list.name;
    return firstThatHolds(lists, index + 1, query, membership === "unknown" ? "unknown" : otherwise);
  });
}

function isHeloListed(query: AllowQuery, names: ReadonlySet<string>, resolver: Resolver): Eventual<Membership> {
  const name = normalizeName(query.heloName);
  return names.has(name) ? isNameOf(query, name, resolver) : "no";
}

function isReverseNameListed(query: AllowQuery, domains: DomainList, resolver: Resolver): Eventual<Membership> {
  const { client, deadlineMs } = query;
  return chain(resolver.resolve(reverseName(client), "PTR", { deadlineMs }), (answer) => {
    if (answer.status !== "ok") return withoutRecords(answer);
    const names = answer.records.slice(0, MAX_PTR_NAMES).filter((name) => domains.has(name));
    return isAnyNameOf(query, names, resolver, "no");
  });
}

function isAnyNameOf(
  query: AllowQuery,
  names: readonly string[],
  resolver: Resolver,
  otherwise: Membership,
): Eventual<Membership> {
  const [name, ...rest] = names;
  if (name === undefined) return otherwise;
  return chain(isNameOf(query, name, resolver), (membership) => {
    if (membership === "yes") return "yes";
    return isAnyNameOf(query, rest, resolver, membership === "unknown" ? "unknown" : otherwise);
  });
}

/** Tells if the client is among the addresses of `name`. */
function isNameOf({ client, deadlineMs }: AllowQuery, name: string, resolver: Resolver): Eventual<Membership> {
  const type = client.family === "ipv4" ? "A" : "AAAA";
  return chain(resolver.resolve(name, type, { deadlineMs }), (answer) => {
    if (answer.status !== "ok") return withoutRecords(answer);
    return answer.records.some((record) => isSameAddress(client.groups, readAddress(record) ?? [])) ? "yes" : "no";
  });
}

function withoutRecords(answer: DnsAnswer<"A" | "AAAA" | "PTR">): Membership {
  return answer.status === "error" ? "unknown" : "no";
}
