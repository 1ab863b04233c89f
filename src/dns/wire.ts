/**
 * Reading the bytes of a DNS message (RFC 1035 4.1). Whatever the bytes are, nothing here reads past them, and nothing
 * loops: a compression pointer has to point before the name that it is part of.
 */

/** The message breaks RFC 1035. Thrown and caught within `reply.ts`. */
export class MalformedMessage extends Error {
  override name = "MalformedMessage";
}

/**
 * Stands for a dot that is part of a label. Our names are labels joined by dots, so such a name cannot be written; as
 * this character is no byte, `toQueryName` refuses it and it equals no other name.
 */
export const DOT_IN_LABEL = "\u012e";

const DOT = 0x2e;
const MAX_WIRE_NAME_BYTES = 255;
const POINTER = 0xc0;

/** @throws {MalformedMessage} at the end of the message */
export function readUint8(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new MalformedMessage("Cannot read message: it ends early");
  return byte;
}

/** @throws {MalformedMessage} at the end of the message */
export function readUint16(bytes: Uint8Array, at: number): number {
  return (readUint8(bytes, at) << 8) | readUint8(bytes, at + 1);
}

/** @throws {MalformedMessage} at the end of the message */
export function readUint32(bytes: Uint8Array, at: number): number {
  return readUint16(bytes, at) * 0x10000 + readUint16(bytes, at + 2);
}

/**
 * Where the bytes of the name at `at` end; a pointer is not followed.
 *
 * @throws {MalformedMessage} at the end of the message, and on a label type that does not exist
 */
export function skipName(bytes: Uint8Array, at: number): number {
  let cursor = at;
  for (;;) {
    const length = readUint8(bytes, cursor);
    if (length === 0) return cursor + 1;
    if (isPointer(length)) return cursor + 2;
    cursor += 1 + length;
  }
}

/**
 * The name at `at`, one character per byte, in the case it came, without a trailing dot; "" is the root.
 *
 * @throws {MalformedMessage} on a name that ends early, is over 255 bytes, or points forward or to itself
 */
export function readName(bytes: Buffer, at: number): string {
  let name = "";
  let wireBytes = 1;
  let cursor = at;
  let start = at;
  for (;;) {
    const length = readUint8(bytes, cursor);
    if (length === 0) return name;
    if (isPointer(length)) {
      start = cursor = pointerTarget(bytes, cursor, start);
      continue;
    }
    wireBytes += 1 + length;
    const end = cursor + 1 + length;
    if (wireBytes > MAX_WIRE_NAME_BYTES || end > bytes.length) throw new MalformedMessage("Cannot read name: too long");
    const label = bytes.toString("latin1", cursor + 1, end);
    name += (name === "" ? "" : ".") + (label.includes(".") ? label.replaceAll(".", DOT_IN_LABEL) : label);
    cursor = end;
  }
}

/**
 * Whether the name at `at` is `name` (in lower case, as `readName` writes it), ASCII case aside. Builds no string, so
 * that thousands of records under long names cost little.
 *
 * @throws {MalformedMessage} as `readName` does, as far as it has to read
 */
export function isNameAt(bytes: Uint8Array, at: number, name: string): boolean {
  let index = 0;
  let cursor = at;
  let start = at;
  for (;;) {
    const length = readUint8(bytes, cursor);
    if (length === 0) return index === name.length;
    if (isPointer(length)) {
      start = cursor = pointerTarget(bytes, cursor, start);
      continue;
    }
    if (index > 0) {
      if (name.charCodeAt(index) !== DOT) return false;
      index += 1;
    }
    for (const end = cursor + length; cursor < end; index += 1) {
      cursor += 1;
      if (lowerCode(readUint8(bytes, cursor)) !== name.charCodeAt(index)) return false;
    }
    cursor += 1;
  }
}

function isPointer(length: number): boolean {
  if (length >= POINTER) return true;
  if (length > 63) throw new MalformedMessage(`Cannot read label: type ${length >> 6}`);
  return false;
}

function pointerTarget(bytes: Uint8Array, at: number, nameStart: number): number {
  const target = readUint16(bytes, at) & 0x3fff;
  if (target >= nameStart) throw new MalformedMessage("Cannot follow pointer: it does not point back");
  return target;
}

function lowerCode(byte: number): number {
  if (byte === DOT) return DOT_IN_LABEL.charCodeAt(0);
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}
