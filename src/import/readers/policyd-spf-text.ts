/** Turns `Reason_Message`, a template of Python's str.format(), into a text of ours. */
import { parseReplyText } from "../../policy/settings.ts";

/** `Please see {url}` goes as a whole: the site that it names is gone. */
const SEE_URL = /[\s,;:.-]*(?:(?:please\s+)?see:?\s+)?\{url\}[\s.]*/gi;

const PIECES = /\{\{|\}\}|\{(rejectdefer|spf)\}|[{}]|[^{}]+/g;

/**
 * The text with our placeholders.
 *
 * @param done `rejected` or `deferred`
 * @returns `undefined` for a template that policyd-spf crashes on, or that is no text of ours
 */
export function replyText(template: string, done: string): string | undefined {
  let text = "";
  for (const [piece, name] of template.replace(SEE_URL, "").matchAll(PIECES)) {
    if (piece === "{" || piece === "}") return undefined;
    if (name === undefined) text += piece === "{{" || piece === "}}" ? piece.charAt(0) : piece;
    else text += name === "spf" ? "{explanation}" : done;
  }
  return parseReplyText(text.trim());
}
