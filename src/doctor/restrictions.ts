/** Finds policy services in the restriction lists of main.cf and master.cf. */
import { splitItems } from "../postfix/match-list.ts";
import type { Service } from "../postfix/services.ts";
import type { Setup } from "../setup/setup.ts";
import type { PostfixFacts } from "./facts.ts";
import { isListener, parsePlace, type WrittenPlace } from "./places.ts";

/** Lists of restrictions that may name a policy service, in the order in which smtpd evaluates them. */
const LISTS = [
  "smtpd_client_restrictions",
  "smtpd_helo_restrictions",
  "smtpd_sender_restrictions",
  "smtpd_relay_restrictions",
  "smtpd_recipient_restrictions",
  "smtpd_data_restrictions",
  "smtpd_end_of_data_restrictions",
] as const;

type ListName = (typeof LISTS)[number];

/** A list of restrictions, restriction classes expanded. */
export interface RestrictionList {
  /** A parameter of smtpd, or a restriction class. */
  readonly name: string;
  /** The service of master.cf that overrides it; `undefined` for that of main.cf. */
  readonly service: Service | undefined;
  readonly items: readonly string[];
}

/** A call of a policy service. */
export interface PolicyCall {
  readonly list: RestrictionList;
  /** Place of `check_policy_service` in the list. */
  readonly index: number;
  /** As written: `inet:127.0.0.1:10030` or `{ inet:127.0.0.1:10030, timeout=30s }`. */
  readonly text: string;
  /** The endpoint alone. */
  readonly endpoint: string;
  readonly where: WrittenPlace | undefined;
  /** The options in braces, as written. */
  readonly options: readonly string[];
}

/** Every list that is set. */
export function restrictionLists(postfix: PostfixFacts): RestrictionList[] {
  const own = LISTS.map((name) => listOf(name, undefined, postfix.value(name), postfix));
  const overridden = postfix.services.flatMap((service) =>
    LISTS.flatMap((name) => {
      const value = service.overrides.get(name);
      return value === undefined ? [] : [listOf(name, service, value, postfix)];
    }),
  );
  return [...own, ...overridden].filter(({ items }) => items.length > 0);
}

/** The list in force for a service of master.cf. */
export function listFor(name: ListName, service: Service, postfix: PostfixFacts): RestrictionList {
  const value = service.overrides.get(name);
  return listOf(name, value === undefined ? undefined : service, value ?? postfix.value(name), postfix);
}

/** All lists in force for a service of master.cf. */
export function listsFor(service: Service, postfix: PostfixFacts): RestrictionList[] {
  return LISTS.map((name) => listFor(name, service, postfix)).filter(({ items }) => items.length > 0);
}

function listOf(name: ListName, service: Service | undefined, value: string, postfix: PostfixFacts): RestrictionList {
  const classes = new Set(classNames(postfix));
  const items = splitItems(value).flatMap((item) => (classes.has(item) ? splitItems(postfix.value(item)) : [item]));
  return { name, service, items: items.filter((item) => item !== "") };
}

function classNames(postfix: PostfixFacts): string[] {
  return splitItems(postfix.value("smtpd_restriction_classes")).filter(Boolean);
}

/** The calls in all lists, and those in restriction classes alone: an access table may name the class. */
export function allCalls(postfix: PostfixFacts): PolicyCall[] {
  const inLists = restrictionLists(postfix).flatMap(policyCalls);
  const endpoints = new Set(inLists.map(({ endpoint }) => endpoint));
  const inClasses = classNames(postfix).flatMap((name) =>
    policyCalls({ name, service: undefined, items: splitItems(postfix.value(name)) }),
  );
  return [...inLists, ...inClasses.filter(({ endpoint }) => !endpoints.has(endpoint))];
}

/** The calls of policy services in a list. */
export function policyCalls(list: RestrictionList): PolicyCall[] {
  return list.items.flatMap((item, index) => {
    const text = list.items[index + 1];
    if (item !== "check_policy_service" || text === undefined) return [];
    const [endpoint = "", ...options] = bracedItems(text);
    return [{ list, index, text, endpoint, where: parsePlace(endpoint), options }];
  });
}

/** The endpoint and the options of `{ inet:127.0.0.1:10030, timeout=30s }`, split at commas and blanks but for those around "=". */
export function bracedItems(written: string): string[] {
  const text = written.startsWith("{") ? written.slice(1).replace(/\}\s*$/, "") : written;
  return splitItems(text.replaceAll(/\s*=\s*/g, (sign) => (sign === "=" ? sign : "\0"))).flatMap((item) =>
    item === "" ? [] : [item.replaceAll("\0", " = ")],
  );
}

/** Tells if a call names a listener of ours. */
export function isOurs({ where }: PolicyCall, { config }: Setup, postfix: PostfixFacts): boolean {
  return isListener(where, config["policy.listen"], postfix);
}

/** Tells if a call names another SPF checker: by its name, or by the program that it spawns. */
export function isOtherSpf(call: PolicyCall, postfix: PostfixFacts): boolean {
  const { where } = call;
  if (where === undefined || "host" in where) return /spf/i.test(call.endpoint);
  const name = where.path.replace(/^.*\//, "");
  const service = postfix.services.find((one) => one.name === name && one.program === "spawn");
  return /spf/i.test(service === undefined ? name : `${name} ${service.args}`);
}

/** The services that accept mail: name of a list, for a sentence. */
export function nameOf({ name, service }: RestrictionList): string {
  return service === undefined ? `main.cf: ${name}` : `master.cf: ${service.name}: ${name}`;
}
