/**
 * Reads the file of `Per_User`, and turns each recipient into overrides.
 *
 *     user@example.org,Name=value|Name=value        # the first line of a recipient counts
 */
import { parseCidr } from "../../mail/ip.ts";
import { type Findings, type Host, ImportError, type Source, type TableSetting } from "./finding.ts";
import { difference, identitiesOf, variantsOf } from "./policyd-spf-dispositions.ts";
import {
  addNamed,
  headersOf,
  listEntries,
  NAMES,
  type Option,
  type Options,
  optionValue,
  withPrefix,
} from "./policyd-spf-options.ts";
import { replyText } from "./policyd-spf-text.ts";

/** Names that a line of a recipient may have. */
const USER_NAMES = Object.keys(NAMES)
  .filter((name) => !["TestOnly", "Mock", "Per_User", "Authserv_Id"].includes(name))
  .concat("Authserv-Id");

/** Options that an override can express. The others apply to all recipients here. */
const EXPRESSED = new Set(
  [
    "HELO_reject",
    "Mail_From_reject",
    "PermError_reject",
    "TempError_Defer",
    "No_Mail",
    "Reject_Not_Pass_Domains",
  ].concat(
    ["HELO_pass_restriction", "Mail_From_pass_restriction", "Header_Type", "Reason_Message"],
    ["Whitelist", "skip_addresses"],
  ),
);

interface Reading {
  readonly source: Source;
  readonly host: Host;
  readonly findings: Findings;
  readonly options: Options;
}

/**
 * The overrides for single recipients.
 *
 * @throws {ImportError} when the file cannot be read
 */
export function readPerUser(reading: Reading): TableSetting[] {
  const { source, host, findings, options } = reading;
  const option = options.get("Per_User");
  if (option === undefined) return [];
  const where = `${source.path}:${option.line}`;
  const [type, path = "", ...more] = option.value.split(",");
  if (type !== "text" || more.length > 0 || path.trim() === "") {
    throw new ImportError(`${where}: Per_User: got "${option.value}", want "text,/path"`);
  }
  if (path !== path.trim()) {
    findings.note(
      where,
      `policyd-spf took the blank for a part of the path, found no such file, and treated all recipients alike`,
    );
  }
  const text = host.readFile(path.trim());
  if (text === undefined) throw new ImportError(`${where}: Cannot read "${path.trim()}", the file of Per_User`);
  return readUsers({ path: path.trim(), text }, reading);
}

function readUsers({ path, text }: Source, { findings, options }: Reading): TableSetting[] {
  const overrides: TableSetting[] = [];
  const seen = new Set<string>();
  for (const [index, whole] of text.split("\n").entries()) {
    const content = (whole.split("#", 1)[0] ?? "").trim();
    if (content === "") continue;
    const where = `${path}:${index + 1}`;
    const comma = content.indexOf(",");
    const user = content.slice(0, Math.max(0, comma)).trim();
    if (!/^[^\s@]+@[^\s@]+$/.test(user)) {
      findings.note(
        where,
        `"${content}" is no recipient with settings (user@domain,Name=value|Name=value), and policyd-spf crashed here`,
      );
      continue;
    }
    if (user !== user.toLowerCase())
      findings.note(where, `policyd-spf asks in lower case, so "${user}" never matched; it does here`);
    if (seen.has(user.toLowerCase())) {
      findings.note(where, `${user} has a line above, which alone counts`);
      continue;
    }
    seen.add(user.toLowerCase());
    const own = readPairs(content.slice(comma + 1), index + 1, (note) => findings.note(where, note));
    overrides.push(
      ...overridesFor(user, own, { options, from: `Per_User (${where})`, note: (note) => findings.note(where, note) }),
    );
  }
  return overrides;
}

