/**
 * Reads from opendmarc.conf what concerns the results of SPF: a filter that rejects by DMARC must not see mail without a
 * result, because it would refuse the mail of domains with SPF alone for good.
 */
import { Findings, type Source } from "./finding.ts";

/** Tells if a file is one of OpenDMARC. */
export function isOpendmarc(text: string): boolean {
  return /^[ \t]*#?[ \t]*(?:RejectFailures|TrustedAuthservIDs|SPFSelfValidate|SPFIgnoreResults)[ \t]+\S/im.test(text);
}

/** Reads the file. Names and truth values have no case, and the last line of a name counts. */
export function readOpendmarc({ path, text }: Source): Findings {
  const findings = new Findings();
  const lines = [...text.matchAll(/^[ \t]*RejectFailures[ \t]+(\S+)/gim)];
  const last = lines.at(-1);
  if (last === undefined || !/^(?:true|yes|1|on)$/i.test(last[1] ?? "")) return findings;
  const from = `RejectFailures (${path}:${text.slice(0, last.index).split("\n").length})`;
  const reason = "while DNS is out of order, mail waits instead of being refused for good";
  findings.set("policy.helo.temperror", "defer", `${from}: ${reason}`);
  findings.set("policy.mail_from.temperror", "defer", `${from}: ${reason}`);
  return findings;
}
