/** Reads openarc.conf of OpenARC 1.x. */
import { isDomainName } from "../../mail/names.ts";
import { Findings, type Host, type Source } from "./finding.ts";
import { authservId } from "./milter-authserv.ts";
import { type MilterOptions, readMilterOptions } from "./milter-options.ts";
import { OPENARC_OPTIONS } from "./openarc-options.ts";

const PROGRAM = "OpenARC";

/** Tells if a file is one of OpenARC. */
export function isOpenarc(text: string): boolean {
  const names =
    "SealHeaderChecks|PermitAuthenticationOverrides|FinalReceiver|MinimumKeySizeRSA|AuthResIP|AuthResComments|FixedTimestamp|ResponseUnwilling";
  if (new RegExp(`^[ \\t#]*(?:${names})[ \\t]+\\S`, "im").test(text)) return true;
  // A short file has nothing of its own but its paths.
  return /^[ \t]*(?:Socket|KeyFile|PidFile|UserID)[ \t]+\S*openarc/im.test(text);
}

/**
 * Reads the file.
 *
 * @throws {ImportError} when a file of `Include` cannot be read
 */
export function readOpenarc(source: Source, host: Host): Findings {
  const findings = new Findings();
  findings.parts.add("milter");
  const options = readMilterOptions(PROGRAM, OPENARC_OPTIONS, { source, host, findings, page: "from-openarc.md" });
  findings.milterSocket = {
    program: PROGRAM,
    sockets: [options.text("Socket") ?? ""].filter(Boolean),
    where: options.where("Socket"),
  };
  authservId(options, host, findings);
  const mode = options.text("Mode")?.toLowerCase() ?? "";
  const seals = mode.includes("s");
  if (mode === "") {
    findings.note(
      source.path,
      'Mode is not set: OpenARC sealed mail of its InternalHosts alone, which needs no seal; here it is that of the second pass (arc.seal = "forwarded")',
    );
  } else {
    findings.set("arc.verify", mode.includes("v"), options.origin("Mode"));
    findings.set("arc.seal", seals ? "all" : "no", options.origin("Mode"));
  }
  if (seals) {
    findings.note(
      options.where("Mode"),
      'Mode: all mail from outside is sealed, also what stays; with forward-only, "forwarded" seals what leaves (docs/milter.md)',
    );
  }
  if (seals || mode === "") sealingKey(options, findings);
  return findings;
}

function sealingKey(options: MilterOptions, findings: Findings): void {
  const [domain, selector, file] = ["Domain", "Selector", "KeyFile"].map((name) => options.text(name));
  if (domain === undefined || selector === undefined || file === undefined) {
    const missing = ["Domain", "Selector", "KeyFile"].filter((name) => !options.has(name)).join(", ");
    findings.note(
      options.where("KeyFile"),
      `without ${missing} OpenARC seals nothing; here the key of srs.domain or hostname does (arc.domain)`,
    );
    return;
  }
  if (!isDomainName(domain) || !isDomainName(`${selector}.x`)) {
    findings.note(
      options.where("Domain"),
      `Domain "${domain}" and Selector "${selector}" are no names in DNS; the key is left out`,
    );
    return;
  }
  findings.sealingKey = { domain, selector, source: { path: options.at(file) }, where: options.where("KeyFile") };
}
