/** Copies strings, so that they do not keep larger ones in memory. */

/** V8 copies substrings and concatenations that are shorter. */
const LEAST_SHARED_CHARS = 13;

/**
 * Copies a text. In V8 a substring points into its string, so a name of twenty bytes keeps the whole packet in memory.
 * A concatenation points to both parts. A join makes a copy.
 */
export function detached(text: string): string {
  if (text.length < LEAST_SHARED_CHARS) return text;
  return [text, ""].join(" ").slice(0, -1);
}
