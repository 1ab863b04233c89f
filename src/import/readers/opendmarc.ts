/**
 * Reads from opendmarc.conf what concerns the results of SPF: a filter that rejects by DMARC must not see mail without a
 * result, because it would refuse the mail of domains with SPF alone for good.
 */
import { Findings, type Host, type Source } from "./finding.ts";

/** Tells if a file is one of OpenDMARC. */
export function isOpendmarc(text: string): boolean {
  return /^[ \t]*#?[ \t]*(?:RejectFailures|TrustedAuthservIDs|SPFSelfValidate|SPFIgnoreResults)[ \t]+\S/im.test(text);
}

/** Reads the file. Names and truth values have no case, and the last line of a name counts. */
export function readOpendmarc({ path, text }: Source, host: Host): Findings {
  const findings = new Findings();
  findings.trusts = trustedIds(text, host);
  findings.trustsFrom = path;
  const rejects = setting(text, "RejectFailures");
  if (rejects === undefined || !/^(?:true|yes|1|on)$/i.test(rejects.value)) return findings;
  const from = `RejectFailures (${path}:${rejects.line})`;
  const reason = "while DNS is out of order, mail waits instead of being refused for good";
  findings.set("policy.helo.temperror", "defer", `${from}: ${reason}`);
  findings.set("policy.mail_from.temperror", "defer", `${from}: ${reason}`);
  return findings;
}

function setting(text: string, name: string): { readonly value: string; readonly line: number } | undefined {
  const last = [...text.matchAll(new RegExp(`^[ \\t]*${name}[ \\t]+(\\S.*)$`, "gim"))].at(-1);
  if (last === undefined) return undefined;
  return { value: (last[1] ?? "").trim(), line: text.slice(0, last.index).split("\n").length };
}

/** The authserv-ids whose Authentication-Results the filter believes: its own, and those that it trusts beside. */
function trustedIds(text: string, { hostname }: Host): string[] {
  const own = setting(text, "AuthservID")?.value ?? "HOSTNAME";
  const others = setting(text, "TrustedAuthservIDs")?.value.split(/[\s,]+/) ?? [];
  return [own, ...others].map((id) => (id.toUpperCase() === "HOSTNAME" ? hostname : id).toLowerCase());
}
