/** Finds milters in main.cf and master.cf (MILTER_README), and writes a list of them anew. */
import { formatEndpoint } from "../net/endpoint.ts";
import { splitItems } from "../postfix/match-list.ts";
import type { Service } from "../postfix/services.ts";
import type { Setup } from "../setup/setup.ts";
import { type Check, type Finding, postconf, shellWord, skipped, withPostfix } from "./check.ts";
import type { Facts, PostfixFacts } from "./facts.ts";
import { isListener, parsePlace, type WrittenPlace } from "./places.ts";
import { bracedItems } from "./restrictions.ts";

export const OFF = "milter.listen is empty: the milter is off";
export const NOT_USED = "no milter parameter of Postfix names our milter";

const LISTS = ["smtpd_milters", "non_smtpd_milters"] as const;

/** A list of milters, in the order in which they see a message. */
export interface MilterList {
  readonly name: (typeof LISTS)[number];
  /** The service of master.cf that overrides it; `undefined` for that of main.cf. */
  readonly service: Service | undefined;
  readonly milters: readonly Milter[];
}

export interface Milter {
  /** As written: `inet:127.0.0.1:8891` or `{ inet:127.0.0.1:8891, default_action=accept }`. */
  readonly text: string;
  /** The endpoint alone. */
  readonly endpoint: string;
  readonly where: WrittenPlace | undefined;
  /** The options in braces. */
  readonly options: ReadonlyMap<string, string>;
}

/** Every list that is set and has a milter. */
export function milterLists(postfix: PostfixFacts): MilterList[] {
  const own = LISTS.map((name) => listOf(name, undefined, postfix.value(name)));
  const overridden = postfix.services.flatMap((service) =>
    LISTS.flatMap((name) => {
      const value = service.overrides.get(name);
      return value === undefined ? [] : [listOf(name, service, value)];
    }),
  );
  return [...own, ...overridden].filter(({ milters }) => milters.length > 0);
}

/** The list in force for a service of smtpd. Empty with `receive_override_options = no_milters`. */
export function listFor(service: Service, postfix: PostfixFacts): MilterList {
  const options = service.overrides.get("receive_override_options") ?? postfix.value("receive_override_options");
  const value = service.overrides.get("smtpd_milters");
  const list = listOf(
    "smtpd_milters",
    value === undefined ? undefined : service,
    value ?? postfix.value("smtpd_milters"),
  );
  return splitItems(options).includes("no_milters") ? { ...list, milters: [] } : list;
}

/** The services of master.cf that take mail by SMTP. Those of port 25 and postscreen, of users, of a second pass. */
export function smtpdServices(postfix: PostfixFacts): Service[] {
  return postfix.services.filter(({ program }) => program === "smtpd");
}

function listOf(name: MilterList["name"], service: Service | undefined, value: string): MilterList {
  return { name, service, milters: splitItems(value).filter(Boolean).map(parseMilter) };
}

function parseMilter(text: string): Milter {
  const [endpoint = "", ...options] = bracedItems(text);
  const pairs = options.map((option): [string, string] => {
    const [name = "", ...value] = option.replace(/^\{(.*)\}$/s, "$1").split("=");
    return [name.trim(), value.join("=").trim()];
  });
  return { text, endpoint, where: parsePlace(endpoint), options: new Map(pairs) };
}

/** Tells if a milter is a listener of ours. */
export function isOurMilter({ where }: Milter, { config }: Setup, postfix: PostfixFacts): boolean {
  return isListener(where, config["milter.listen"], postfix);
}

/** Tells if a list has our milter. */
export function hasOurs({ milters }: MilterList, setup: Setup, postfix: PostfixFacts): boolean {
  return milters.some((milter) => isOurMilter(milter, setup, postfix));
}

/** The lists that have our milter. */
export function ourLists(postfix: PostfixFacts, setup: Setup): MilterList[] {
  return milterLists(postfix).filter((list) => hasOurs(list, setup, postfix));
}

