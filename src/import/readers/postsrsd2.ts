/** Reads postsrsd.conf of postsrsd 2.x. */
import { ipVersion } from "../../mail/address-groups.ts";
import { ConfuseError, type OptionType, type OptionValue, parseConfuse } from "./confuse.ts";
import { Findings, type Host, ImportError, type Source } from "./finding.ts";
import { addOwnDomain } from "./own-domain.ts";

/** Every option of 2.4.0. */
const POSTSRSD2_OPTIONS: Readonly<Record<string, OptionType>> = {
  "srs-domain": "string",
  domains: "list",
  "domains-file": "string",
  "domains-file-watch": "flag",
  "secrets-file": "string",
  separator: "string",
  "hash-length": "integer",
  "hash-minimum": "integer",
  "always-rewrite": "flag",
  socketmap: "string",
  "original-envelope": "string",
  "envelope-database": "string",
  "chroot-dir": "string",
  debug: "flag",
  milter: "string",
  "milter-rewrite-local": "flag",
  "milter-recipient-limit": "integer",
  "keep-alive": "integer",
  "connection-limit": "integer",
  "unprivileged-user": "string",
  seccomp: "flag",
  daemonize: "flag",
  "pid-file": "string",
  syslog: "flag",
};

/** Options without a counterpart, and the reason. */
const WITHOUT_COUNTERPART: Readonly<Record<string, string>> = {
  milter:
    "a milter sees recipients before aliases are expanded; the map forward-transport rewrites what is forwarded (docs/postfix.md)",
  "milter-rewrite-local": "there is no milter for SRS here",
  "milter-recipient-limit": "there is no milter for SRS here",
  "keep-alive": "an idle connection is never closed here",
  "connection-limit": "LimitNOFILE of the unit is the limit here",
};

/** Where the copy of an SQLite store is to be. */
const DATABASE_COPY = "/var/lib/postvouch/srs.db";
const DEFAULT_SOCKET = "unix:/var/spool/postfix/srs";
const OUR_SOCKETMAP = "127.0.0.1:10003";

/** The first version whose hashes have `-` and `_`. It reads both alphabets; earlier ones read only the other. */
const URL_SAFE_SINCE = [2, 2, 6];

/** Tells if a file is one of postsrsd 2.x. */
export function isPostsrsd2(text: string): boolean {
  const options =
    "srs-domain|domains-file|secrets-file|original-envelope|envelope-database|unprivileged-user|hash-minimum|always-rewrite";
  return new RegExp(`^[ \\t]*#?[ \\t]*(?:${options})[ \\t]*=`, "m").test(text);
}

interface Reading {
  readonly source: Source;
  readonly host: Host;
  readonly findings: Findings;
  readonly values: ReadonlyMap<string, OptionValue>;
}

/**
 * Reads the file.
 *
 * @throws {ImportError} when postsrsd would not take it
 */
export function readPostsrsd2(source: Source, host: Host): Findings {
  const findings = new Findings();
  findings.parts.add("srs");
  const reading: Reading = { source, host, findings, values: valuesOf(source, findings) };
  domains(reading);
  findings.secretsFile = {
    path: text(reading, "secrets-file", "/etc/postsrsd.secret"),
    from: origin(reading, "secrets-file"),
  };
  form(reading);
  const alphabet = isUrlSafe(host.postsrsdVersion) ? "url-safe" : "standard";
  findings.set("srs.hash_alphabet", alphabet, `what postsrsd ${host.postsrsdVersion ?? "before 2.2.6"} reads`);
  socketmap(reading);
  store(reading);
  if (reading.values.get("debug")?.value === true) findings.set("log.level", "debug", origin(reading, "debug"));
  for (const [name, reason] of Object.entries(WITHOUT_COUNTERPART)) {
    const set = reading.values.get(name);
    if (set !== undefined && set.value !== "")
      findings.note(where(reading, name), `${name} has no counterpart: ${reason}`);
  }
  return findings;
}

