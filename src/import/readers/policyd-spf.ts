/** Reads policyd-spf.conf of postfix-policyd-spf-python (spf-engine 3), as that program takes it. */
import { ipVersion, readAddress } from "../../mail/address-groups.ts";
import { parseCidr } from "../../mail/ip.ts";
import { isDomainName } from "../../mail/names.ts";
import { Findings, type Host, type Key, type Source } from "./finding.ts";
import { IDENTITY_DEFAULTS, type Identity, identitiesOf, variantsOf } from "./policyd-spf-dispositions.ts";
import { headersOf, listEntries, type Options, optionValue, readOptions, withPrefix } from "./policyd-spf-options.ts";
import { readPerUser } from "./policyd-spf-per-user.ts";
import { replyText } from "./policyd-spf-text.ts";

/** The longest time_limit, in seconds. */
const MAX_TIME_LIMIT_S = 90;
const MAX_LOOKUPS = 100;

/** Tells if a file is one of policyd-spf. */
export function isPolicydSpf(text: string): boolean {
  const names = "HELO_reject|Mail_From_reject|PermError_reject|TempError_Defer|TestOnly|defaultSeedOnly|debugLevel";
  return new RegExp(`^[ \\t]*#?[ \\t]*(?:${names})[ \\t]*=`, "m").test(text);
}

interface Reading {
  readonly source: Source;
  readonly host: Host;
  readonly findings: Findings;
  readonly options: Options;
}

/**
 * Reads the file, and that of its users. policyd-spf logs what it does not understand and goes on, so there are notes
 * instead of errors.
 *
 * @throws {ImportError} when the file of `Per_User` cannot be read
 */
export function readPolicydSpf(source: Source, host: Host): Findings {
  const findings = new Findings();
  findings.parts.add("policy");
  const { options, notes } = readOptions(source.text);
  for (const { line, text } of notes) findings.note(`${source.path}:${line}`, text);
  const reading: Reading = { source, host, findings, options };
  identities(reading);
  answers(reading);
  limits(reading);
  lists(reading);
  findings.overrides.push(...readPerUser(reading));
  for (const { option, match, change } of variantsOf(options)) {
    findings.overrides.push({ values: { ...match, ...change }, from: origin(reading, option) });
  }
  if (options.has("Reject_Not_Pass_Domains")) {
    findings.note(
      where(reading, "Reject_Not_Pass_Domains"),
      "policyd-spf took the domains above the named ones for meant, too; here it is the names alone",
    );
  }
  return findings;
}

function where({ source, options }: Reading, name: string): string {
  const line = options.get(name)?.line;
  return line === undefined ? source.path : `${source.path}:${line}`;
}

function origin(reading: Reading, name: string): string {
  return reading.options.has(name)
    ? `${name} (${where(reading, name)})`
    : `${name} is not set in ${reading.source.path}`;
}

/** The option that decides about a result of an identity. */
function deciding(identity: "helo" | "mail_from", key: keyof Identity): string {
  const prefix = identity === "helo" ? "HELO" : "Mail_From";
  if (key === "pass") return `${prefix}_pass_restriction`;
  if (key === "permerror") return "PermError_reject";
  return key === "temperror" ? "TempError_Defer" : `${prefix}_reject`;
}

function identities(reading: Reading): void {
  const { findings, options } = reading;
  for (const [identity, values] of Object.entries(identitiesOf(options)) as ["helo" | "mail_from", Identity][]) {
    for (const [key, value] of Object.entries(values) as [keyof Identity, string | boolean][]) {
      const option = deciding(identity, key);
      // What the file says is written, also if it is the default.
      const isSaid = options.has(option) && (key === "fail" || key === "permerror" || key === "temperror");
      if (value === IDENTITY_DEFAULTS[key] && !(isSaid && values.check)) continue;
      findings.set(`policy.${identity}.${key}`, value, origin(reading, option));
    }
  }
}

