/** Reads the data of resource records (RDATA: RFC 1035 sections 3.3 and 3.4, RFC 3596). */
import { MAX_TXT_BYTES, type RecordData, type RecordType } from "./types.ts";
import { DOT_IN_LABEL, MalformedMessage, readName, readUint8, readUint16 } from "./wire.ts";

type ReadRecord<T extends RecordType> = (bytes: Buffer, at: number, end: number) => RecordData[T] | undefined;

/**
 * Reads one record's RDATA, which lies from `at` to `end`. `undefined` for a name with a dot inside a label, which no
 * query can ask for.
 *
 * @throws {MalformedMessage} when the RDATA does not fit its type
 */
export const READ_RECORD: { readonly [T in RecordType]: ReadRecord<T> } = {
  A: readIpv4,
  AAAA: readIpv6,
  MX: (bytes, at, end) => {
    const exchange = readTarget(bytes, at + 2, end);
    return exchange === undefined ? undefined : { preference: readUint16(bytes, at), exchange };
  },
  TXT: readText,
  PTR: readTarget,
};

function readIpv4(bytes: Buffer, at: number, end: number): string {
  if (end - at !== 4) throw new MalformedMessage(`Cannot read A record: ${end - at} bytes`);
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

function readIpv6(bytes: Buffer, at: number, end: number): string {
  if (end - at !== 16) throw new MalformedMessage(`Cannot read AAAA record: ${end - at} bytes`);
  const groups: number[] = [];
  for (let group = at; group < end; group += 2) groups.push(readUint16(bytes, group));
  return formatIpv6(groups);
}

/**
 * Writes an IPv6 address (RFC 5952): the first of the longest runs of zero groups is left out, unless it is one group.
 */
function formatIpv6(groups: readonly number[]): string {
  let best = { start: 0, length: 1 };
  let start = 0;
  for (let at = 0; at <= groups.length; at += 1) {
    if (groups[at] === 0) continue;
    if (at - start > best.length) best = { start, length: at - start };
    start = at + 1;
  }
  const text = groups.map((group) => group.toString(16));
  if (best.length === 1) return text.join(":");
  return `${text.slice(0, best.start).join(":")}::${text.slice(best.start + best.length).join(":")}`;
}

function readTarget(bytes: Buffer, at: number, end: number): string | undefined {
  if (at >= end) throw new MalformedMessage("Cannot read name: no bytes");
  const name = readName(bytes, at);
  return name.includes(DOT_IN_LABEL) ? undefined : name;
}

function readText(bytes: Buffer, at: number, end: number): string {
  let text = "";
  for (let cursor = at; cursor < end; ) {
    const stringEnd = cursor + 1 + readUint8(bytes, cursor);
    if (stringEnd > end) throw new MalformedMessage("Cannot read TXT record: a string leaves it");
    if (text.length < MAX_TXT_BYTES) text += bytes.toString("latin1", cursor + 1, stringEnd);
    cursor = stringEnd;
  }
  return text.length > MAX_TXT_BYTES ? text.slice(0, MAX_TXT_BYTES) : text;
}
