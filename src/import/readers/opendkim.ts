/** Reads opendkim.conf of OpenDKIM 2.x, and the tables that it names. */
import { ipVersion } from "../../mail/address-groups.ts";
import { readDataSet } from "./data-set.ts";
import { Findings, type Host, type Source, type TomlValue } from "./finding.ts";
import { readHosts, withoutLoopback } from "./host-list.ts";
import { authservId } from "./milter-authserv.ts";
import { type MilterOptions, readMilterOptions } from "./milter-options.ts";
import { legacySocket } from "./milter-socket.ts";
import { readFieldNames } from "./opendkim-fields.ts";
import { readOpendkimKeys } from "./opendkim-keys.ts";
import { OPENDKIM_OPTIONS } from "./opendkim-options.ts";

const PROGRAM = "OpenDKIM";
const MIN_KEY_BITS = { least: 1024, most: 4096 } as const;
const EXPIRE_SECONDS = { least: 3600, most: 86_400_000 } as const;
const MAX_SIGNATURES = 100;
const HEADER_BYTES = { least: 10_000, most: 16_777_216 } as const;
/** `milter.internal` without any setting. */
const LOOPBACK = ["127.0.0.0/8", "::1"];

/** Tells if a file is one of OpenDKIM. */
export function isOpendkim(text: string): boolean {
  const names =
    "KeyTable|SigningTable|ExternalIgnoreList|OmitHeaders|On-[A-Za-z]+|SubDomains|RequireSafeKeys|MultipleSignatures|SyslogSuccess|LogWhy|MinimumKeyBits|SenderHeaders";
  return new RegExp(`^[ \\t#]*(?:${names})[ \\t]+\\S`, "im").test(text);
}

interface Reading {
  readonly options: MilterOptions;
  readonly host: Host;
  readonly findings: Findings;
}

/**
 * Reads the file. OpenDKIM does not start with some of what is said in notes, so it is left out.
 *
 * @throws {ImportError} when a file of `Include` cannot be read
 */
export function readOpendkim(source: Source, host: Host): Findings {
  const findings = new Findings();
  findings.parts.add("milter");
  const options = readMilterOptions(PROGRAM, OPENDKIM_OPTIONS, { source, host, findings, page: "from-opendkim.md" });
  const reading: Reading = { options, host, findings };
  const sockets = [options.text("Socket"), legacySocket("/etc/default/opendkim", host)];
  findings.milterSocket = {
    program: PROGRAM,
    sockets: sockets.flatMap((one) => one ?? []),
    where: options.where("Socket"),
  };
  const mode = readMode(reading);
  clients(reading);
  names(reading);
  verifying(reading, mode.verifies);
  errors(reading);
  if (mode.signs) {
    findings.signingKeys.push(...readOpendkimKeys(options, host, findings));
    signing(reading);
  } else if (options.has("KeyTable") || options.has("KeyFile")) {
    findings.note(options.where("Mode"), `Mode ${options.text("Mode")} signed nothing; no key is taken over`);
  }
  return findings;
}

function set(
  { findings, options }: Reading,
  key: Parameters<Findings["set"]>[0],
  value: TomlValue,
  name: string,
): void {
  findings.set(key, value, options.origin(name));
}

function readMode(reading: Reading): { readonly signs: boolean; readonly verifies: boolean } {
  const mode = (reading.options.text("Mode") ?? "sv").toLowerCase();
  const [signs, verifies] = [mode.includes("s"), mode.includes("v")];
  // With OpenDMARC beside it, the plan takes this back: DMARC needs the results.
  if (!verifies)
    for (const method of ["dkim", "dmarc", "arc"] as const) set(reading, `${method}.verify`, false, "Mode");
  return { signs, verifies };
}

/** The rows of a set; none if it is not there or cannot be read. */
function rowsOf({ options, host, findings }: Reading, name: string): ReturnType<typeof readDataSet> {
  if (!options.has(name)) return { rows: [], hasPatterns: false };
  const read = readDataSet(name, options, host);
  if (typeof read === "string") findings.note(options.where(name), `${name}: ${read}; it is left out`);
  return read;
}

