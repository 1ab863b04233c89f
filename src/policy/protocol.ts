/**
 * The server's half of Postfix's policy delegation protocol: see SMTPD_POLICY_README, "Protocol description".
 *
 *     name=value LF  ...  LF     ->     action=<access(5) action> LF LF
 *
 * A request ends with an empty line, and so does the reply. Attributes come in any order. Unknown attributes are
 * ignored, and a missing attribute means the same as an empty one. A value ends with its line and may contain "=".
 * Postfix accepts bare LF only, reads the first `action` of a reply, refuses a reply that is not UTF-8, and treats an
 * empty action as PERMIT. Text is latin1: one character is one byte.
 */

import { detached } from "../collections/detached.ts";
import { safeLine } from "../mail/text.ts";
import { type Decoder, ProtocolError } from "../net/session.ts";

/** Largest request in bytes, its empty line included. Requests of Postfix stay below about 10,000. */
export const MAX_REQUEST_BYTES = 65_536;

/** The attributes of a request that we use, under Postfix's names; empty when Postfix did not send them. */
export interface PolicyRequest {
  readonly protocol_state: string;
  readonly client_address: string;
  readonly client_port: string;
  readonly helo_name: string;
  readonly sender: string;
  readonly recipient: string;
  readonly instance: string;
  readonly queue_id: string;
  readonly sasl_username: string;
}

/**
 * Yields requests. When an attribute comes twice its last value counts, as in policyd-spf.
 *
 * Each byte is read once, however the requests are split into packets: a line is read when it ends, and in a line that
 * has not ended only the new bytes are searched.
 *
 * @throws {ProtocolError} from `next()`, when no request ends within MAX_REQUEST_BYTES, or for another kind of request
 */
export class PolicyDecoder implements Decoder<PolicyRequest> {
  /** The current packet, read up to `#position`. */
  #packet = "";
  #position = 0;
  /** Packets that came after the current one. */
  readonly #laterPackets: string[] = [];
  /** The beginning of a line that ends in a later packet. */
  #begunLine = "";
  #begunPieces = 0;
  /** The request that is being read; `undefined` between two requests. */
  #request: Attributes | undefined = undefined;
  #requestBytes = 0;
  /** Set for a request that does not begin as Postfix's do. */
  #kind: RequestKind | undefined = undefined;
  #ended = false;

  feed(chunk: string): void {
    if (this.#position < this.#packet.length || this.#laterPackets.length > 0) {
      this.#laterPackets.push(chunk);
      return;
    }
    this.#packet = chunk;
    this.#position = 0;
  }

  next(): PolicyRequest | undefined {
    for (;;) {
      if (this.#position < this.#packet.length && this.#readLines()) return this.#endRequest();
      if (this.#requestBytes > 0 && this.#requestBytes < this.#packet.length) this.#detachRequest();
      const packet = this.#laterPackets.length === 0 ? undefined : this.#laterPackets.shift();
      if (packet === undefined) break;
      this.#packet = packet;
      this.#position = 0;
    }
    // An idle connection must not keep its last packet.
    this.#packet = "";
    this.#position = 0;
    return this.#ended && this.#begunLine === "" && this.#request !== undefined ? this.#endRequest() : undefined;
  }

  get heldBytes(): number {
    const later = this.#laterPackets.reduce((sum, { length }) => sum + length, 0);
    return this.#requestBytes + this.#packet.length - this.#position + later;
  }

  end(): void {
    this.#ended = true;
  }

  /** Reads up to the end of a request. Returns false when the packet ends first. */
  #readLines(): boolean {
    const packet = this.#packet;
    let start = this.#position;
    let hasEnded = false;
    while (!hasEnded && start < packet.length) {
      const lf = packet.indexOf("\n", start);
      if (lf === -1) this.#beginLine(packet.slice(start));
      else hasEnded = this.#begunLine === "" ? this.#takeLine(packet, start, lf) : this.#takeBegunLine(start, lf);
      start = lf === -1 ? packet.length : lf + 1;
    }
    this.#requestBytes += start - this.#position;
    this.#position = start;
    if (this.#requestBytes <= MAX_REQUEST_BYTES) return hasEnded;
    throw new ProtocolError(`Cannot read policy request: over ${MAX_REQUEST_BYTES} bytes`);
  }

  /**
   * Adds to the begun line. Copies it now and then, so that a peer that sends single bytes cannot make us waste memory.
   */
  #beginLine(piece: string): void {
    this.#begunLine += piece;
    this.#begunPieces++;
    if (this.#begunPieces * PIECE_BYTES <= this.#begunLine.length || this.#begunPieces < MIN_PIECES) return;
    this.#begunLine = detached(this.#begunLine);
    this.#begunPieces = 0;
  }

  /**
   * Reads the begun request again from a copy of its bytes. A string that was cut from a packet keeps the whole packet
   * in memory, and the peer may wait long before it sends the rest.
   */
  #detachRequest(): void {
    const request = detached(this.#packet.slice(this.#packet.length - this.#requestBytes));
    this.#request = undefined;
    this.#requestBytes = 0;
    this.#kind = undefined;
    this.#begunLine = "";
    this.#begunPieces = 0;
    this.#packet = request;
    this.#position = 0;
    this.#readLines();
  }

  #takeBegunLine(start: number, lf: number): boolean {
    const line = this.#begunLine + this.#packet.slice(start, lf);
    this.#begunLine = "";
    this.#begunPieces = 0;
    return this.#takeLine(line, 0, line.length);
  }

  /** Takes the line that ends before `lf`. Returns true for the empty line that ends a request. */
  #takeLine(text: string, start: number, lf: number): boolean {
    const end = lf > start && text.charCodeAt(lf - 1) === CR ? lf - 1 : lf;
    if (this.#request === undefined) {
      this.#request = emptyRequest();
      const isPostfix = end - start === POLICY_LINE.length && text.startsWith(POLICY_LINE, start);
      if (!isPostfix) this.#kind = new RequestKind();
    }
    if (end === start) return true;
    readAttribute(text, start, end, this.#request);
    this.#kind?.take(text, start, end);
    return false;
  }

  #endRequest(): PolicyRequest {
    const request = this.#request ?? emptyRequest();
    const kind = this.#kind;
    this.#request = undefined;
    this.#requestBytes = 0;
    this.#kind = undefined;
    kind?.check();
    return request;
  }
}

