/**
 * The server's half of Postfix's policy delegation protocol: see SMTPD_POLICY_README, "Protocol description".
 *
 *     name=value LF  ...  LF     ->     action=<access(5) action> LF LF
 *
 * A request ends with an empty line, and so does the reply. Attributes come in any order, unknown ones are ignored,
 * and one that is missing is as good as one that is empty. A value reaches to the end of its line and may hold "=".
 * Postfix takes bare LF only, reads the first `action` of a reply, refuses a reply that is not UTF-8, and takes an
 * empty action for PERMIT. Text is latin1: one character is one byte.
 */

import { safeLine } from "../mail/text.ts";
import { type Decoder, ProtocolError } from "../net/session.ts";

/** Most bytes of one request, its empty line included. Postfix's own stay below about 10,000. */
export const MAX_REQUEST_BYTES = 65_536;

/** The attributes of a request that are of use here, by their own names; empty when Postfix did not send them. */
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
 * Yields requests. When an attribute comes twice its last value counts, as with policyd-spf.
 *
 * @throws {ProtocolError} from `next()`, when no request ends within MAX_REQUEST_BYTES
 */
export class PolicyDecoder implements Decoder<PolicyRequest> {
  #text = "";
  #position = 0;
  /** Up to here there is no empty line: a peer that sends byte by byte does not make us search again. */
  #searched = 0;
  #ended = false;

  feed(chunk: string): void {
    const rest = this.#position === this.#text.length ? "" : this.#text.slice(this.#position);
    this.#searched = Math.max(0, this.#searched - this.#position);
    this.#position = 0;
    this.#text = rest + chunk;
  }

  next(): PolicyRequest | undefined {
    const start = this.#position;
    if (start === this.#text.length) return undefined;
    if (!this.#holdsRequest()) {
      if (this.#text.length - start > MAX_REQUEST_BYTES) throw tooLong();
      return undefined;
    }
    const request = emptyRequest();
    this.#position = readAttributes(this.#text, start, request);
    if (this.#position - start > MAX_REQUEST_BYTES) throw tooLong();
    if (!this.#text.startsWith(REQUEST_LINE, start)) checkRequest(this.#text.slice(start, this.#position));
    return request;
  }

  end(): void {
    this.#ended = true;
  }

  /** Whether an empty line stands somewhere in the text, or is all that is missing at its end. */
  #holdsRequest(): boolean {
    const text = this.#text;
    const start = this.#position;
    // Nearly always a packet is one request, so look at its end first.
    if (text.endsWith("\n\n") || (this.#ended && text.endsWith("\n"))) return true;
    if (text.startsWith("\n", start) || text.startsWith("\r\n", start)) return true;
    const from = Math.max(start, this.#searched);
    if (text.indexOf("\n\n", from) !== -1 || text.indexOf("\n\r\n", from) !== -1) return true;
    this.#searched = Math.max(start, text.length - 2);
    return false;
  }
}

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

/** Reads lines of `text` from `start` into `request`. Returns the position behind the empty line. */
function readAttributes(text: string, start: number, request: Attributes): number {
  let lineStart = start;
  for (;;) {
    const lf = text.indexOf("\n", lineStart);
    if (lf === -1) return text.length;
    const lineEnd = lf > lineStart && text.charCodeAt(lf - 1) === CR ? lf - 1 : lf;
    if (lineEnd === lineStart) return lf + 1;
    readAttribute(text, lineStart, lineEnd, request);
    lineStart = lf + 1;
  }
}

const CR = 0x0d;

/**
 * Takes one line over. Postfix sends about 30 attributes, so the first character sorts out nearly all that are not
 * wanted, without a string being made of them.
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

/** How Postfix begins every request. */
const REQUEST_LINE = "request=smtpd_access_policy\n";

/**
 * Whether what does not begin so is a request all the same. Attributes in another order are, those of a client that
 * names no type, and an empty line alone; another type is not, nor are lines without any attribute.
 */
function checkRequest(text: string): void {
  const type = /^request=([^\r\n]*)/m.exec(text)?.[1];
  if (type === "smtpd_access_policy" || text.trim() === "") return;
  if (type === undefined && /^\w+=/m.test(text)) return;
  const got = JSON.stringify(text.slice(0, 32));
  throw new ProtocolError(`Cannot read policy request ${got}: want attributes with request=smtpd_access_policy`);
}

function tooLong(): ProtocolError {
  return new ProtocolError(`Cannot read policy request: over ${MAX_REQUEST_BYTES} bytes`);
}

/** Longest action in bytes. A header of ours stays below 1,000, a text below 500; an action may be configured. */
const MAX_ACTION_BYTES = 2048;

/**
 * The reply that carries `action` (latin1). Whatever the action holds, the reply is one line of valid UTF-8 and never
 * means PERMIT by being empty.
 */
export function encodeAction(action: string): string {
  // Not trim(): it takes 0xa0 for a blank, which may be the second half of a UTF-8 character here.
  const safe = safeLine(action.slice(0, MAX_ACTION_BYTES));
  const line = safe.startsWith(" ") || safe.endsWith(" ") ? safe.replace(/^ +| +$/g, "") : safe;
  return `action=${line === "" ? "DUNNO" : line}\n\n`;
}
