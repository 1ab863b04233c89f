/**
 * Reads /etc/default/postsrsd of postsrsd 1.x, as its launcher of Debian does: a shell reads the file, and the variables
 * become options of postsrsd(8).
 */
import { nearest } from "../../collections/nearest.ts";
import { ipVersion } from "../../mail/address-groups.ts";
import { Findings, ImportError, type Source } from "./finding.ts";
import { addOwnDomain } from "./own-domain.ts";
import { evaluateShell, type Variable } from "./shell.ts";
import type { Programs } from "./shell-programs.ts";
import { ShellError } from "./shell-syntax.ts";

/** What the launcher sets before it reads the file. SRS_DOMAIN comes from `postconf -h mydomain`. */
export const LAUNCHER_VARIABLES: Readonly<Record<string, string>> = {
  SRS_FORWARD_PORT: "10001",
  SRS_REVERSE_PORT: "10002",
  SRS_DOMAIN: "",
  SRS_SECRET: "/etc/postsrsd.secret",
  SRS_SEPARATOR: "=",
  SRS_HASHLENGTH: "4",
  SRS_HASHMIN: "4",
  SRS_EXTRA_OPTIONS: "",
  RUN_AS: "postsrsd",
  SRS_LISTEN_ADDR: "127.0.0.1",
  CHROOT: "/var/lib/postsrsd",
  SRS_EXCLUDE_DOMAINS: "",
};

/** Longest hash that we write. */
const MAX_HASH_LENGTH = 20;
/** Longest hash that postsrsd 1.x reads back. With more it writes memory that is not its own. */
const MAX_READ_BACK = 28;
const DEFAULT_HASH_LENGTH = 4;

/** Tells if a file is one of postsrsd 1.x. */
export function isPostsrsd1(text: string): boolean {
  return /^[ \t]*#?[ \t]*(?:export[ \t]+)?(?:SRS_DOMAIN|SRS_SECRET|SRS_EXCLUDE_DOMAINS|SRS_FORWARD_PORT)=/m.test(text);
}

/**
 * Reads the file.
 *
 * @throws {ImportError} when a shell or postsrsd would not take it, or when it is a program
 */
export function readPostsrsd1(source: Source, programs: Programs): Findings {
  const findings = new Findings();
  findings.parts.add("srs");
  const reading: Reading = { source, programs, findings, ...variablesOf(source, programs, findings) };
  const extra = extraOptions(reading);
  const isPreset = (reading.variables.get("SRS_DOMAIN")?.line ?? 0) === 0;
  const preset = isPreset ? `"postconf -h mydomain", because ` : "";
  findings.set("srs.domain", domain(reading), preset + origin(reading, "SRS_DOMAIN"));
  findings.secretsFile = { path: absolute(get(reading, "SRS_SECRET")), from: origin(reading, "SRS_SECRET") };
  separator(reading);
  hashes(reading);
  findings.set("srs.hash_alphabet", "standard", "postsrsd 1.x reads no other hashes");
  if (extra.alwaysRewrite) findings.set("srs.always_rewrite", true, origin(reading, "SRS_EXTRA_OPTIONS", "-A"));
  ports(reading);
  excluded(reading, extra.excluded);
  unknownVariables(reading);
  return findings;
}

interface Reading {
  readonly source: Source;
  readonly programs: Programs;
  readonly findings: Findings;
  readonly variables: ReadonlyMap<string, Variable>;
  readonly used: ReadonlySet<string>;
}

type Variables = Pick<Reading, "variables" | "used">;

function variablesOf({ path, text }: Source, programs: Programs, findings: Findings): Variables {
  const preset = { ...LAUNCHER_VARIABLES, SRS_DOMAIN: (programs.postconf("mydomain") ?? "").replace(/\n+$/, "") };
  try {
    const { variables, used, remarks } = evaluateShell(text, preset, programs);
    for (const remark of remarks) findings.note(`${path}:${remark.line}`, remark.text);
    const known = [...variables].filter(([name]) => name in LAUNCHER_VARIABLES);
    for (const [name, { value, line }] of known) {
      if (!value.endsWith("\r")) continue;
      findings.note(
        `${path}:${line}`,
        `the line ends with CR, as on Windows, which belonged to ${name} there; it is left out`,
      );
    }
    const bare = [...variables].map(
      ([name, { value, line }]) => [name, { value: value.replace(/\r$/, ""), line }] as const,
    );
    return { variables: new Map(bare), used };
  } catch (error) {
    if (!(error instanceof ShellError)) throw error;
    throw new ImportError(`${path}:${error.line}: ${error.message}`, { cause: error });
  }
}

