/** Reads which key OpenDKIM signs with for which sender: KeyTable with SigningTable, or Domain with Selector and KeyFile. */
import { isDomainName } from "../../mail/names.ts";
import { type DataSet, type Row, readDataSet } from "./data-set.ts";
import type { Findings, Host } from "./finding.ts";
import type { MilterOptions } from "./milter-options.ts";
import { Claims, readSenders } from "./signing-senders.ts";

/** A private key: in a file of this path, or the text itself. */
export type KeySource = { readonly path: string } | { readonly text: string };

/** A key that signs. */
export interface FoundKey {
  /** d= */
  readonly domain: string;
  readonly selector: string;
  readonly source: KeySource;
  /** The senders, in the form of `dkim.sign.keys`. */
  readonly from: readonly string[];
  /** The place that names the key. */
  readonly where: string;
}

/** A row of KeyTable. */
interface Entry {
  /** `%` stands for the domain of the sender. */
  readonly domain: string;
  readonly selector: string;
  /** A path, in which `%` stands for the domain, or the key itself. */
  readonly data: string;
  readonly where: string;
}

interface Reading {
  readonly options: MilterOptions;
  readonly host: Host;
  readonly findings: Findings;
  /** The keys by what tells them apart, in the order of the table; each sender of one once. */
  readonly keys: Map<string, Omit<FoundKey, "from"> & { readonly from: Set<string> }>;
  /** Domains that have a file of their own, by the path with `%`. */
  readonly domainsByPath: Map<string, readonly string[]>;
}

/** Reads the keys. What cannot be taken over is said in `findings`. */
export function readOpendkimKeys(options: MilterOptions, host: Host, findings: Findings): readonly FoundKey[] {
  const reading: Reading = { options, host, findings, keys: new Map(), domainsByPath: new Map() };
  if (options.has("KeyTable")) readTables(reading);
  else if (options.has("KeyFile") && options.has("Selector")) readSingleKey(reading);
  const keys = [...reading.keys.values()].map((key) => ({ ...key, from: [...key.from] }));
  sayOddKeys(keys, findings);
  // Of several keys for one sender the last one signs here.
  return options.flag("MultipleSignatures") === true ? keys.reverse() : keys;
}

function setOf(name: string, { options, host, findings }: Reading): DataSet | undefined {
  const set = readDataSet(name, options, host);
  if (typeof set !== "string") return set;
  findings.note(options.where(name), `${name}: ${set}; no key of it is taken over`);
  return undefined;
}

function readTables(reading: Reading): void {
  const { options, findings } = reading;
  for (const name of ["Domain", "Selector", "KeyFile"]) {
    if (options.has(name)) findings.note(options.where(name), `${name} had no effect beside KeyTable`);
  }
  if (!options.has("SigningTable")) {
    findings.note(
      options.where("KeyTable"),
      "KeyTable without SigningTable: a script chose the keys, which is not run here; no key is taken over",
    );
    return;
  }
  const [keyTable, signingTable] = [setOf("KeyTable", reading), setOf("SigningTable", reading)];
  if (keyTable === undefined || signingTable === undefined) return;
  const entries = new Map<string, Entry | undefined>();
  for (const row of keyTable.rows) if (!entries.has(row.key)) entries.set(row.key, readEntry(row, reading));
  const used = new Set<string>();
  const claims = new Claims();
  for (const row of inOrder(signingTable)) {
    const name = (row.value ?? "").split(":", 1)[0] ?? "";
    used.add(name);
    if (!entries.has(name)) {
      findings.note(
        row.where,
        `SigningTable: KeyTable has no key "${name}", so mail of "${row.key}" was refused for a time (451); it is left out`,
      );
      continue;
    }
    if ((row.value ?? "").includes(":")) findings.note(row.where, "SigningTable: i= of a signature is not set here");
    const entry = entries.get(name);
    if (entry !== undefined) addSenders(row, signingTable.hasPatterns, entry, claims, reading);
  }
  const spare = [...entries.keys()].filter((name) => !used.has(name));
  if (spare.length > 0) {
    const shown = spare.slice(0, 5).join(", ") + (spare.length > 5 ? ` and ${spare.length - 5} more` : "");
    findings.note(options.where("KeyTable"), `KeyTable: no sender has the key ${shown}; left out`);
  }
}

