/** Our own explanations of results, for replies and headers when the domain has none. */
import { asciiLine, shorten } from "../mail/text.ts";
import type { SpfResult } from "./verdict.ts";

/** Longest text that goes into a reply to the sender, in characters. */
export const MAX_EXPLANATION_CHARS = 200;
const MAX_PART_CHARS = 100;

/** One line of printable ASCII within the limit, never empty. */
export function stockExplanation(
  result: SpfResult,
  clientAddress: string,
  domain: string,
  problem: string | undefined,
): string {
  const client = shorten(asciiLine(clientAddress), MAX_PART_CHARS);
  const name = shorten(asciiLine(domain), MAX_PART_CHARS);
  const text = stockText(result, client, name === "" ? "(no name)" : name, problem);
  return shorten(asciiLine(text), MAX_EXPLANATION_CHARS);
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
