/**
 * The header fields of a message, in order and byte for byte. Text is latin1: one character is one byte. Inside a field
 * a line ends with CRLF; the line end after the field is not part of it.
 */
import { lowerCase } from "../dns/name.ts";

export interface HeaderField {
  /** The name as written, without blanks around it. */
  readonly name: string;
  /** The name in lower case, for comparison. */
  readonly key: string;
  /** All bytes after the colon: the leading blank and the folding are kept. */
  readonly value: string;
  /** The whole field. Differs from name, colon and value only by blanks before the colon (RFC 5322 section 4.5). */
  readonly line: string;
}

/** A message whose header was split off. */
export interface Message {
  readonly fields: readonly HeaderField[];
  readonly body: Buffer;
}

/** A field from its parts. `value` is what follows the colon; it may be folded with LF, as a milter gets it. */
export function headerField(name: string, value: string): HeaderField {
  const folded = value.includes("\n") ? withCrlf(value) : value;
  return { name, key: lowerCase(name), value: folded, line: `${name}:${folded}` };
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

/** Longest text that is folded in the room that all share. */
const ROOM_CHARS = 4096;
const ROOM = Buffer.allocUnsafeSlow(2 * ROOM_CHARS);

/**
 * Gives each LF without a CR its CR. By bytes, because a regular expression leaves thirty times the text as garbage if most of
 * its lines are short.
 */
function withCrlf(text: string): string {
  const length = text.length;
  const room = length > ROOM_CHARS ? Buffer.allocUnsafeSlow(2 * length) : ROOM;
  // In its second half, so that what is written never reaches what is still to be read.
  room.write(text, length, "latin1");
  let filled = 0;
  let last = 0;
  for (let at = length; at < 2 * length; at++) {
    const byte = room[at] as number;
    if (byte === LF && last !== CR) room[filled++] = CR;
    room[filled++] = last = byte;
  }
  return room.toString("latin1", 0, filled);
}

/** A name of RFC 5322 section 3.6.8, and blanks before the colon. */
const FIELD_START = /^([!-9;-~]+)([ \t]*):/;

/**
 * Splits a message as it lies in a file, with LF or CRLF at its line ends. The header ends at an empty line, or before
 * the first line that is neither a field nor its continuation: Postfix puts an empty line there. A line "From ..." of
 * an mbox before the first field is left out.
 */
export function splitMessage(message: Buffer): Message {
  const fields: HeaderField[] = [];
  let open: string[] = [];
  let at = 0;
  const close = (): void => {
    if (open.length > 0) fields.push(toField(open.join("\r\n")));
    open = [];
  };
  while (at < message.length) {
    const lf = message.indexOf(LF, at);
    const end = lf === -1 ? message.length : lf;
    const isCrlf = lf > at && message[lf - 1] === CR;
    const line = message.toString("latin1", at, isCrlf ? lf - 1 : end);
    const next = lf === -1 ? end : lf + 1;
    if (line === "") {
      at = next;
      break;
    }
    const isContinuation = open.length > 0 && (message[at] === SPACE || message[at] === TAB);
    if (!isContinuation) {
      const isField = FIELD_START.test(line);
      if (!isField && !(at === 0 && line.startsWith("From "))) break;
      close();
      if (!isField) {
        at = next;
        continue;
      }
    }
    open.push(line);
    at = next;
  }
  close();
  return { fields, body: message.subarray(at) };
}

function toField(line: string): HeaderField {
  const [start = "", name = ""] = FIELD_START.exec(line) ?? [];
  return { name, key: lowerCase(name), value: line.slice(start.length), line };
}
