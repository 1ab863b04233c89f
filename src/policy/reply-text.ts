/** The texts of 5xx and 4xx replies, from the templates of the configuration. */

import { asciiLine, shorten } from "../mail/text.ts";
import { explanationText } from "../spf/method-results.ts";
import type { SpfVerdict } from "../spf/verdict.ts";
import type { Transaction } from "./check.ts";
import { PLACEHOLDERS } from "./settings.ts";

type Placeholder = (typeof PLACEHOLDERS)[number];

/**
 * Longest text in characters. Postfix puts "<recipient>: Recipient address rejected: " before it, and the whole reply
 * line should stay below the 512 bytes of RFC 5321 section 4.5.3.1.5.
 */
const MAX_TEXT_CHARS = 400;

const PLACEHOLDER = /\{(\w+)\}/g;

/** The text as one line of printable ASCII. Placeholders in the values themselves are left as they are. */
export function replyText(template: string, verdict: SpfVerdict, transaction: Transaction): string {
  const values: Record<Placeholder, string> = {
    result: verdict.result,
    explanation: explanationText(verdict),
    identity: verdict.identity,
    domain: verdict.domain,
    client_address: transaction.client.text,
    helo_name: transaction.heloName,
    sender: transaction.sender,
    receiver: transaction.receiver,
  };
  const text = template.replace(PLACEHOLDER, (whole, name: string) => (isPlaceholder(name) ? values[name] : whole));
  return shorten(asciiLine(text), MAX_TEXT_CHARS);
}

function isPlaceholder(name: string): name is Placeholder {
  return (PLACEHOLDERS as readonly string[]).includes(name);
}
