/** Parts of several sections of the status page. */
import { foreign, type Html, html } from "./html.ts";

/** Longest reason or reply on the page, in characters. */
export const MAX_REASON_CHARS = 500;

/** Text of a stranger, as code. */
export function code(text: string, maxChars?: number): Html {
  return html`<code>${foreign(text, maxChars)}</code>`;
}

/** A list of events, or what to say without any. */
export function list(items: readonly Html[], none: string): Html {
  return items.length === 0 ? html`<p class="empty">${none}</p>` : html`<ol class="refusals">\n${items}</ol>`;
}