/** The value of a parameter for a milter: its own option, that of the service, or main.cf's. */
export function settingFor(milter: Milter, list: MilterList, name: string, postfix: PostfixFacts): string {
  return milter.options.get(name) ?? list.service?.overrides.get(`milter_${name}`) ?? postfix.value(`milter_${name}`);
}

/** The parameter with its file, for a sentence. */
export function nameOfList({ name, service }: Pick<MilterList, "name" | "service">): string {
  return service === undefined ? `main.cf: ${name}` : `master.cf: ${service.name}: ${name}`;
}

/** The command that writes a list anew; for one behind a `$name` it is said in words. */
export function mendMilters(list: MilterList, postfix: PostfixFacts, wanted: readonly Milter[]): string {
  const texts = wanted.map(({ text }) => text);
  if (list.service !== undefined) return setForService(list.service, [list.name, texts.join(",")]);
  const written = splitItems(postfix.written(list.name) ?? "").filter(Boolean);
  if (!list.milters.every(({ text }) => written.includes(text))) return `edit ${nameOfList(list)}`;
  return postconf(`${list.name} = ${texts.join(", ")}`);
}

/** A milter with an option set, or without it. */
export function withOption(milter: Milter, name: string, value: string | undefined): Milter {
  const options = new Map(milter.options);
  if (value === undefined) options.delete(name);
  else options.set(name, value);
  const items = [
    milter.endpoint,
    ...[...options].map(([key, one]) => (/\s/.test(one) ? `{ ${key} = ${one} }` : `${key}=${one}`)),
  ];
  return { ...milter, options, text: options.size === 0 ? milter.endpoint : `{ ${items.join(", ")} }` };
}

/** The command that sets parameters of a service. postconf takes no blanks there. */
export function setForService({ name, type }: Service, ...settings: readonly (readonly [string, string])[]): string {
  const words = settings.map(([parameter, value]) => {
    const tight = value.replaceAll(/\s*,\s*/g, ",").replaceAll(/(\{)\s+|\s+(\})/g, "$1$2");
    return shellWord(`${name}/${type}/${parameter}=${tight}`);
  });
  return `postconf -P ${words.join(" ")} && postfix reload`;
}

/** The command that has a service inherit a parameter from main.cf. */
export function unsetForService({ name, type }: Service, parameter: string): string {
  return `postconf -PX ${shellWord(`${name}/${type}/${parameter}`)} && postfix reload`;
}

/** Tells if we have no milter. */
export function isOff({ config }: Setup): boolean {
  return config["milter.listen"].length === 0;
}

/** A check of a Postfix that asks our milter. */
export function withOurs(run: (postfix: PostfixFacts, facts: Facts) => readonly Finding[]): Check["run"] {
  return withPostfix((postfix, facts) => {
    if (isOff(facts.setup)) return [skipped(OFF)];
    return ourLists(postfix, facts.setup).length === 0 ? [skipped(NOT_USED)] : run(postfix, facts);
  });
}

/** How Postfix names our milter, or would. */
export function ourEndpoint(postfix: PostfixFacts, setup: Setup): string {
  const named = ourLists(postfix, setup).flatMap(({ milters }) =>
    milters.filter((milter) => isOurMilter(milter, setup, postfix)),
  );
  const [endpoint] = setup.config["milter.listen"];
  const configured = endpoint === undefined || endpoint.type === "fd" ? "ENDPOINT" : formatEndpoint(endpoint);
  return named[0]?.endpoint ?? (configured.startsWith("unix:") ? configured : `inet:${configured}`);
}

/** Tells if a service takes mail of strangers: port 25, on every address or one of the Internet. */
export function takesFromOutside({ name, type }: Service): boolean {
  if (/^(?:127\.|localhost:|\[::1\]:)/.test(name)) return false;
  return (type === "inet" && /(?:^|:)(?:smtp|25)$/.test(name)) || (type === "pass" && name === "smtpd");
}