/** Memory that V8 uses for each concatenation until the result is read. */
const PIECE_BYTES = 32;
/** Number of concatenations that are always allowed. */
const MIN_PIECES = 16;

type Attributes = { -readonly [Name in keyof PolicyRequest]: string };

function emptyRequest(): Attributes {
  return {
    protocol_state: "",
    client_address: "",
    client_port: "",
    helo_name: "",
    sender: "",
    recipient: "",
    instance: "",
    queue_id: "",
    sasl_username: "",
  };
}

const CR = 0x0d;

/**
 * Reads one attribute. Postfix sends about 30. A look at the first character skips nearly all that we do not need,
 * without making a string of them.
 */
function readAttribute(text: string, start: number, end: number, request: Attributes): void {
  const names = WANTED[text.charCodeAt(start)];
  if (names === undefined) return;
  for (const name of names) {
    const equals = start + name.length;
    if (text.charCodeAt(equals) === EQUALS && text.startsWith(name, start)) {
      request[name] = text.slice(equals + 1, end);
      return;
    }
  }
}

const EQUALS = 0x3d;

const WANTED = namesByFirstCharacter();

function namesByFirstCharacter(): readonly ((keyof PolicyRequest)[] | undefined)[] {
  const byCode: (keyof PolicyRequest)[][] = [];
  for (const name of Object.keys(emptyRequest()) as (keyof PolicyRequest)[]) {
    const code = name.charCodeAt(0);
    byCode[code] = [...(byCode[code] ?? []), name];
  }
  return byCode;
}

/** The first line of every request from Postfix. */
const POLICY_LINE = "request=smtpd_access_policy";

/**
 * Decides if a request that does not begin as Postfix's requests do is a policy request. Attributes in another order
 * are one, even without `request`, and so is a single empty line. Another `request` is not, nor are lines without any
 * attribute.
 */
class RequestKind {
  #requestLine: string | undefined = undefined;
  #hasAttributes = false;
  #strangeLine: string | undefined = undefined;

  /** Takes the line from `start` to `end`. */
  take(text: string, start: number, end: number): void {
    if (text.startsWith("request=", start)) this.#requestLine ??= text.slice(start, end);
    if (this.#hasAttributes) return;
    ATTRIBUTE.lastIndex = start;
    this.#hasAttributes = ATTRIBUTE.test(text);
    const line = this.#hasAttributes ? "" : text.slice(start, end);
    if (line.trim() !== "") this.#strangeLine ??= line;
  }

  /** @throws {ProtocolError} when the lines are not a policy request */
  check(): void {
    const wrong = this.#hasAttributes ? this.#requestLine : this.#strangeLine;
    if (wrong === undefined || wrong === POLICY_LINE) return;
    const got = JSON.stringify(wrong.slice(0, 32));
    throw new ProtocolError(`Cannot read policy request ${got}: want attributes with ${POLICY_LINE}`);
  }
}

const ATTRIBUTE = /\w+=/y;

/** Longest action in bytes. Our headers stay below 1,000 and our texts below 500, but an action may be configured. */
const MAX_ACTION_BYTES = 2048;

/**
 * The reply with `action` (latin1). The reply is always one line of valid UTF-8, and never an empty action, which would
 * mean PERMIT.
 */
export function encodeAction(action: string): string {
  // trim() would remove 0xa0 as a blank, which may be the second half of a UTF-8 character here.
  const safe = safeLine(action.slice(0, MAX_ACTION_BYTES));
  const line = safe.startsWith(" ") || safe.endsWith(" ") ? safe.replace(/^ +| +$/g, "") : safe;
  return `action=${line === "" ? "DUNNO" : line}\n\n`;
}
