/**
 * The server's half of the tcp_table protocol: see tcp_table(5), "PROTOCOL DESCRIPTION".
 *
 *     get SP key LF     ->     200 SP value LF     found
 *                              500 SP reason LF    not found: a final answer for Postfix
 *                              400 SP reason LF    trouble: Postfix hangs up, the mail is tried again later
 *
 * Keys and values are %XX-quoted, so one line is always one message. The answer to a line that cannot be understood is
 * 500, and the connection stays open, because Postfix loses a second at each close (dict_tcp.c sleeps before it
 * reconnects).
 */
import { detached } from "../collections/detached.ts";
import type { LookupResult } from "../net/lookup.ts";
import type { Decoder } from "../net/session.ts";

/** Longest line in bytes, LF included. The manual has this limit for replies; we use it for requests too. */
export const MAX_LINE_BYTES = 4096;

/** A line that is not a request. */
interface BadLine {
  /** What was wanted; the text of the reply. */
  readonly problem: string;
  /** The begin of the line (latin1), unless it is too long. */
  readonly got?: string;
}

/** The unquoted key of a `get` request (latin1), or a bad line. */
export type TcpTableRequest = string | BadLine;

const CR = 0x0d;
const SPACE = 0x20;
const GET_SPACE = "get ";

const TOO_LONG: BadLine = { problem: `request line over ${MAX_LINE_BYTES} bytes` };
const EMPTY: BadLine = { problem: "want get SPACE key", got: "" };
const NOT_GET = EMPTY.problem;
const NO_KEY = "want a key after get";
const BAD_QUOTING = "want two hexadecimal digits after %";

/** Number of bytes of a bad line that are told: enough to see who speaks another protocol. */
const TOLD_BYTES = 32;

/** Reads lines. A wrong line yields its problem. It never throws, and holds at most one line in memory. */
export class TcpTableDecoder implements Decoder<TcpTableRequest> {
  #text = "";
  #position = 0;
  /** Position up to which there is no LF, so that bytes are not searched again when a peer sends them one by one. */
  #searched = 0;
  #skipping = false;
  #ended = false;

  feed(chunk: string): void {
    if (this.#position === this.#text.length) {
      this.#text = chunk;
      this.#searched = 0;
    } else {
      this.#searched -= this.#position;
      this.#text = this.#text.slice(this.#position) + chunk;
    }
    this.#position = 0;
  }

  next(): TcpTableRequest | undefined {
    const text = this.#text;
    const start = this.#position;
    const lf = text.indexOf("\n", this.#searched);
    if (lf === -1) return this.#nextWithoutLf();
    this.#position = lf + 1;
    this.#searched = lf + 1;
    if (this.#skipping) {
      this.#skipping = false;
      return TOO_LONG;
    }
    return lf - start >= MAX_LINE_BYTES ? TOO_LONG : readLine(text, start, lf);
  }

  get heldBytes(): number {
    return this.#text.length - this.#position;
  }

  end(): void {
    this.#ended = true;
  }

  #nextWithoutLf(): TcpTableRequest | undefined {
    const text = this.#text;
    const start = this.#position;
    const tooLong = this.#skipping || text.length - start >= MAX_LINE_BYTES;
    if (this.#ended) {
      this.#position = text.length;
      this.#skipping = false;
      if (tooLong) return TOO_LONG;
      return start === text.length ? undefined : readLine(text, start, text.length);
    }
    this.#skipping = tooLong;
    // The rest is copied, so that it does not keep the whole packet in memory.
    if (tooLong || start > 0) this.#text = tooLong || start === text.length ? "" : detached(text.slice(start));
    this.#position = 0;
    this.#searched = this.#text.length;
    return undefined;
  }
}

function readLine(text: string, from: number, lf: number): TcpTableRequest {
  let start = from;
  const end = lf > from && text.charCodeAt(lf - 1) === CR ? lf - 1 : lf;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  if (!text.startsWith(GET_SPACE, start)) return start === end ? EMPTY : badLine(NOT_GET, text, start, end);
  if (end - start === GET_SPACE.length) return badLine(NO_KEY, text, start, end);
  return unquote(text.slice(start + GET_SPACE.length, end)) ?? badLine(BAD_QUOTING, text, start, end);
}

function badLine(problem: string, text: string, start: number, end: number): BadLine {
  return { problem, got: text.slice(start, Math.min(end, start + TOLD_BYTES)) };
}

function isBlank(code: number): boolean {
  return code === SPACE || code === CR;
}

/** Decodes %XX; `undefined` if that cannot be. Text without "%", the usual case, stays as it is. */
function unquote(quoted: string): string | undefined {
  let percent = quoted.indexOf("%");
  if (percent === -1) return quoted;
  let key = "";
  let taken = 0;
  for (; percent !== -1; percent = quoted.indexOf("%", taken)) {
    const byte = (hexValue(quoted, percent + 1) << 4) | hexValue(quoted, percent + 2);
    if (byte < 0) return undefined;
    key += quoted.slice(taken, percent) + String.fromCharCode(byte);
    taken = percent + 3;
  }
  return key + quoted.slice(taken);
}

/** Values of hexadecimal digits by character code; -1 for other characters. */
const HEX_VALUE = Int8Array.from({ length: 256 }, (_, code) =>
  "0123456789abcdef".indexOf(String.fromCharCode(code).toLowerCase()),
);

/** The value of the hexadecimal digit at `at`; -1 if there is none. */
function hexValue(text: string, at: number): number {
  return HEX_VALUE[text.charCodeAt(at)] ?? -1;
}

/** The reply line for a lookup's result, quoted, LF included. */
export function encodeReply(result: LookupResult): string {
  switch (result.status) {
    case "found":
      return `200 ${quote(result.value)}\n`;
    case "notFound":
      return encodeRefusal(result.reason);
    case "tempFail":
      return `400 ${quote(result.reason.slice(0, MAX_REASON_CHARS))}\n`;
  }
}

/** Cached `500` lines. Nearly every lookup finds nothing, for one of a dozen reasons. */
const refusals = new Map<string, string>();

/** The `500` line with our reason, quoted as the manual wants it. */
export function encodeRefusal(reason: string): string {
  const known = refusals.get(reason);
  if (known !== undefined) return known;
  const line = `500 ${quote(reason.slice(0, MAX_REASON_CHARS))}\n`;
  if (refusals.size < MAX_REFUSALS) refusals.set(reason, line);
  return line;
}

const MAX_REFUSALS = 64;

/** Longest reason in characters. It appears in Postfix's log. */
const MAX_REASON_CHARS = 512;

const NEEDS_QUOTING = /[^\x21-\x24\x26-\x7e]/;

function quote(value: string): string {
  if (!NEEDS_QUOTING.test(value)) return value;
  let quoted = "";
  for (const char of value) {
    quoted += NEEDS_QUOTING.test(char) ? `%${char.charCodeAt(0).toString(16).padStart(2, "0")}` : char;
  }
  return quoted;
}