function answers(reading: Reading): void {
  const { findings, options, host } = reading;
  if (options.has("TestOnly")) {
    const isTest = Number(optionValue(options, "TestOnly").replaceAll("_", "")) === 0;
    const meaning = isTest ? "" : ", which means to enforce";
    findings.set("policy.mode", isTest ? "report" : "enforce", origin(reading, "TestOnly") + meaning);
  }
  const header = optionValue(options, "Header_Type", "SPF");
  if (options.has("Header_Type")) findings.set("policy.headers", headersOf(header), origin(reading, "Header_Type"));
  const id = optionValue(options, "Authserv_Id", "HOSTNAME");
  const name = id === "HOSTNAME" ? host.hostname : id;
  if (header === "AR" && isDomainName(name)) {
    const meaning = id === "HOSTNAME" ? "HOSTNAME is what hostname(1) prints: " : "";
    findings.set("policy.authserv_id", name, meaning + origin(reading, "Authserv_Id"));
  } else if (options.has("Authserv_Id") && id !== "HOSTNAME") {
    const problem =
      header === "AR" ? `"${id}" is no name of a host, and is left out` : "had no effect without Header_Type = AR";
    findings.note(where(reading, "Authserv_Id"), `Authserv_Id: ${problem}`);
  }
  if (options.has("Hide_Receiver")) {
    findings.set(
      "policy.hide_receiver",
      optionValue(options, "Hide_Receiver") !== "No",
      origin(reading, "Hide_Receiver"),
    );
  }
  if (options.has("SPF_Enhanced_Status_Codes")) {
    const hasCodes = optionValue(options, "SPF_Enhanced_Status_Codes") !== "No";
    findings.set("policy.enhanced_status_codes", hasCodes, origin(reading, "SPF_Enhanced_Status_Codes"));
  }
  messages(reading);
  logLevel(reading);
}

function messages(reading: Reading): void {
  const { findings, options } = reading;
  const template = options.get("Reason_Message")?.value;
  if (template === undefined) return;
  const [reject, defer] = [replyText(template, "rejected"), replyText(template, "deferred")];
  if (reject === undefined || defer === undefined) {
    findings.note(
      where(reading, "Reason_Message"),
      `"${template}" is no text for a reply (policyd-spf crashes on an unknown placeholder); it is left out`,
    );
    return;
  }
  if (template.includes("{url}"))
    findings.note(where(reading, "Reason_Message"), "{url} is left out: the site that it names is gone since 2019");
  findings.set("policy.reject_message", reject, origin(reading, "Reason_Message"));
  findings.set("policy.defer_message", defer, origin(reading, "Reason_Message"));
}

function logLevel(reading: Reading): void {
  const { findings, options } = reading;
  if (!options.has("debugLevel")) return;
  const level = Number(optionValue(options, "debugLevel").replaceAll("_", ""));
  if (level < 1) findings.set("log.level", "warn", origin(reading, "debugLevel"));
  if (level > 2) findings.set("log.level", "debug", origin(reading, "debugLevel"));
}

function numberOf(reading: Reading, name: string): number | undefined {
  const value = reading.options.get(name)?.value;
  return value === undefined ? undefined : Number(value.replaceAll("_", ""));
}

function limits(reading: Reading): void {
  const { findings } = reading;
  const seconds = numberOf(reading, "Lookup_Time");
  if (seconds !== undefined && seconds <= 0) {
    findings.note(
      where(reading, "Lookup_Time"),
      `Lookup_Time = ${seconds} was no limit at all; here it is 20 seconds, because Postfix does not wait for ever`,
    );
  } else if (seconds !== undefined) {
    const limit = Math.min(seconds, MAX_TIME_LIMIT_S);
    const meaning = "for the whole request here, for each lookup of SPF there";
    findings.set("policy.time_limit", `${limit}s`, `${origin(reading, "Lookup_Time")}: ${meaning}`);
    if (limit < seconds)
      findings.note(
        where(reading, "Lookup_Time"),
        `${seconds} seconds are more than Postfix waits for; here it is ${limit}`,
      );
  }
  if (reading.options.has("Whitelist_Lookup_Time")) {
    findings.note(
      where(reading, "Whitelist_Lookup_Time"),
      "Whitelist_Lookup_Time has no counterpart: policy.time_limit covers the lists too",
    );
  }
  const voids = numberOf(reading, "Void_Limit");
  if (voids === undefined) return;
  const limit = Math.min(Math.max(voids, 0), MAX_LOOKUPS);
  if (limit !== voids) findings.note(where(reading, "Void_Limit"), `Void_Limit = ${voids} is ${limit} here`);
  findings.set("policy.max_void_lookups", limit, origin(reading, "Void_Limit"));
}

