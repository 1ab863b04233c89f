/**
 * The canonical form of a header field (RFC 6376 sections 3.4.1 and 3.4.2): simple is the bytes as they are, relaxed is
 * the name in lower case, a colon, and the value on one line, with single blanks within and none around it.
 */
import type { HeaderField } from "../mail/header-field.ts";
import { withoutSignature } from "../mailauth/dkim.ts";
import type { Canonicalization } from "./canonical-body.ts";

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;

/** The field as it is signed, with its line end. */
export function canonicalField(field: HeaderField, form: Canonicalization): Buffer {
  return form === "simple" ? Buffer.from(`${field.line}\r\n`, "latin1") : relaxedField(field, "\r\n");
}

/** The signature as it is signed itself: without the value of its b=, and without line end (RFC 6376 section 3.7). */
export function canonicalSignature(field: HeaderField, form: Canonicalization): Buffer {
  return withoutSignature(form === "simple" ? Buffer.from(field.line, "latin1") : relaxedField(field, ""));
}

function relaxedField({ key, value }: HeaderField, end: string): Buffer {
  const room = Buffer.allocUnsafe(key.length + 1 + value.length + end.length);
  const start = room.write(`${key}:`, "latin1");
  let filled = start;
  let isBlankDue = false;
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code === SPACE || code === TAB) isBlankDue = filled > start;
    else if (code !== LF && !(code === CR && value.charCodeAt(at + 1) === LF)) {
      if (isBlankDue) room[filled++] = SPACE;
      isBlankDue = false;
      room[filled++] = code;
    }
  }
  return room.subarray(0, filled + room.write(end, filled, "latin1"));
}