function clients(reading: Reading): void {
  const { options, findings } = reading;
  const hostsOf = (name: string): readonly string[] => {
    const list = rowsOf(reading, name);
    return typeof list === "string" ? [] : readHosts(list, { findings, name, program: PROGRAM });
  };
  const internal = withoutLoopback(hostsOf("InternalHosts"));
  if (internal.length > 0) set(reading, "milter.internal", [...LOOPBACK, ...internal], "InternalHosts");
  const peers = hostsOf("PeerList");
  if (peers.length > 0) set(reading, "milter.skip", peers, "PeerList");
  const daemons = [...daemonsOf(reading)];
  if (daemons.length > 0) {
    const name = options.has("MacroList") ? "MacroList" : "MTA";
    set(reading, "milter.submission_daemons", [...new Set(["ORIGINATING", ...daemons])], name);
  }
}

/** The values of `{daemon_name}` whose mail is signed. */
function daemonsOf(reading: Reading): string[] {
  const { findings } = reading;
  const [mta, macros] = ["MTA", "MacroList"].map((name) => rowsOf(reading, name));
  const daemons = typeof mta === "object" ? mta.rows.map(({ key }) => key) : [];
  for (const { key, value, where } of typeof macros === "object" ? macros.rows : []) {
    if (key === "daemon_name" && value !== undefined) daemons.push(...value.split("|"));
    else if (/[{}|]/.test(key)) {
      findings.note(
        where,
        `MacroList: "${key}" never matched in OpenDKIM, which has daemon_name=ORIGINATING; it is left out (milter.submission_daemons)`,
      );
    } else if (key !== "auth_type" && key !== "auth_authen") {
      findings.note(
        where,
        `MacroList: the macro ${key} is not asked here; it is left out (milter.submission_daemons, milter.internal)`,
      );
    }
  }
  return daemons.filter((daemon) => {
    if (/^[!-~]{1,100}$/.test(daemon)) return true;
    findings.note(reading.options.where("MacroList"), `"${daemon}" is no name of a service; it is left out`);
    return false;
  });
}

function names(reading: Reading): void {
  const { options, findings, host } = reading;
  authservId(options, host, findings);
  const list = rowsOf(reading, "RemoveARFrom");
  const ids: string[] = [];
  for (const { key, where } of typeof list === "object" ? list.rows : []) {
    if (key.startsWith(".") || !/^[!-~]{1,253}$/.test(key)) {
      findings.note(where, `RemoveARFrom: "${key}": milter.remove_authserv_ids has whole names; it is left out`);
    } else ids.push(key);
  }
  if (ids.length > 0) set(reading, "milter.remove_authserv_ids", ids, "RemoveARFrom");
  const servers =
    options
      .text("Nameservers")
      ?.split(",")
      .map((server) => server.trim()) ?? [];
  const good = servers.filter((server) => ipVersion(server) !== 0);
  for (const server of servers) {
    if (!good.includes(server))
      findings.note(options.where("Nameservers"), `Nameservers: "${server}" is no address; it is left out`);
  }
  if (good.length > 0) set(reading, "dns.servers", good, "Nameservers");
}

function verifying(reading: Reading, verifies: boolean): void {
  const { options, findings } = reading;
  const bits = options.number("MinimumKeyBits");
  if (bits !== undefined) {
    const { least, most } = MIN_KEY_BITS;
    if (bits < least)
      findings.note(
        options.where("MinimumKeyBits"),
        `MinimumKeyBits ${bits}: keys of under ${least} bits never pass (RFC 8301)`,
      );
    if (verifies) set(reading, "dkim.min_key_bits", Math.min(Math.max(bits, least), most), "MinimumKeyBits");
  }
  const most = options.number("MaximumSignaturesToVerify");
  if (most !== undefined && most >= 1)
    set(reading, "dkim.max_signatures", Math.min(most, MAX_SIGNATURES), "MaximumSignaturesToVerify");
  const headerBytes = options.number("MaximumHeaders");
  if (headerBytes !== undefined && headerBytes > 0) {
    set(
      reading,
      "milter.max_header_bytes",
      Math.min(Math.max(headerBytes, HEADER_BYTES.least), HEADER_BYTES.most),
      "MaximumHeaders",
    );
  } else if (headerBytes !== undefined) {
    findings.note(
      options.where("MaximumHeaders"),
      "MaximumHeaders 0: there is a limit always, milter.max_header_bytes",
    );
  }
  for (const name of ["RequiredHeaders", "StrictHeaders"]) {
    if (options.flag(name) !== true) continue;
    set(reading, "milter.malformed", "reject", name);
    findings.note(
      options.where(name),
      `${name}: mail without From, with several, or with one that cannot be read is rejected; other fields are not counted`,
    );
  }
  if (options.flag("IgnoreMalformedMail") === true) {
    findings.note(
      options.where("IgnoreMalformedMail"),
      "IgnoreMalformedMail: such mail always gets its result, dmarc=permerror",
    );
  }
}

