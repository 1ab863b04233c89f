/**
 * The canonical form of a body, as it comes in chunks (RFC 6376 sections 3.4.3 and 3.4.4).
 *
 *     simple    empty lines at the end are left out; a CRLF at the end is added if there is none, even to nothing
 *     relaxed   the same, but nothing stays nothing; blanks at the end of a line are left out, each other run of blanks
 *               (SP, HTAB) becomes one SP
 *
 * A LF without CR ends a line too. Postfix sends none; a file has nothing else. A CR without LF is content.
 */

export const CANONICALIZATIONS = ["simple", "relaxed"] as const;

export type Canonicalization = (typeof CANONICALIZATIONS)[number];

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;

const NOTHING = Buffer.alloc(0);
const CRLF = Buffer.from("\r\n");
/** Line ends that were held back are written from here. */
const MANY_CRLF = Buffer.alloc(4096, CRLF);

/** Pieces of up to this size are copied faster by a loop than by a call. */
const SHORT_BYTES = 24;
/** Pieces of up to this size are copied together, because each piece that is passed on costs the time of some hundred. */
const MAX_COPIED_BYTES = 1024;
/** Where they are copied to. */
const ROOM_BYTES = 16_384;

/**
 * Makes the canonical form of a body and passes it on in pieces, which are only valid during the call. Time is linear in
 * the body whatever it holds, and nothing of it is kept: of line ends at the end only the number is.
 */
export class CanonicalBody {
  readonly #isRelaxed: boolean;
  readonly #write: (piece: Buffer) => void;
  /** Line ends that are content only if more follows. */
  #heldBreaks = 0;
  /** The end of a chunk that cannot be judged without the next byte: at most a blank and a CR. */
  #held = "";
  #hasContent = false;
  /** Where pieces are put together; made when it is first needed. */
  #room: Buffer = NOTHING;

  constructor(canonicalization: Canonicalization, write: (piece: Buffer) => void) {
    this.#isRelaxed = canonicalization === "relaxed";
    this.#write = write;
  }

  update(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.#held === "") this.#scan(chunk);
    else {
      const whole = Buffer.concat([Buffer.from(this.#held, "latin1"), chunk]);
      this.#held = "";
      this.#scan(whole);
    }
  }

  /** Ends the body. */
  end(): void {
    // A CR that no LF follows is content, and so is the blank before it.
    if (this.#held.endsWith("\r")) this.#pass(Buffer.from(this.#held, "latin1"));
    this.#held = "";
    if (this.#hasContent || !this.#isRelaxed) this.#write(CRLF);
  }

  /** Passes on the chunk itself as far as it is canonical, and else what it becomes. */
  #scan(chunk: Buffer): void {
    const end = this.#judgeable(chunk);
    const isRelaxed = this.#isRelaxed;
    let room = this.#room;
    let filled = 0;
    /** The start of the bytes that are canonical as they are and not yet passed on. */
    let start = 0;
    for (let at = 0; at < end; at++) {
      const byte = chunk[at] as number;
      if (byte > SPACE) continue;
      let next = at + 1;
      let becomes: number;
      if (byte === LF) {
        if (at > 0 && chunk[at - 1] === CR) continue;
        becomes = LF;
      } else if (isRelaxed && (byte === SPACE || byte === TAB)) {
        while (next < end && (chunk[next] === SPACE || chunk[next] === TAB)) next++;
        if (chunk[next] === LF || (chunk[next] === CR && chunk[next + 1] === LF)) becomes = 0;
        else if (byte === SPACE && next === at + 1) continue;
        else becomes = SPACE;
      } else continue;
      if (room === NOTHING) this.#room = room = Buffer.allocUnsafeSlow(ROOM_BYTES);
      if (filled + MAX_COPIED_BYTES + 2 > ROOM_BYTES || at - start > MAX_COPIED_BYTES) {
        if (filled > 0) this.#pass(room.subarray(0, filled));
        filled = 0;
      }
      if (at - start > MAX_COPIED_BYTES) this.#pass(chunk.subarray(start, at));
      else if (at - start > SHORT_BYTES) filled += chunk.copy(room, filled, start, at);
      else while (start < at) room[filled++] = chunk[start++] as number;
      if (becomes === LF) room[filled++] = CR;
      if (becomes !== 0) room[filled++] = becomes;
      start = next;
      at = next - 1;
    }
    if (filled > 0) this.#pass(room.subarray(0, filled));
    if (start < end) this.#pass(chunk.subarray(start, end));
  }

  /** Holds back the end of a chunk that the next byte decides about, and returns where it begins. */
  #judgeable(chunk: Buffer): number {
    let end = chunk.length;
    if (chunk[end - 1] === CR) end--;
    const hasCr = end < chunk.length;
    const beforeCr = end;
    if (this.#isRelaxed) while (end > 0 && (chunk[end - 1] === SPACE || chunk[end - 1] === TAB)) end--;
    this.#held = `${end < beforeCr ? " " : ""}${hasCr ? "\r" : ""}`;
    return end;
  }

  /** Passes on canonical bytes, but holds back line ends at their end. */
  #pass(piece: Buffer): void {
    let end = piece.length;
    while (end >= 2 && piece[end - 1] === LF && piece[end - 2] === CR) end -= 2;
    if (end > 0) {
      for (let left = this.#heldBreaks * 2; left > 0; left -= MANY_CRLF.length) {
        this.#write(left >= MANY_CRLF.length ? MANY_CRLF : MANY_CRLF.subarray(0, left));
      }
      this.#heldBreaks = 0;
      this.#hasContent = true;
      this.#write(end === piece.length ? piece : piece.subarray(0, end));
    }
    this.#heldBreaks += (piece.length - end) / 2;
  }
}
