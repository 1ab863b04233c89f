/** Reads and writes netstrings (D. J. Bernstein, 1997): length in decimal, `:`, that many bytes, `,`. */
import { detached } from "../collections/detached.ts";
import { ProtocolError } from "../net/session.ts";

const COLON = 0x3a;
const COMMA = 0x2c;
const ZERO = 0x30;

/** Largest number of digits in a length, leading zeros included. Without a limit the reader would never stop. */
const MAX_LENGTH_DIGITS = 10;

/** The result for a netstring that was skipped. */
export const TOO_LONG = Symbol("netstring too long");

/**
 * Reads netstrings. A payload over `maxBytes` is skipped and yields `TOO_LONG`, so that the peer gets an answer and
 * keeps its connection. Bytes that are not a netstring cannot be skipped.
 */
export class NetstringReader {
  readonly #maxBytes: number;
  #text = "";
  #position = 0;
  #skipBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes bytes as they came (latin1), split anywhere. */
  feed(chunk: string): void {
    this.#text = this.#position === this.#text.length ? chunk : this.#text.slice(this.#position) + chunk;
    this.#position = 0;
  }

  /**
   * The next payload (latin1); `TOO_LONG` for one that was skipped; `undefined` while more bytes are needed.
   *
   * @throws {ProtocolError} on bytes that are not a netstring
   */
  next(): string | typeof TOO_LONG | undefined {
    if (this.#skipBytes > 0) return this.#skip();
    const text = this.#text;
    let at = this.#position;
    let length = 0;
    for (; at < text.length; at++) {
      const digit = text.charCodeAt(at) - ZERO;
      if (digit < 0 || digit > 9) break;
      length = length * 10 + digit;
      if (at - this.#position >= MAX_LENGTH_DIGITS) throw broken("its length has too many digits");
    }
    if (at === text.length) return this.#keepRest();
    if (text.charCodeAt(at) !== COLON || at === this.#position)
      throw broken(`got ${charAt(text, at)}, want digits and ":"`);
    if (length > this.#maxBytes) {
      this.#position = at + 1;
      this.#skipBytes = length + 1;
      return this.#skip();
    }
    const end = at + 1 + length;
    if (end >= text.length) return this.#keepRest();
    if (text.charCodeAt(end) !== COMMA) throw broken(`got ${charAt(text, end)}, want "," at its end`);
    this.#position = end + 1;
    return text.slice(at + 1, end);
  }

  get heldBytes(): number {
    return this.#text.length - this.#position;
  }

  /** Keeps the rest until more bytes come. It is copied, so that it does not keep the whole packet in memory. */
  #keepRest(): undefined {
    if (this.#position === 0) return;
    this.#text = this.#position === this.#text.length ? "" : detached(this.#text.slice(this.#position));
    this.#position = 0;
  }

  #skip(): typeof TOO_LONG | undefined {
    const available = Math.min(this.#skipBytes, this.#text.length - this.#position);
    this.#position += available;
    this.#skipBytes -= available;
    return this.#skipBytes === 0 ? TOO_LONG : this.#keepRest();
  }
}

/** Writes `payload` (latin1) as a netstring. */
export function encodeNetstring(payload: string): string {
  return `${payload.length}:${payload},`;
}

function charAt(text: string, at: number): string {
  return JSON.stringify(text.charAt(at));
}

function broken(what: string): ProtocolError {
  return new ProtocolError(`Cannot read netstring: ${what}`, encodeNetstring("PERM Invalid query."));
}
