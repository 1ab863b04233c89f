/**
 * Writes queries and recognizes their replies (RFC 1035 section 4.1; EDNS: RFC 6891).
 *
 *     id | flags | QDCOUNT ANCOUNT NSCOUNT ARCOUNT      12 bytes
 *     QNAME QTYPE QCLASS                                the question, echoed in the reply
 *     records of the answer, authority and additional sections
 *
 * A query has RD set and one OPT record that offers to receive 1,232 bytes over UDP.
 */
import { readUint16 } from "./wire.ts";

/** Length of the header in bytes. The question starts after it. */
export const HEADER_BYTES = 12;

/** The codes of the record types that are read (RFC 1035 3.2.2, 3596, 6672, 6891). */
export const TYPE_CODE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  DNAME: 39,
  OPT: 41,
} as const;

/** Class IN. */
export const CLASS_IN = 1;

/** Largest UDP payload that needs no fragments anywhere (DNS flag day 2020). */
const UDP_PAYLOAD_BYTES = 1232;
const OPT_BYTES = 11;

const FLAG_RESPONSE = 0x8000;
const MASK_OPCODE = 0x7800;
const FLAG_RECURSION_DESIRED = 0x0100;
const RCODE_NOERROR = 0;
const RCODE_NXDOMAIN = 3;
const DOT = 0x2e;

/** The question section for `name`, which must come from `toQueryName`. */
export function encodeQuestion(name: string, type: keyof typeof TYPE_CODE): Buffer {
  const bytes = Buffer.allocUnsafe(name.length + 6);
  bytes.write(name, 1, "latin1");
  let lengthAt = 0;
  for (let at = 1; at <= name.length; at += 1) {
    if (bytes[at] !== DOT) continue;
    bytes[lengthAt] = at - lengthAt - 1;
    lengthAt = at;
  }
  bytes[lengthAt] = name.length - lengthAt;
  bytes[name.length + 1] = 0;
  bytes.writeUInt16BE(TYPE_CODE[type], name.length + 2);
  bytes.writeUInt16BE(CLASS_IN, name.length + 4);
  return bytes;
}

/** A whole query. Every server understands one without EDNS. */
export function encodeQuery(id: number, question: Uint8Array, edns: boolean): Buffer {
  const end = HEADER_BYTES + question.length;
  const bytes = Buffer.allocUnsafe(edns ? end + OPT_BYTES : end);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(FLAG_RECURSION_DESIRED, 2);
  bytes.writeUInt32BE(0x00010000, 4);
  bytes.writeUInt32BE(edns ? 1 : 0, 8);
  bytes.set(question, HEADER_BYTES);
  if (edns) {
    bytes.fill(0, end);
    bytes.writeUInt16BE(TYPE_CODE.OPT, end + 1);
    bytes.writeUInt16BE(UDP_PAYLOAD_BYTES, end + 3);
  }
  return bytes;
}

/**
 * Tells if `bytes` is a reply to this query: a response with the same id and question. An error may come without the
 * question, because a server that could not read our query sends it so.
 */
export function isReplyTo(bytes: Uint8Array, id: number, question: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES || readUint16(bytes, 0) !== id) return false;
  const flags = readUint16(bytes, 2);
  if ((flags & (FLAG_RESPONSE | MASK_OPCODE)) !== FLAG_RESPONSE) return false;

  const questions = readUint16(bytes, 4);
  if (questions === 0) {
    const rcode = flags & 0xf;
    return rcode !== RCODE_NOERROR && rcode !== RCODE_NXDOMAIN;
  }
  return questions === 1 && repeats(bytes, question);
}

/**
 * Compares without ASCII case, because some servers change it. Length bytes are below the letters, so they stay exact.
 */
function repeats(bytes: Uint8Array, question: Uint8Array): boolean {
  const nameEnd = question.length - 4;
  for (let at = 0; at < question.length; at += 1) {
    const theirs = bytes[HEADER_BYTES + at];
    const ours = question[at];
    if (theirs === ours) continue;
    const isOtherCase = theirs !== undefined && theirs >= 0x41 && theirs <= 0x5a && theirs + 0x20 === ours;
    if (!isOtherCase || at >= nameEnd) return false;
  }
  return true;
}
