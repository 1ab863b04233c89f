import type { SpfResult } from "./verdict.ts";

/** Longest text that goes into a reply to the sender, in characters. */
export const MAX_EXPLANATION_CHARS = 200;
const MAX_PART_CHARS = 100;

/** The text as one line of printable ASCII, cut to `maxChars`: what DNS and senders say ends no line and no header. */
export function printable(text: string, maxChars: number): string {
  const line = /[^\x20-\x7e]/.test(text) ? text.replace(/[^\x20-\x7e]/g, "?") : text;
  return line.length <= maxChars ? line : `${line.slice(0, maxChars - 3)}...`;
}

/** Our own sentence for a result, where the domain gave none: printable, within the limit, never empty. */
export function stockExplanation(
  result: SpfResult,
  clientAddress: string,
  domain: string,
  problem: string | undefined,
): string {
  const client = printable(clientAddress, MAX_PART_CHARS);
  const name = printable(domain, MAX_PART_CHARS);
  return printable(stockText(result, client, name === "" ? "(no name)" : name, problem), MAX_EXPLANATION_CHARS);
}

function stockText(result: SpfResult, client: string, domain: string, problem: string | undefined): string {
  switch (result) {
    case "pass":
      return `${client} is authorized to send mail of ${domain}`;
    case "fail":
      return `${client} is not authorized to send mail of ${domain}`;
    case "softfail":
      return `${client} is probably not authorized to send mail of ${domain}`;
    case "neutral":
      return `${domain} does not say whether ${client} is authorized to send its mail`;
    case "none":
      return problem || `${domain} has no SPF record`;
    case "temperror":
      return `SPF of ${domain} could not be checked now: ${problem ?? "DNS trouble"}`;
    case "permerror":
      return `SPF of ${domain} is published with an error: ${problem ?? "unknown"}`;
  }
}
