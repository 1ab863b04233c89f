/** Reads opendmarc.conf of OpenDMARC 1.x, and the lists that it names. */
import { isDomainName } from "../../mail/names.ts";
import { parseReplyText } from "../../policy/settings.ts";
import { Findings, type Host, type Source } from "./finding.ts";
import { readHosts, withoutLoopback } from "./host-list.ts";
import { authservId, idOf } from "./milter-authserv.ts";
import { type MilterOptions, readMilterOptions } from "./milter-options.ts";
import { legacySocket } from "./milter-socket.ts";
import { OPENDMARC_OPTIONS } from "./opendmarc-options.ts";

const PROGRAM = "OpenDMARC";
/** In the directory of the service, as in docs/dmarc-reports.md. */
const HISTORY_FILE = "/var/lib/postvouch/opendmarc.dat";

/** What `milter.trusted_authserv_ids` takes. */
const AUTHSERV_ID = /^[!-~]{1,253}$/;

/** Tells if a file is one of OpenDMARC. */
export function isOpendmarc(text: string): boolean {
  const names =
    "RejectFailures|TrustedAuthservIDs|SPFSelfValidate|SPFIgnoreResults|PublicSuffixList|IgnoreAuthenticatedClients|FailureReports|HistoryFile";
  return new RegExp(`^[ \\t#]*(?:${names})[ \\t]+\\S`, "im").test(text);
}

/**
 * Reads the file.
 *
 * @throws {ImportError} when a file of `Include` cannot be read
 */
export function readOpendmarc(source: Source, host: Host): Findings {
  const findings = new Findings();
  findings.parts.add("milter");
  const options = readMilterOptions(PROGRAM, OPENDMARC_OPTIONS, { source, host, findings, page: "from-opendmarc.md" });
  const sockets = [options.text("Socket"), legacySocket("/etc/default/opendmarc", host)];
  findings.milterSocket = {
    program: PROGRAM,
    sockets: sockets.flatMap((one) => one ?? []),
    where: options.where("Socket"),
  };
  authservId(options, host, findings);
  findings.trusts = trustedIds(options, host);
  findings.trustsFrom = options.origin(options.has("TrustedAuthservIDs") ? "TrustedAuthservIDs" : "AuthservID");
  findings.set("dmarc.verify", true, `what OpenDMARC does (${source.path})`);
  failures(options, findings);
  ignoredHosts(options, host, findings);
  trustedSealers(options, host, findings);
  history(options, findings);
  return findings;
}

/**
 * Reads what concerns the policy service, where OpenDMARC stays: a filter that rejects by DMARC must not see mail without
 * a result, because it would refuse the mail of domains with SPF alone for good.
 */
export function readStayingOpendmarc(source: Source, host: Host): Findings {
  const findings = new Findings();
  const options = readMilterOptions(PROGRAM, OPENDMARC_OPTIONS, { source, host, findings: new Findings(), page: "" });
  findings.trusts = trustedIds(options, host);
  findings.trustsFrom = source.path;
  if (options.flag("RejectFailures") === true) findings.rejectsFrom = options.origin("RejectFailures");
  return findings;
}

/** Results of DMARC go on to opendmarc-import. The service may write in its own directory alone. */
function history(options: MilterOptions, findings: Findings): void {
  const path = options.text("HistoryFile");
  if (path === undefined) return;
  findings.set("dmarc.history", `opendmarc:${HISTORY_FILE}`, options.origin("HistoryFile"));
  findings.note(
    options.where("HistoryFile"),
    `HistoryFile: postvouch writes "${HISTORY_FILE}", for it may not write "${path}": have opendmarc-import read that one, or let postvouch send the reports (docs/dmarc-reports.md)`,
  );
}