function valuesOf({ path, text: content }: Source, findings: Findings): ReadonlyMap<string, OptionValue> {
  try {
    return parseConfuse(content, POSTSRSD2_OPTIONS, (name) => {
      findings.note(path, `the environment of postsrsd is not known: \${${name}} is taken as not set`);
      return undefined;
    });
  } catch (error) {
    if (!(error instanceof ConfuseError)) throw error;
    throw new ImportError(`${path}:${error.line}: ${error.message}: postsrsd does not start with it`, { cause: error });
  }
}

function text({ values }: Reading, name: string, absent: string): string {
  const value = values.get(name)?.value;
  return typeof value === "string" ? value : absent;
}

function where({ source, values }: Reading, name: string): string {
  const line = values.get(name)?.line;
  return line === undefined ? source.path : `${source.path}:${line}`;
}

function origin(reading: Reading, name: string): string {
  return reading.values.has(name)
    ? `${name} (${where(reading, name)})`
    : `${name} is not set in ${reading.source.path}`;
}

function refuse(reading: Reading, name: string, want: string): ImportError {
  const got = JSON.stringify(reading.values.get(name)?.value);
  return new ImportError(`${where(reading, name)}: ${name}: got ${got}, want ${want}: postsrsd does not start with it`);
}

function domains(reading: Reading): void {
  const { findings, values, host } = reading;
  const listed = values.get("domains")?.value;
  const list = Array.isArray(listed) ? (listed as readonly string[]) : [];
  for (const entry of list) addOwnDomain(findings, entry, where(reading, "domains"));
  findings.ownDomainsFrom = origin(reading, "domains");
  const file = text(reading, "domains-file", "");
  let fromFile: string[] = [];
  if (file !== "") {
    const content = host.readFile(file);
    if (content === undefined) throw new ImportError(`${where(reading, "domains-file")}: Cannot read "${file}"`);
    fromFile = content
      .split("\n")
      .map((line) => line.replace(/#.*/, "").trim())
      .filter(Boolean);
    findings.set("srs.own_domains.files", [file], origin(reading, "domains-file"));
  }
  const first = text(reading, "srs-domain", "") || list[0] || fromFile[0];
  if (first === undefined)
    throw new ImportError(
      `${reading.source.path}: it has neither srs-domain nor domains: postsrsd does not start with it`,
    );
  const isNamed = text(reading, "srs-domain", "") !== "";
  const from = isNamed
    ? origin(reading, "srs-domain")
    : `the first of ${list.length > 0 ? origin(reading, "domains") : file}`;
  findings.set("srs.domain", first.replace(/^\./, ""), from);
}

function form(reading: Reading): void {
  const { findings, values } = reading;
  const separator = text(reading, "separator", "=");
  if (!/^[=+-]$/.test(separator)) throw refuse(reading, "separator", 'one of "=", "+", "-"');
  if (values.has("separator")) findings.set("srs.separator", separator, origin(reading, "separator"));
  const length = number(reading, "hash-length");
  const min = number(reading, "hash-minimum");
  if (min > length)
    throw refuse(
      reading,
      values.has("hash-minimum") ? "hash-minimum" : "hash-length",
      "hash-minimum at most hash-length",
    );
  if (values.has("hash-length")) findings.set("srs.hash_length", length, origin(reading, "hash-length"));
  if (values.has("hash-minimum")) findings.set("srs.hash_min_length", min, origin(reading, "hash-minimum"));
  if (values.get("always-rewrite")?.value === true)
    findings.set("srs.always_rewrite", true, origin(reading, "always-rewrite"));
}

function number(reading: Reading, name: string): number {
  const value = reading.values.get(name)?.value ?? 4;
  if (typeof value !== "number" || value < 1 || value > 20) throw refuse(reading, name, "a whole number from 1 to 20");
  return value;
}

function isUrlSafe(version: string | undefined): boolean {
  const numbers = (/^(?:\d+:)?(\d+(?:\.\d+)*)/.exec(version ?? "")?.[1] ?? "").split(".").map(Number);
  for (const [index, since] of URL_SAFE_SINCE.entries()) {
    const one = numbers[index] ?? 0;
    if (one !== since) return one > since;
  }
  return true;
}

function socketmap(reading: Reading): void {
  const { findings } = reading;
  const value = text(reading, "socketmap", DEFAULT_SOCKET);
  findings.set("tcptable.forward", [], "postsrsd 2.x has no tcp_table");
  findings.set("tcptable.reverse", [], "postsrsd 2.x has no tcp_table");
  if (value === "") {
    findings.set("socketmap.listen", [], origin(reading, "socketmap"));
    return;
  }
  const endpoints = endpointsOf(value);
  if (endpoints === undefined) throw refuse(reading, "socketmap", '"unix:/path" or "inet:host:port"');
  if (endpoints.length > 0) {
    findings.set("socketmap.listen", endpoints, origin(reading, "socketmap"));
    return;
  }
  const old = `socketmap:${value.replace(/^(?:unix|local):(?:\/var\/spool\/postfix\/)?/, "unix:")}`;
  findings.note(
    where(reading, "socketmap"),
    `the service may not make ${value}: in main.cf ${old}:forward and :reverse become socketmap:inet:${OUR_SOCKETMAP}:forward and :reverse`,
  );
  findings.set("socketmap.listen", [OUR_SOCKETMAP], `in place of ${origin(reading, "socketmap")}`);
}

/** Our endpoints; none for a unix-domain socket, `undefined` for what cannot be read. */
function endpointsOf(value: string): string[] | undefined {
  if (/^(?:unix|local):./.test(value)) return [];
  const [, family = "", host, port = ""] = /^inet([46]?):(?:(.*):)?(\d{1,5})$/.exec(value) ?? [];
  if (port === "") return undefined;
  const loopbacks = { "4": ["127.0.0.1"], "6": ["[::1]"], "": ["127.0.0.1", "[::1]"] }[family] ?? [];
  const everywhere = { "4": ["0.0.0.0"], "6": ["[::]"], "": ["[::]"] }[family] ?? [];
  if (host === undefined || host === "localhost") return loopbacks.map((address) => `${address}:${port}`);
  if (host === "*") return everywhere.map((address) => `${address}:${port}`);
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  const version = ipVersion(bare);
  return version === 0 ? undefined : [version === 6 ? `[${bare}]:${port}` : `${bare}:${port}`];
}

function store(reading: Reading): void {
  const { findings, values } = reading;
  const mode = text(reading, "original-envelope", "embedded").toLowerCase();
  if (mode !== "embedded" && mode !== "database") throw refuse(reading, "original-envelope", "embedded or database");
  const database = text(reading, "envelope-database", "");
  if (mode === "embedded") {
    if (values.has("envelope-database") && database !== "") {
      findings.note(where(reading, "envelope-database"), "had no effect without original-envelope = database");
    }
    return;
  }
  const url = storeUrl(reading, database);
  if (url === undefined)
    throw refuse(reading, "envelope-database", '"sqlite:PATH", "redis:HOST:PORT" or "redis:/socket"');
  findings.set("srs.store.url", url, origin(reading, "envelope-database"));
  findings.set("srs.store.mode", "all", origin(reading, "original-envelope"));
}

function storeUrl(reading: Reading, database: string): string | undefined {
  const [, path] = /^sqlite:(.+)$/.exec(database) ?? [];
  if (path !== undefined) {
    // The path is one within the chroot.
    const root = text(reading, "chroot-dir", "/var/lib/postsrsd");
    const file = `${root}/${path}`.replaceAll(/\/(?:\.?\/)+/g, "/");
    reading.findings.database = { path: file, copy: DATABASE_COPY };
    return `sqlite:${DATABASE_COPY}`;
  }
  const [, socket] = /^redis:(\/.+)$/.exec(database) ?? [];
  if (socket !== undefined) return `redis+unix:${socket}`;
  const [, host, port = "6379"] = /^redis:([^:/]+|\[[^\]]+\])(?::(\d+))?$/.exec(database) ?? [];
  return host === undefined ? undefined : `redis://${host}:${port}/0`;
}
