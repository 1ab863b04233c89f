/** The texts of 5xx and 4xx replies, from the templates of the configuration. */

import { asciiLine, shorten } from "../mail/text.ts";
import type { SpfVerdict } from "../spf/verdict.ts";
import { PLACEHOLDERS } from "./settings.ts";

type Placeholder = (typeof PLACEHOLDERS)[number];

/** What a reply text may tell of the SMTP session. */
export interface ReplyContext {
  readonly clientAddress: string;
  readonly heloName: string;
  readonly sender: string;
  readonly receiver: string;
}

/**
 * Longest text in characters. Postfix puts "<recipient>: Recipient address rejected: " before it, and all of it should
 * stay below the 512 of RFC 5321 4.5.3.1.5.
 */
const MAX_TEXT_CHARS = 400;

const PLACEHOLDER = /\{(\w+)\}/g;

/** One line of printable ASCII. Values are put in once: braces in them stay braces. */
export function replyText(template: string, verdict: SpfVerdict, context: ReplyContext): string {
  const values: Record<Placeholder, string> = {
    result: verdict.result,
    explanation: explanationText(verdict),
    identity: verdict.identity,
    domain: verdict.domain,
    client_address: context.clientAddress,
    helo_name: context.heloName,
    sender: context.sender,
    receiver: context.receiver,
  };
  const text = template.replace(PLACEHOLDER, (whole, name: string) => (isPlaceholder(name) ? values[name] : whole));
  return shorten(asciiLine(text), MAX_TEXT_CHARS);
}

function isPlaceholder(name: string): name is Placeholder {
  return (PLACEHOLDERS as readonly string[]).includes(name);
}

/**
 * The reason of a verdict in one sentence. What the domain says itself (exp=) is marked as its words, as RFC 7208 6.2
 * asks: they are anybody's.
 */
export function explanationText(verdict: SpfVerdict): string {
  if (!verdict.explanationFromDomain) return verdict.explanation;
  return `The domain ${verdict.domain} explains: ${verdict.explanation}`;
}