/** Lists, our key for each, and what is an entry. */
const LISTS: readonly {
  readonly option: string;
  readonly key: Key;
  readonly isEntry: (text: string) => boolean;
  readonly want: string;
}[] = [
  { option: "skip_addresses", key: "policy.skip_addresses", isEntry: isNetwork, want: "address or network" },
  { option: "Whitelist", key: "policy.allow.addresses", isEntry: isNetwork, want: "address or network" },
  { option: "Domain_Whitelist", key: "policy.allow.spf_domains", isEntry: isDomainName, want: "domain" },
  { option: "HELO_Whitelist", key: "policy.allow.helo_names", isEntry: isDomainName, want: "name" },
  { option: "Domain_Whitelist_PTR", key: "policy.allow.ptr_domains", isEntry: isSuffix, want: "domain" },
];

function isNetwork(text: string): boolean {
  return parseCidr(withPrefix(text)) !== undefined;
}

function isSuffix(text: string): boolean {
  return isDomainName(text.replace(/^\./, ""));
}

function lists(reading: Reading): void {
  const { findings, options } = reading;
  for (const { option, key, isEntry, want } of LISTS) {
    const value = options.get(option)?.value;
    if (value === undefined) continue;
    const entries = listEntries(value);
    const isAddresses = isEntry === isNetwork;
    const good = entries.filter(isEntry);
    for (const entry of entries)
      if (!isEntry(entry))
        findings.note(where(reading, option), `${option}: "${entry}" is no ${want}, and is left out`);
    neverMatched(reading, option, value);
    if (value === "" && option === "skip_addresses")
      findings.note(where(reading, option), "policyd-spf crashes on an empty skip_addresses; here it is an empty list");
    const written =
      option === "Domain_Whitelist_PTR"
        ? good.flatMap((name) => (name.startsWith(".") ? [name] : [name, `.${name}`]))
        : isAddresses
          ? good.map(withPrefix)
          : good;
    findings.set(key, written, origin(reading, option));
  }
  const prospective = options.get("Prospective")?.value ?? "";
  if (prospective === "") return;
  if (ipVersion(prospective) === 0)
    findings.note(where(reading, "Prospective"), `"${prospective}" is no address, and is left out`);
  else findings.set("policy.prospective_address", prospective, origin(reading, "Prospective"));
}

/** Says which entries policyd-spf never matched: those with a blank, and behind a bad one of a list of addresses. */
function neverMatched(reading: Reading, option: string, value: string): void {
  const raw = value.split(",");
  const isAddresses = option === "skip_addresses" || option === "Whitelist";
  const bad = raw.findIndex((entry) => entry !== entry.trim() || (isAddresses && !isStrictNetwork(entry)));
  if (bad === -1 || value === "") return;
  const lost = (isAddresses ? raw.slice(bad) : raw.filter((entry) => entry !== entry.trim())).map((entry) =>
    entry.trim(),
  );
  const reason = isAddresses
    ? "its list ends at a blank, at bits beyond the netmask and at what is no address"
    : "a blank belongs to the entry there";
  reading.findings.note(
    where(reading, option),
    `${option}: policyd-spf never heeded ${lost
      .filter(Boolean)
      .map((entry) => `"${entry}"`)
      .join(", ")} (${reason}); the good ones hold here`,
  );
}

/** Tells if Python's ipaddress takes a network: no bit of the address may be set beyond the mask. */
function isStrictNetwork(text: string): boolean {
  const cidr = parseCidr(withPrefix(text));
  const groups = cidr === undefined ? undefined : readAddress(cidr.address);
  return (
    groups?.every((group, index) => {
      const freeBits = Math.min(16, Math.max(0, (index + 1) * 16 - (cidr?.prefixBits ?? 0)));
      return group % 2 ** freeBits === 0;
    }) === true
  );
}
