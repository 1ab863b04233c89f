/** Parses TOML text into a frozen configuration, or lists all its problems. Does no I/O. */
import { parse, TomlError } from "smol-toml";
import { nearest } from "../collections/nearest.ts";
import { parseHistoryPlace } from "../history/place.ts";
import { formatEndpoint } from "../net/endpoint.ts";
import { LISTENER_KEYS } from "./listeners.ts";
import type { Parameter } from "./parameter.ts";
import { type Config, type OverrideTable, PARAMETERS } from "./parameters.ts";
import { describeTomlError, foreignFile } from "./toml-error.ts";
import type { ValueProblem } from "./value.ts";

export interface ParsedConfig {
  /** The configuration. A wrong key has its default, so that further problems can be found. */
  readonly config: Config;
  /** One line for each problem, with the key, its value and the wanted form. */
  readonly problems: readonly string[];
  /** True if no key is set, so the defaults are used. */
  readonly isEmpty: boolean;
  /** False if nothing of the text could be read: then `config` holds the defaults, and says nothing of this host. */
  readonly isRead: boolean;
}

/**
 * Reads the text of a configuration file; `""` gives the defaults.
 *
 * @param source the name of the file in problems
 */
export function parseConfig(toml: string, source: string): ParsedConfig {
  let tree: Record<string, unknown> = {};
  try {
    tree = parse(toml);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return unread(toml, source, describeTomlError(toml, source, error));
  }
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const given = flatten(tree);
  const isEmpty = given.size === 0;
  for (const [name, parameter] of Object.entries<Parameter<unknown>>(PARAMETERS)) {
    const parsed = parameter.kind.parse(given.get(name) ?? parameter.default);
    given.delete(name);
    values[name] = parsed.ok ? parsed.value : defaultOf(parameter);
    if (!parsed.ok) problems.push(...parsed.problems.map((problem) => name + describe(problem)));
  }
  for (const [name, value] of given) {
    problems.push(
      isSection(name) ? `${name}: got ${show(value)}, want a table` : `${name}: unknown key${suggest(name)}`,
    );
  }
  const config = Object.freeze(values) as Config;
  problems.push(...checkTogether(config));
  const named = problems.map((problem) => `${source}: ${problem}`);
  return given.size > 0 && foreignFile(toml) !== undefined
    ? unread(toml, source, named)
    : { config, problems: named, isEmpty, isRead: true };
}

/** The defaults, with the problems of a text that has no configuration of ours: whose it is, if that is known. */
function unread(toml: string, source: string, problems: readonly string[]): ParsedConfig {
  const foreign = foreignFile(toml);
  const all = foreign === undefined ? problems : [`${source}: ${foreign}`];
  return { ...parseConfig("", source), problems: all, isEmpty: false, isRead: false };
}

function defaultOf(parameter: Parameter<unknown>): unknown {
  const parsed = parameter.kind.parse(parameter.default);
  return parsed.ok ? parsed.value : undefined;
}

/** Values by dotted name. A table becomes several values if it is a section, and is one value otherwise. */
function flatten(tree: Readonly<Record<string, unknown>>, prefix = ""): Map<string, unknown> {
  const values = new Map<string, unknown>();
  for (const [key, value] of Object.entries(tree)) {
    const name = prefix + key;
    if (isSection(name) && isTable(value)) for (const [inner, v] of flatten(value, `${name}.`)) values.set(inner, v);
    else values.set(name, value);
  }
  return values;
}

function isSection(name: string): boolean {
  return Object.keys(PARAMETERS).some((parameter) => parameter.startsWith(`${name}.`));
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function describe(problem: ValueProblem): string {
  const got = problem.got === undefined ? "nothing" : show(problem.got);
  return `${problem.path}: got ${got}, want ${problem.want}`;
}

function show(value: unknown): string {
  const shown = JSON.stringify(value, (_, v: unknown) => (typeof v === "bigint" ? Number(v) : v)) ?? String(value);
  const safe = shown.replace(/\/\/[^/"]*@/g, "//...@"); // hides a password in a URL
  return safe.length > 80 ? `${safe.slice(0, 77)}...` : safe;
}

/** Suggests a key or section: the same word in the same section, else in another one, else a similar word. */
function suggest(name: string): string {
  const plain = name.replaceAll("-", "_").toLowerCase();
  const last = plain.slice(plain.lastIndexOf(".") + 1);
  const names = Object.keys(PARAMETERS);
  const sections = names.flatMap((one) => [...one.matchAll(/\./g)].map(({ index }) => one.slice(0, index)));
  const beside = [...names, ...sections].filter((one) => parentOf(one) === parentOf(plain));
  const near =
    names.find((one) => one === plain) ??
    names.find((one) => one === last || one.endsWith(`.${last}`)) ??
    nearest(plain, beside) ??
    nearest(plain, names);
  return near === undefined ? "" : ` (is ${near} meant?)`;
}

function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf(".")));
}

/** Finds keys that contradict each other. */
function checkTogether(config: Config): string[] {
  const problems: string[] = [];
  const [length, min] = [config["srs.hash_length"], config["srs.hash_min_length"]];
  if (min > length) {
    problems.push(
      `srs.hash_min_length: got ${min}, want at most srs.hash_length (${length}): nothing would ever verify`,
    );
  }
  if (config["srs.store.mode"] === "all" && config["srs.store.url"] === "") {
    problems.push('srs.store.url: got "", want a store, because srs.store.mode is "all"');
  }
  problems.push(...checkReports(config));
  return [...problems, ...checkEndpoints(config), ...config["policy.override"].flatMap(checkOverride)];
}

/** Reports are made from the database alone. OpenDMARC's own tools make them from its HistoryFile. */
function checkReports(config: Config): string[] {
  const history = config["dmarc.history"];
  if (!config["dmarc.report.enabled"] || parseHistoryPlace(history)?.kind === "sqlite") return [];
  return [`dmarc.history: got "${history}", want "sqlite:/path", because dmarc.report.enabled is true`];
}

const MATCHERS = ["recipient", "sender", "sender_domain", "helo_name", "client_address"] as const;
const CHANGES = ["mode", "headers", "reject_message", "defer_message", "helo", "mail_from"] as const;

/** Refuses an override that matches every message: a forgotten line must not apply one recipient's rule to everyone. */
function checkOverride(override: OverrideTable, index: number): string[] {
  const isEmpty = (keys: readonly (keyof OverrideTable)[]): boolean => keys.every((key) => override[key] === undefined);
  const name = `policy.override[${index}]`;
  const problems: string[] = [];
  if (isEmpty(MATCHERS)) problems.push(`${name}: matches every message; want ${listWords(MATCHERS)}`);
  if (isEmpty(CHANGES)) problems.push(`${name}: changes nothing; want ${listWords(CHANGES)}`);
  return problems;
}

function listWords(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** Refuses two services on one endpoint. Port 0 is allowed twice, because each gets a free port. */
function checkEndpoints(config: Config): string[] {
  const takenBy = new Map<string, string>();
  const problems: string[] = [];
  for (const key of LISTENER_KEYS) {
    for (const endpoint of config[key]) {
      const name = formatEndpoint(endpoint);
      const first = takenBy.get(name);
      if (first !== undefined)
        problems.push(`${key}: got "${name}", which ${first} has already; want another endpoint`);
      else if (endpoint.type !== "inet" || endpoint.port !== 0) takenBy.set(name, key);
    }
  }
  return problems;
}