function get({ variables }: Reading, name: string): string {
  return variables.get(name)?.value ?? "";
}

/** The origin of a variable for a comment. */
function origin({ variables, source }: Reading, name: string, value = name): string {
  const line = variables.get(name)?.line ?? 0;
  const shown = value === name ? name : `${value} in ${name}`;
  return line === 0 ? `${shown} is not set in ${source.path}` : `${shown} (${source.path}:${line})`;
}

function where({ variables, source }: Reading, name: string): string {
  const line = variables.get(name)?.line ?? 0;
  return line === 0 ? source.path : `${source.path}:${line}`;
}

function refuse(reading: Reading, name: string, want: string): ImportError {
  const got = get(reading, name);
  return new ImportError(
    `${where(reading, name)}: ${name}: got "${got}", want ${want}: postsrsd does not start with it`,
  );
}

/** The domain behind the last `@`, as postsrsd takes it. */
function domain(reading: Reading): string {
  const value = get(reading, "SRS_DOMAIN");
  const name = value.slice(value.lastIndexOf("@") + 1);
  if (name === "") throw refuse(reading, "SRS_DOMAIN", "a domain (Postfix gives no mydomain)");
  if (name !== value)
    reading.findings.note(where(reading, "SRS_DOMAIN"), `of "${value}" only "${name}" is used, there and here`);
  return name;
}