function readPairs(text: string, line: number, note: (text: string) => void): Map<string, Option> {
  const own = new Map<string, Option>();
  for (const pair of text.split("|")) {
    const [name = "", value, ...more] = pair.split("=");
    if (value === undefined || more.length > 0) {
      note(`policyd-spf crashes on "${pair.trim()}": want Name=value`);
      continue;
    }
    if (/\s/.test(name) || value !== value.trim())
      note(`policyd-spf takes the blanks in "${pair}" for a part of it; they are left out`);
    const problem = addNamed(own, name.trim(), { value: value.trim(), line }, USER_NAMES);
    if (problem !== undefined) note(problem);
  }
  return own;
}

interface Context {
  /** The options for everybody. */
  readonly options: Options;
  readonly from: string;
  readonly note: (text: string) => void;
}

function overridesFor(user: string, own: ReadonlyMap<string, Option>, context: Context): TableSetting[] {
  const { options, from, note } = context;
  const all: Options = new Map([...options, ...own]);
  for (const name of own.keys()) {
    if (!EXPRESSED.has(name)) note(`${name} applies to all recipients here, and is left out for ${user}`);
  }
  const plain = changesFor(all, options, context);
  const overrides: TableSetting[] = [];
  const exempt = ["Whitelist", "skip_addresses"].flatMap((name) => addressesOf(own.get(name)?.value ?? "", note));
  if (exempt.length > 0) {
    const unchecked = { helo: { check: false }, mail_from: { check: false } };
    overrides.push({ values: { recipient: user, client_address: exempt, ...unchecked }, from });
  }
  for (const { match, change } of variantsOf(all)) {
    const merged = {
      ...plain,
      ...(change.helo === undefined ? {} : { helo: { ...plain.helo, ...change.helo } }),
      ...(change.mail_from === undefined ? {} : { mail_from: { ...plain.mail_from, ...change.mail_from } }),
    };
    overrides.push({ values: { recipient: user, ...match, ...merged }, from });
  }
  if (Object.keys(plain).length > 0) overrides.push({ values: { recipient: user, ...plain }, from });
  // Nothing differs for this recipient, but the exceptions of everybody must not apply.
  else if (variantsOf(options).length > 0) overrides.push({ values: { recipient: user, mode: modeOf(options) }, from });
  else if (overrides.length === 0) note(`${user} is treated as everybody, and is left out`);
  return overrides;
}

function modeOf(options: Options): string {
  return Number(optionValue(options, "TestOnly", "1")) === 0 ? "report" : "enforce";
}

type Changes = {
  helo?: Readonly<Record<string, string | boolean>>;
  mail_from?: Readonly<Record<string, string | boolean>>;
  headers?: readonly string[];
  reject_message?: string;
  defer_message?: string;
};

/** What is different for a recipient. */
function changesFor(all: Options, options: Options, { note }: Context): Changes {
  const [here, there] = [identitiesOf(all), identitiesOf(options)];
  const helo = difference(here.helo, there.helo);
  const mailFrom = difference(here.mail_from, there.mail_from);
  const changes: Changes = {};
  if (Object.keys(helo).length > 0) changes.helo = helo;
  if (Object.keys(mailFrom).length > 0) changes.mail_from = mailFrom;
  const header = all.get("Header_Type")?.value;
  if (header !== options.get("Header_Type")?.value && header !== undefined) changes.headers = headersOf(header);
  const template = all.get("Reason_Message")?.value;
  if (template === undefined || template === options.get("Reason_Message")?.value) return changes;
  const [reject, defer] = [replyText(template, "rejected"), replyText(template, "deferred")];
  if (reject === undefined || defer === undefined)
    note(`Reason_Message: "${template}" is no text for a reply; it is left out`);
  else Object.assign(changes, { reject_message: reject, defer_message: defer });
  return changes;
}

function addressesOf(value: string, note: (text: string) => void): string[] {
  return listEntries(value)
    .map(withPrefix)
    .filter((entry) => {
      const isAddress = parseCidr(entry) !== undefined;
      if (!isAddress) note(`"${entry}" is no address or network; it is left out`);
      return isAddress;
    });
}
