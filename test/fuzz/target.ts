/** A fuzz target: one piece of code and its promises. */

export interface Target {
  readonly name: string;
  /** Folders and files below src/ whose coverage is told. */
  readonly modules: readonly string[];
  /** Words that inputs are made of, beside single bytes. */
  readonly words: readonly string[];
  /** Inputs to begin with, beside those of the corpus. */
  readonly seeds?: readonly string[];
  /** Longest input that is made, in bytes. */
  readonly maxBytes: number;
  /**
   * Has the code work on `input` (latin1, one character a byte) and checks every promise.
   *
   * @returns in a word what it came to: an input that comes to something new is kept
   * @throws {Error} when a promise is broken
   */
  run(input: string): string | Promise<string>;
}

/** @throws {Error} unless `condition` holds */
export function must(condition: boolean, promise: string, shown: unknown = undefined): void {
  if (!condition) throw new Error(`${promise}: ${JSON.stringify(shown) ?? ""}`);
}

const CONTROL = /[\x00-\x1f\x7f]/;

/** @throws {Error} when `text` holds a control character of ASCII */
export function mustBeOneLine(text: string, what: string): void {
  must(!CONTROL.test(text), `${what} holds a control character`, text);
}

/**
 * A key may hold control characters, which its answer then holds too: postsrsd signs such addresses, and both protocols
 * carry them.
 *
 * @throws {Error} when an answer holds one and its key does not
 */
export function mustAddNoControl(key: string, answer: string): void {
  if (!CONTROL.test(key)) mustBeOneLine(answer, "an answer");
}

/** The same number for the same input, for choices within a target. */
export function hashOf(input: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < input.length; i++) hash = Math.imul(hash ^ input.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Cuts an input into `count` fields at the character US; those that are missing are empty. */
export function fieldsOf(input: string, count: number): string[] {
  const fields = input.split("\x1f");
  return Array.from({ length: count }, (_, index) => fields[index] ?? "");
}