/** The rows in the order in which OpenDKIM asks them: as they stand, or without patterns from the exact to the general. */
function inOrder({ rows, hasPatterns }: DataSet): readonly Row[] {
  if (hasPatterns) return rows;
  const rank = ({ key }: Row): number => {
    if (key === "*") return 4;
    if (/@(?:\*$|\.)/.test(key)) return 2;
    if (key.includes("@")) return 0;
    return key.startsWith(".") ? 3 : 1;
  };
  // Of names below each other the longer one is asked first.
  return rows
    .map((row) => ({ row, rank: rank(row), labels: row.key.split(".").length }))
    .sort((a, b) => a.rank - b.rank || b.labels - a.labels)
    .map(({ row }) => row);
}

function readEntry({ key, value = "", where }: Row, { findings }: Reading): Entry | undefined {
  const [, domain = "", selector = "", data = ""] = /^([^:]*):([^:]*):(.*)$/s.exec(value) ?? [];
  if (domain !== "" && selector !== "" && data !== "") return { domain, selector, data: data.trim(), where };
  findings.note(
    where,
    `KeyTable: "${key}": want domain:selector:/path, so mail was refused for a time (451); it is left out`,
  );
  return undefined;
}

function addSenders(row: Row, hasPatterns: boolean, entry: Entry, claims: Claims, reading: Reading): void {
  const { findings, options } = reading;
  const senders = readSenders(row.key, hasPatterns);
  if ("problem" in senders) {
    findings.note(row.where, `SigningTable: ${senders.problem}`);
    if (senders.meant !== undefined) {
      const key = keyFor(entry, senders.meant, options);
      findings.missedSenders.push({ ...key, from: [senders.meant], where: row.where });
    }
    return;
  }
  const isSingle = options.flag("MultipleSignatures") !== true;
  if ("isEverybody" in senders) {
    addEverybody(row, entry, claims, reading);
    if (isSingle) claims.claimEverybody(row.where);
    return;
  }
  if (senders.remark !== undefined) findings.note(row.where, `SigningTable: "${row.key}": ${senders.remark}`);
  for (const pattern of senders.patterns) {
    const owner = isSingle ? claims.ownerOf(pattern) : undefined;
    if (owner === undefined) {
      addKey(entry, pattern, row.where, reading);
      claims.claim(pattern, row.where);
    } else
      findings.note(
        row.where,
        `SigningTable: "${row.key}" never counted, because ${owner} matches first; it is left out`,
      );
  }
}

/** Adds a key for all senders: only its own domain, or those that have a file of their own. */
function addEverybody({ where }: Row, entry: Entry, claims: Claims, reading: Reading): void {
  const { findings } = reading;
  if (entry.domain !== "%") {
    findings.note(
      where,
      `SigningTable: "*" signed mail of every author as ${entry.domain}, which no DMARC counts; here ${entry.domain} and what is below it, and its mailing lists (dkim.sign.list_mail)`,
    );
    const domain = entry.domain.toLowerCase();
    for (const pattern of [domain, `.${domain}`]) {
      if (claims.ownerOf(pattern) === undefined) addKey(entry, pattern, where, reading);
    }
    return;
  }
  const domains = reading.domainsByPath.get(entry.data) ?? domainsOf(entry.data, reading);
  reading.domainsByPath.set(entry.data, domains);
  const reason = domains.length > 0 ? `: ${domains.length} have a key` : "; no domain has a key in a file of its own";
  findings.note(
    where,
    `SigningTable: "*" signed for every domain in its own name${reason}. Add others to dkim.sign.keys`,
  );
  for (const domain of domains) if (claims.ownerOf(domain) === undefined) addKey(entry, domain, where, reading);
}

/** The domains for which there is a file, of a path in which `%` stands for the domain. */
function domainsOf(path: string, { host, options }: Reading): string[] {
  const [, before, start = "", end = "", rest = ""] =
    /^(.*\/)([^/%]*)%([^/%]*)(\/[^%]*)?$/.exec(options.at(path)) ?? [];
  if (before === undefined) return [];
  return host.list(before).flatMap((name) => {
    if (!name.startsWith(start) || !name.endsWith(end) || name.length <= start.length + end.length) return [];
    const domain = name.slice(start.length, name.length - end.length).toLowerCase();
    return isDomainName(domain) && domain.includes(".") && host.exists(`${before}${name}${rest}`) ? [domain] : [];
  });
}