/** postsrsd is started in the root directory. */
function absolute(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

function separator(reading: Reading): void {
  const value = get(reading, "SRS_SEPARATOR");
  const first = value.charAt(0);
  if (!"=+-".includes(first) || first === "") throw refuse(reading, "SRS_SEPARATOR", 'one of "=", "+", "-"');
  reading.findings.set("srs.separator", first, origin(reading, "SRS_SEPARATOR"));
}

function hashes(reading: Reading): void {
  const { findings } = reading;
  const length = hashLength(reading, "SRS_HASHLENGTH");
  const min = hashLength(reading, "SRS_HASHMIN");
  const written = Math.min(length, MAX_HASH_LENGTH);
  if (length > MAX_READ_BACK) {
    const news = "postsrsd could not read its own addresses back, and their bounces were lost";
    findings.note(where(reading, "SRS_HASHLENGTH"), `with a hash length of ${length} ${news}; here it is ${written}`);
  } else if (length > written) {
    findings.note(
      where(reading, "SRS_HASHLENGTH"),
      `a hash has ${written} characters here, not ${length}; longer ones of postsrsd stay valid`,
    );
  }
  findings.set("srs.hash_length", written, origin(reading, "SRS_HASHLENGTH"));
  const accepted = Math.min(min, written);
  if (min > length) {
    const news = "no address verified there, and each bounce was lost";
    findings.note(
      where(reading, "SRS_HASHMIN"),
      `${min} is more than SRS_HASHLENGTH (${length}): ${news}; here it is ${accepted}`,
    );
  } else if (min > accepted) {
    const news = `if postsrsd takes over again, set SRS_HASHMIN to ${accepted}: it refuses our hashes of ${written} characters`;
    findings.note(where(reading, "SRS_HASHMIN"), news);
  }
  findings.set("srs.hash_min_length", accepted, origin(reading, "SRS_HASHMIN"));
}

/** Reads a number as atoi() does. 0 and text without a number are the default. */
function hashLength(reading: Reading, name: string): number {
  const value = get(reading, name);
  const number = Number(/^\s*([+-]?\d{1,9})/.exec(value)?.[1] ?? 0);
  if (number > 0) return number;
  const news = `got "${value}", which is ${DEFAULT_HASH_LENGTH} there and here`;
  if (value !== "") reading.findings.note(where(reading, name), `${name}: ${news}`);
  return DEFAULT_HASH_LENGTH;
}

function ports(reading: Reading): void {
  const { findings } = reading;
  const addresses = listenAddresses(reading);
  for (const [name, key] of [
    ["SRS_FORWARD_PORT", "tcptable.forward"],
    ["SRS_REVERSE_PORT", "tcptable.reverse"],
  ] as const) {
    const port = portNumber(reading, name);
    findings.set(
      key,
      addresses.map((address) => `${address}:${port}`),
      origin(reading, name),
    );
  }
}

function listenAddresses(reading: Reading): string[] {
  const value = get(reading, "SRS_LISTEN_ADDR").trim();
  if (value === "localhost") return ["127.0.0.1", "[::1]"];
  const version = ipVersion(value);
  if (version === 0)
    throw refuse(reading, "SRS_LISTEN_ADDR", 'an address or "localhost" (or postvouch cannot look up the name)');
  if (!/^(?:127\.|::1$)/.test(value)) {
    reading.findings.note(
      where(reading, "SRS_LISTEN_ADDR"),
      `${value} is open to other hosts: who reaches it can have any address signed`,
    );
  }
  return [version === 6 ? `[${value}]` : value];
}

function portNumber(reading: Reading, name: string): number {
  const value = get(reading, name);
  if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535 && Number(value) > 0) return Number(value);
  const services = reading.programs.readFile("/etc/services") ?? "";
  const lines = services.split("\n").map((line) => line.replace(/#.*/, "").trim().split(/\s+/));
  const found = lines.find(([service, , ...aliases]) => value !== "" && (service === value || aliases.includes(value)));
  const port = /^(\d+)\/tcp$/.exec(found?.[1] ?? "")?.[1];
  if (port === undefined) throw refuse(reading, name, "a port, or a service of /etc/services");
  return Number(port);
}

/** The list as postsrsd splits it. Entries that could never match are named. */
function excluded(reading: Reading, fromOptions: readonly string[]): void {
  const { findings } = reading;
  const value = [...fromOptions, get(reading, "SRS_EXCLUDE_DOMAINS")].join(",");
  for (const entry of value.split(/[,; \t\r\n]+/).filter(Boolean)) {
    addOwnDomain(findings, entry, where(reading, "SRS_EXCLUDE_DOMAINS"));
  }
  findings.ownDomainsFrom = origin(reading, "SRS_EXCLUDE_DOMAINS");
}

interface ExtraOptions {
  readonly alwaysRewrite: boolean;
  readonly excluded: readonly string[];
}

/** Options with an argument that the launcher gives again, behind ours. */
const GIVEN_AGAIN = "dalfrsnNuc";

/**
 * Reads SRS_EXTRA_OPTIONS, which stands without quotes before the other options: it is split at blanks, quotes in it are
 * letters, and the launcher's own options come later and win.
 */
function extraOptions(reading: Reading): ExtraOptions {
  const name = "SRS_EXTRA_OPTIONS";
  const excludedDomains: string[] = [];
  let alwaysRewrite = false;
  const words = get(reading, name)
    .split(/[ \t\n]+/)
    .filter(Boolean);
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (!/^-[^-]/.test(word)) throw refuse(reading, name, `options such as -A; "${word}" is none`);
    for (let rest = word.slice(1); rest !== ""; ) {
      const option = rest.charAt(0);
      rest = rest.slice(1);
      if (option === "A") alwaysRewrite = true;
      else if (option === "X") {
        excludedDomains.push(rest);
        rest = "";
      } else if (`${GIVEN_AGAIN}tp`.includes(option)) {
        const argument = rest === "" ? words.shift() : rest;
        if (argument === undefined) throw refuse(reading, name, `an argument for -${option}`);
        rest = "";
        reading.findings.note(where(reading, name), meaningOf(option, argument));
      } else if ("46De".includes(option)) reading.findings.note(where(reading, name), meaningOf(option, ""));
      else throw refuse(reading, name, `options of postsrsd; -${option} is none or ends it`);
    }
  }
  return { alwaysRewrite, excluded: excludedDomains };
}

function meaningOf(option: string, argument: string): string {
  const shown = `-${option}${argument === "" ? "" : ` ${argument}`}`;
  if (option === "t") return `${shown} has no counterpart: an idle connection is never closed here`;
  if (GIVEN_AGAIN.includes(option)) return `${shown} had no effect, because the launcher gives -${option} again`;
  return `${shown} has no counterpart: ports and addresses are in [tcptable], and systemd does the rest`;
}

/** Variables of the file that nobody reads. */
function unknownVariables(reading: Reading): void {
  const known = Object.keys(LAUNCHER_VARIABLES);
  for (const [name, { line }] of reading.variables) {
    if (line === 0 || known.includes(name) || reading.used.has(name) || !/^(?:SRS_|RUN_AS|CHROOT|POSTSRSD)/.test(name))
      continue;
    const near = nearest(name, known);
    const meant = near === undefined ? "" : ` (was ${near} meant?)`;
    reading.findings.note(
      `${reading.source.path}:${line}`,
      `${name} is no setting of postsrsd, so it never had an effect${meant}`,
    );
  }
}
