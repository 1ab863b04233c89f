/** Makes DNS messages with another implementation. */
import dnsPacket from "dns-packet";
import type { AuthorityAnswer, ZoneRecord } from "./authority.ts";

/**
 * DNS messages by dns-packet, a codec that is not ours, but for the names: dns-packet takes them for UTF-8, and here
 * they are bytes. So the tests' server writes and reads names by the two functions below.
 */
const POINTER = 0xc0;

function encodeName(name: string, bytes = Buffer.alloc(encodedLength(name)), offset = 0): Buffer {
  let at = offset;
  for (const label of name === "" || name === "." ? [] : name.split(".")) {
    bytes[at] = label.length;
    at += 1 + bytes.write(label, at + 1, "latin1");
  }
  bytes[at] = 0;
  dnsPacket.name.encode.bytes = at + 1 - offset;
  return bytes;
}

function decodeName(bytes: Buffer, offset = 0): string {
  const labels: string[] = [];
  let at = offset;
  for (let length = bytes[at] ?? 0; length !== 0; length = bytes[at] ?? 0) {
    if (length >= POINTER) throw new Error("Cannot read query: a compressed name");
    labels.push(bytes.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  dnsPacket.name.decode.bytes = at + 1 - offset;
  return labels.join(".");
}

function encodedLength(name: string): number {
  return name === "" || name === "." ? 1 : name.length + 2;
}

Object.assign(dnsPacket.name, {
  encode: Object.assign(encodeName, { bytes: 0 }),
  decode: Object.assign(decodeName, { bytes: 0 }),
  encodingLength: encodedLength,
});

/** A query as the tests' server sees it. */
export interface ReadQuery {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  /** Bytes that the asker takes over UDP; `undefined` without EDNS. */
  readonly payloadBytes: number | undefined;
}

/** @throws {Error} when `bytes` is not a query with one question */
export function readQuery(bytes: Buffer): ReadQuery {
  const { id, questions, additionals } = dnsPacket.decode(bytes);
  const [question, second] = questions;
  if (question === undefined || second !== undefined) throw new Error(`Cannot serve ${questions.length} questions`);
  const payloadBytes = additionals.find(({ type }) => type === "OPT")?.udpPayloadSize;
  return { id, name: question.name, type: question.type, payloadBytes };
}

/** What a reply says beside the answer itself. */
export interface ReplyHeader {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly truncated?: boolean;
  readonly withoutQuestion?: boolean;
  /** Adds an OPT record with the upper bits of the RCODE. */
  readonly extendedRcode?: number;
  /** Adds an OPT record with these extended errors (RFC 8914). */
  readonly extendedErrors?: readonly { readonly code: number; readonly text: string }[];
  /** Default: set, as a resolver does. */
  readonly recursionAvailable?: boolean;
}

/** The message that carries `answer`. Its names are not compressed. */
export function encodeReply(header: ReplyHeader, answer: Exclude<AuthorityAnswer, "drop">): Buffer {
  const { id, name, type, truncated, withoutQuestion, extendedRcode = 0, recursionAvailable = true } = header;
  const options = (header.extendedErrors ?? []).map(({ code, text }) => {
    const data = Buffer.concat([Buffer.alloc(2), Buffer.from(text, "latin1")]);
    data.writeUInt16BE(code);
    return { code: 15, data };
  });
  const hasOpt = extendedRcode > 0 || options.length > 0;
  let flags = dnsPacket.RECURSION_DESIRED | answer.rcode;
  if (recursionAvailable) flags |= dnsPacket.RECURSION_AVAILABLE;
  if (truncated) flags |= dnsPacket.TRUNCATED_RESPONSE;
  const packet: dnsPacket.Packet = {
    id,
    type: "response",
    flags,
    questions: withoutQuestion ? [] : [{ name, type, class: "IN" }],
    answers: truncated ? [] : answer.answers.map(toPacketRecord),
    authorities: truncated ? [] : answer.authority.map(toPacketRecord),
    additionals: hasOpt ? [{ name: ".", type: "OPT", extendedRcode, options }] : [],
  };
  return dnsPacket.encode(packet);
}

function toPacketRecord({ name, type, ttl, data }: ZoneRecord): dnsPacket.PacketRecord {
  switch (type) {
    case "TXT": {
      const strings = Array.isArray(data) ? data : [String(data)];
      return { name, type, ttl, data: strings.map((text: string) => Buffer.from(text, "latin1")) };
    }
    case "SOA": {
      const times = { serial: 1, refresh: 3600, retry: 600, expire: 86_400, minimum: Number(data) };
      return { name, type, ttl, data: { mname: "ns.invalid", rname: "root.invalid", ...times } };
    }
    default:
      return { name, type, ttl, data };
  }
}