/** What becomes of mail after errors. `On-Default` stands for those that are not named. */
function errors(reading: Reading): void {
  const { options, findings } = reading;
  const named = (name: string): string | undefined => [name, "On-Default"].find((one) => options.has(one));
  const internal = named("On-InternalError");
  if (internal !== undefined) {
    const action = actionOf(options.text(internal));
    if (action === "accept" || action === "tempfail") set(reading, "milter.on_error", action, internal);
    else
      findings.note(
        options.where(internal),
        `${internal} ${action}: after an error of ours mail waits (milter.on_error)`,
      );
  }
  const unsigned = named("On-SignatureError");
  if (unsigned !== undefined) {
    const action = actionOf(options.text(unsigned));
    set(reading, "dkim.sign.on_error", action === "accept" ? "accept" : "tempfail", unsigned);
    if (action !== "accept" && action !== "tempfail") {
      findings.note(
        options.where(unsigned),
        `${unsigned} ${action}: mail whose key cannot be used waits (dkim.sign.on_error)`,
      );
    }
  }
  const dns = named("On-DNSError");
  if (dns !== undefined && actionOf(options.text(dns)) !== "accept") {
    findings.note(
      options.where(dns),
      `${dns} ${actionOf(options.text(dns))}: DNS trouble of one signature does nothing to mail; dmarc.temperror = "tempfail" lets wait what it leaves undecided`,
    );
  }
  if (options.has("On-Default") && !["accept", "tempfail"].includes(actionOf(options.text("On-Default")))) {
    findings.note(
      options.where("On-Default"),
      "On-Default: a result of DKIM alone never rejects, holds or defers mail here; that of DMARC can (dmarc.reject)",
    );
  }
}

/** An action of `On-...`, which may be a letter. */
function actionOf(text = ""): string {
  const word = text.toLowerCase();
  return (
    ["accept", "discard", "quarantine", "reject", "tempfail"].find((action) => action === word || action[0] === word) ??
    word
  );
}

function signing(reading: Reading): void {
  const { options, findings } = reading;
  const [header = "", body = "simple"] = (options.text("Canonicalization") ?? "simple/simple").toLowerCase().split("/");
  const form = `${header}/${body}`;
  if (/^(?:relaxed|simple)\/(?:relaxed|simple)$/.test(form)) {
    set(reading, "dkim.sign.canonicalization", form, "Canonicalization");
    if (header === "simple") {
      findings.note(
        options.where("Canonicalization"),
        `Canonicalization ${form}: a blank that is folded otherwise breaks such a signature; without the line it is relaxed/relaxed`,
      );
    }
  } else
    findings.note(
      options.where("Canonicalization"),
      `Canonicalization: ${PROGRAM} does not start with "${form}"; it is left out`,
    );
  readFieldNames(options, (name) => rowsOf(reading, name), findings);
  const seconds = options.number("SignatureTTL") ?? 0;
  if (seconds > 0) {
    const { least, most } = EXPIRE_SECONDS;
    set(reading, "dkim.sign.expire", `${Math.min(Math.max(seconds, least), most)}s`, "SignatureTTL");
    if (seconds < least)
      findings.note(options.where("SignatureTTL"), `SignatureTTL ${seconds}: it is an hour at least`);
  }
  const algorithm = options.text("SignatureAlgorithm")?.toLowerCase();
  if (algorithm === "rsa-sha1") {
    findings.note(
      options.where("SignatureAlgorithm"),
      "SignatureAlgorithm rsa-sha1: no receiver counts it (RFC 8301); the same keys sign with rsa-sha256",
    );
  }
  if (options.flag("MultipleSignatures") === true) {
    findings.note(
      options.where("MultipleSignatures"),
      "MultipleSignatures: of several keys for a sender those of the most exact row sign here, one of each algorithm, the first of the table",
    );
  }
  const authors = rowsOf(reading, "SenderHeaders");
  if (typeof authors === "object" && authors.rows.some(({ key }) => key.toLowerCase() !== "from")) {
    findings.note(
      options.where("SenderHeaders"),
      "SenderHeaders: the author in From decides about the key; mail of lists is signed by List-Id and envelope sender (dkim.sign.list_mail)",
    );
  }
}
