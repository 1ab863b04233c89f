/**
 * Reads the bytes of a DNS message (RFC 1035 section 4.1). With any input, nothing here reads past the end or loops
 * forever: a compression pointer must point before the name that contains it.
 */

/** An error for a message that breaks RFC 1035. Caught in `reply.ts`. */
export class MalformedMessage extends Error {
  override name = "MalformedMessage";
}

/**
 * Stands for a dot inside a label. Our names are labels joined by dots, so such a name cannot be written. This
 * character is not a byte, so `toQueryName` refuses the name, and it equals no other name.
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
 * Finds the end of the name at `at`, without following a pointer.
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
 * Reads the name at `at`: one character per byte, case unchanged, no trailing dot. "" is the root.
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
 * Tells if the name at `at` is `name` (in lower case, in the form of `readName`), without regard to ASCII case. Builds
 * no string, so that thousands of records under long names take little time.
 *
 * @throws {MalformedMessage} like `readName`, as far as it reads
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