/** The authserv-ids whose Authentication-Results the filter believes: its own, and those that it trusts beside. */
function trustedIds(options: MilterOptions, host: Host): string[] {
  const own = options.text("AuthservID") ?? "HOSTNAME";
  const others = options.text("TrustedAuthservIDs")?.split(/[\s,]+/) ?? [];
  return [own, ...others].map((id) => idOf(id, host).toLowerCase()).filter((id) => AUTHSERV_ID.test(id));
}

function failures(options: MilterOptions, findings: Findings): void {
  const rejects = options.flag("RejectFailures");
  if (rejects !== undefined) findings.set("dmarc.reject", rejects, options.origin("RejectFailures"));
  if (rejects === true) {
    findings.set("dmarc.temperror", "tempfail", options.origin("RejectFailures"));
    findings.rejectsFrom = options.origin("RejectFailures");
  }
  if (options.flag("HoldQuarantinedMessages") === true)
    findings.set("dmarc.quarantine", "hold", options.origin("HoldQuarantinedMessages"));
  for (const name of ["RequiredHeaders", "RejectMultiValueFrom"]) {
    if (options.flag(name) !== true) continue;
    findings.set("milter.malformed", "reject", options.origin(name));
    findings.note(
      options.where(name),
      `${name}: mail without From, with several, or with one that cannot be read is rejected; other fields are not counted`,
    );
  }
  const text = options.text("RejectString");
  if (text === undefined) return;
  const message = text.replace("%s", "{domain}").replaceAll("%%", "%");
  if (parseReplyText(message.replaceAll("{domain}", "")) !== undefined)
    findings.set("dmarc.reject_message", message, options.origin("RejectString"));
  else
    findings.note(
      options.where("RejectString"),
      `RejectString: got "${text}", want one line of printable ASCII; it is left out`,
    );
}

/** Clients that were ignored. The plan takes those away whose mail is signed. */
function ignoredHosts(options: MilterOptions, host: Host, findings: Findings): void {
  const path = options.text("IgnoreHosts");
  if (path === undefined) return;
  const rows = rowsOf(options.at(path), host);
  if (rows === undefined) {
    findings.note(
      options.where("IgnoreHosts"),
      `IgnoreHosts: Cannot read "${path}": ${PROGRAM} does not start with it; it is left out`,
    );
    return;
  }
  const networks = withoutLoopback(
    readHosts({ rows, hasPatterns: false }, { findings, name: "IgnoreHosts", program: PROGRAM }),
  );
  findings.ignoredHosts = { networks, from: options.origin("IgnoreHosts") };
}

interface ListRow {
  readonly key: string;
  readonly value: undefined;
  readonly where: string;
}

/** A file with an entry on a line. */
function rowsOf(path: string, host: Host): readonly ListRow[] | undefined {
  return host
    .readFile(path)
    ?.split("\n")
    .map((line, index) => ({
      key: (line.split("#", 1)[0] ?? "").trim(),
      value: undefined,
      where: `${path}:${index + 1}`,
    }))
    .filter(({ key }) => key !== "");
}

function trustedSealers(options: MilterOptions, host: Host, findings: Findings): void {
  const path = options.text("DomainWhitelistFile");
  const listed = path === undefined ? [] : rowsOf(options.at(path), host);
  if (listed === undefined)
    findings.note(options.where("DomainWhitelistFile"), `DomainWhitelistFile: Cannot read "${path}"; it is left out`);
  const here = (options.text("DomainWhitelist") ?? "").split(/[\s,]+/).filter(Boolean);
  const rows = [...here.map((key) => ({ key, where: options.where("DomainWhitelist") })), ...(listed ?? [])];
  const domains: string[] = [];
  for (const { key, where } of rows) {
    if (isDomainName(key)) domains.push(key.toLowerCase());
    else findings.note(where, `DomainWhitelist: "${key}" is no domain, and is left out`);
  }
  if (domains.length === 0) return;
  const names = ["DomainWhitelist", "DomainWhitelistFile"].filter((name) => options.has(name));
  findings.set("arc.trusted_sealers", [...new Set(domains)], names.map((name) => options.origin(name)).join(", "));
}