/** Adds a sender to a key. */
function addKey(entry: Entry, pattern: string, where: string, { options, findings, keys }: Reading): void {
  if (entry.domain === "%" && pattern.startsWith(".")) {
    findings.note(
      where,
      `SigningTable: "%" signs names below ${pattern.slice(1)} each in its own name, which cannot be said here; it is left out`,
    );
    return;
  }
  const { domain, source } = keyFor(entry, pattern, options);
  const problem = problemOf(domain, entry.selector);
  if (problem !== undefined) {
    findings.note(entry.where, `${problem}; the key is left out`);
    return;
  }
  const id = JSON.stringify([domain, entry.selector, source]);
  const known = keys.get(id);
  if (known === undefined)
    keys.set(id, { domain, selector: entry.selector, source, from: new Set([pattern]), where: entry.where });
  else known.from.add(pattern);
}

/** The key that a row of KeyTable means for a sender. */
function keyFor(
  entry: Entry,
  pattern: string,
  options: MilterOptions,
): Pick<FoundKey, "domain" | "selector" | "source"> {
  const ofSender = pattern.slice(pattern.lastIndexOf("@") + 1).replace(/^\./, "");
  const domain = (entry.domain === "%" ? ofSender : entry.domain).toLowerCase();
  const isPath = /^(?:\.{0,2}\/)/.test(entry.data);
  const source: KeySource = isPath ? { path: options.at(entry.data.replaceAll("%", domain)) } : { text: entry.data };
  return { domain, selector: entry.selector, source };
}

function problemOf(domain: string, selector: string): string | undefined {
  if (!isDomainName(domain) || !domain.includes(".")) return `d=${domain} is no domain of several labels`;
  return isDomainName(`${selector}.x`) ? undefined : `s=${selector} is no selector`;
}

/** Domain, Selector and KeyFile: one key, which signs for each domain in its own name. */
function readSingleKey(reading: Reading): void {
  const { options, findings } = reading;
  if (!options.has("Domain")) {
    findings.note(options.where("KeyFile"), "KeyFile without Domain signed for nobody; no key is taken over");
    return;
  }
  const set = setOf("Domain", reading);
  const entry = {
    selector: options.text("Selector") ?? "",
    data: options.at(options.text("KeyFile") ?? ""),
    where: options.where("KeyFile"),
  };
  for (const { key, where } of set?.rows ?? []) {
    if (key === "*" || (set?.hasPatterns === true && key.includes("*"))) {
      findings.note(
        where,
        `Domain: "${key}" signed for domains that are not named; add each to dkim.sign.keys, with KeyFile as its file`,
      );
      continue;
    }
    const senders = readSenders(key, false);
    const [pattern = ""] = "patterns" in senders ? senders.patterns : [];
    if (pattern === "" || pattern.startsWith(".") || pattern.includes("@")) {
      findings.note(where, `Domain: "${key}" is no domain, so it never matched a sender; it is left out`);
      continue;
    }
    const one: Entry = { ...entry, domain: pattern };
    addKey(one, pattern, where, reading);
    if (options.flag("SubDomains") === true) addKey(one, `.${pattern}`, where, reading);
  }
}

/** Says which keys sign in the name of somebody else. */
function sayOddKeys(keys: readonly FoundKey[], findings: Findings): void {
  const domains = new Set(keys.map(({ domain }) => domain));
  const byPath = new Map<string, Set<string>>();
  for (const { domain, selector, source, from, where } of keys) {
    const foreign = from.filter(
      (pattern) => !isAligned(pattern.slice(pattern.lastIndexOf("@") + 1).replace(/^\./, ""), domain),
    );
    if (foreign.length > 0) {
      findings.note(where, `mail of ${shown(foreign)} is signed with d=${domain}, which DMARC does not count for it`);
    }
    if (!("path" in source)) continue;
    const other = source.path
      .split("/")
      .map((part) => part.replace(/\.(?:private|key|pem)$/, "").toLowerCase())
      .find((part) => domains.has(part) && !isAligned(part, domain));
    if (other !== undefined) {
      findings.note(
        where,
        `the key of d=${domain} is in a place of ${other}: "postvouch dkim check" tells if ${selector}._domainkey.${domain} has it`,
      );
    }
    byPath.set(source.path, (byPath.get(source.path) ?? new Set()).add(domain));
  }
  for (const [path, users] of byPath) {
    if (users.size > 1)
      findings.note(path, `one key for ${shown([...users])}: each of them needs a record of this key`);
  }
}

function shown(names: readonly string[]): string {
  return names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");
}

/** Tells if one of two names is the other, or below it. */
function isAligned(one: string, other: string): boolean {
  return one === other || one.endsWith(`.${other}`) || other.endsWith(`.${one}`);
}
