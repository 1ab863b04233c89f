/**
 * `[policy.allow]`: clients that are not checked, found by address, by name or by SPF. The lists that cost no DNS come
 * first. Names must be confirmed by the address: a HELO or a reverse name alone is anybody's word.
 */

import { chain, type Eventual } from "../collections/eventual.ts";
import type { DnsAnswer, Resolver } from "../dns/types.ts";
import type { AllowSettings } from "../policy/settings.ts";
import type { SpfQuery, SpfVerdict } from "../spf/verdict.ts";
import { AddressSet, type ClientAddress, parseCidr, reverseName } from "./ip.ts";
import { DomainList, normalizeName } from "./names.ts";

/** The list that holds a client, or what else is known: `unknown` when DNS trouble hides whether one does. */
export type Exemption = "addresses" | "helo_names" | "ptr_domains" | "spf_domains" | "none" | "unknown";

/** The client that is looked for, and until when (on the clock of `performance.now()`). */
export interface AllowQuery {
  readonly client: ClientAddress;
  readonly heloName: string;
  readonly deadlineMs: number;
}

/** What the lists ask the outside world. */
export interface AllowSources {
  readonly resolver: Resolver;
  readonly checkHost: (query: SpfQuery) => Eventual<SpfVerdict>;
}

/** Of a client's reverse names only so many are looked at, as RFC 7208 5.5 does. */
const MAX_PTR_NAMES = 10;

type Finding = "yes" | "no" | "unknown";
type Step = { readonly list: Exemption; readonly find: (query: AllowQuery) => Eventual<Finding> };

/** Prepares the lists and returns the question. It never rejects on DNS trouble. */
export function createAllowList(
  settings: AllowSettings,
  sources: AllowSources,
): (query: AllowQuery) => Eventual<Exemption> {
  const addresses = new AddressSet(settings.addresses);
  const heloNames = new Set(settings.heloNames.map(normalizeName));
  const ptrDomains = new DomainList(settings.ptrDomains);
  const steps: Step[] = [{ list: "addresses", find: ({ client }) => (addresses.has(client) ? "yes" : "no") }];
  if (heloNames.size > 0) {
    steps.push({ list: "helo_names", find: (query) => findHelo(query, heloNames, sources.resolver) });
  }
  if (settings.ptrDomains.length > 0) {
    steps.push({ list: "ptr_domains", find: (query) => findPtr(query, ptrDomains, sources.resolver) });
  }
  for (const domain of settings.spfDomains) {
    steps.push({ list: "spf_domains", find: (query) => findSpf(query, domain, sources) });
  }
  return (query) => firstYes(steps, 0, query, "none");
}

/** Goes on behind a list that cannot be asked: another may hold the client. */
function firstYes(steps: readonly Step[], index: number, query: AllowQuery, otherwise: Exemption): Eventual<Exemption> {
  const step = steps[index];
  if (step === undefined) return otherwise;
  return chain(step.find(query), (finding) => {
    if (finding === "yes") return step.list;
    return firstYes(steps, index + 1, query, finding === "unknown" ? "unknown" : otherwise);
  });
}

function findHelo(query: AllowQuery, names: ReadonlySet<string>, resolver: Resolver): Eventual<Finding> {
  const name = normalizeName(query.heloName);
  return names.has(name) ? confirm(name, query, resolver) : "no";
}

function findPtr(query: AllowQuery, domains: DomainList, resolver: Resolver): Eventual<Finding> {
  const { client, deadlineMs } = query;
  return chain(resolver.resolve(reverseName(client), "PTR", { deadlineMs }), (answer) => {
    if (answer.status !== "ok") return absence(answer);
    const names = answer.records.slice(0, MAX_PTR_NAMES).filter((name) => domains.has(name));
    return anyConfirmed(names, query, resolver, "no");
  });
}

function anyConfirmed(
  names: readonly string[],
  query: AllowQuery,
  resolver: Resolver,
  otherwise: Finding,
): Eventual<Finding> {
  const [name, ...rest] = names;
  if (name === undefined) return otherwise;
  return chain(confirm(name, query, resolver), (finding) => {
    if (finding === "yes") return "yes";
    return anyConfirmed(rest, query, resolver, finding === "unknown" ? "unknown" : otherwise);
  });
}

/** Whether the addresses of `name` hold the client. */
function confirm(name: string, { client, deadlineMs }: AllowQuery, resolver: Resolver): Eventual<Finding> {
  const type = client.family === "ipv4" ? "A" : "AAAA";
  return chain(resolver.resolve(name, type, { deadlineMs }), (answer) => {
    if (answer.status !== "ok") return absence(answer);
    const ranges = answer.records.map(parseCidr).filter((range) => range !== undefined);
    return new AddressSet(ranges).has(client) ? "yes" : "no";
  });
}

function findSpf(query: AllowQuery, domain: string, sources: AllowSources): Eventual<Finding> {
  const { client, heloName, deadlineMs } = query;
  const sender = `postmaster@${domain}`;
  const verdict = sources.checkHost({ identity: "mailfrom", clientAddress: client.text, heloName, sender, deadlineMs });
  return chain(verdict, ({ result }) => (result === "pass" ? "yes" : result === "temperror" ? "unknown" : "no"));
}

function absence(answer: DnsAnswer<"A" | "AAAA" | "PTR">): Finding {
  return answer.status === "error" ? "unknown" : "no";
}
