/** Fuzzes replies of DNS servers, and the conversion of names to the wire and back. */
import { isIPv4, isIPv6 } from "node:net";
import { encodeQuestion, HEADER_BYTES, isReplyTo } from "../../../src/dns/message.ts";
import { toQueryName } from "../../../src/dns/name.ts";
import { type Reading, readReply } from "../../../src/dns/reply.ts";
import { MAX_TXT_BYTES, RECORD_TYPES, type RecordType } from "../../../src/dns/types.ts";
import { isNameAt, readName } from "../../../src/dns/wire.ts";
import type { ZoneRecord } from "../../helpers/authority.ts";
import { encodeReply } from "../../helpers/dns-message.ts";
import { hashOf, must, type Target } from "../target.ts";

const NAME = "www.example";
const ID = 7;

const RECORDS: readonly ZoneRecord[] = [
  { name: NAME, type: "CNAME", ttl: 1, data: "a.b.example" },
  { name: "b.example", type: "DNAME", ttl: 1, data: "c.example" },
  ...[NAME, "a.c.example"].flatMap((name): ZoneRecord[] => [
    { name, type: "A", ttl: 300, data: "192.0.2.1" },
    { name, type: "AAAA", ttl: 300, data: "2001:db8::1" },
    { name, type: "MX", ttl: 300, data: { preference: 1, exchange: "mx.example" } },
    { name, type: "TXT", ttl: 300, data: ["v=spf1 ", "-all"] },
    { name, type: "PTR", ttl: 300, data: "host.example" },
  ]),
];
const SOA: ZoneRecord = { name: "example", type: "SOA", ttl: 60, data: 30 };

function seeds(): string[] {
  return RECORD_TYPES.flatMap((type) => {
    const header = { id: ID, name: NAME, type };
    const answers = RECORDS.filter((record) => record.type === type && record.name === NAME);
    const opt = { ...header, extendedErrors: [{ code: 6, text: "bogus" }] };
    return [
      encodeReply(header, { rcode: 0, answers, authority: [] }),
      encodeReply(header, { rcode: 0, answers: RECORDS.slice(0, 2), authority: [] }),
      encodeReply(header, { rcode: 0, answers: RECORDS.slice(0, 8), authority: [] }),
      encodeReply(header, { rcode: 3, answers: [], authority: [SOA] }),
      encodeReply(opt, { rcode: 2, answers: [], authority: [] }),
      encodeReply({ ...header, withoutQuestion: true }, { rcode: 5, answers: [], authority: [] }),
    ].map((bytes) => bytes.toString("latin1"));
  });
}

export const dnsReplyTarget: Target = {
  name: "dns-reply",
  modules: ["dns/reply.ts", "dns/wire.ts", "dns/record-data.ts", "dns/extended-errors.ts", "dns/message.ts"],
  words: [
    "\xc0\x0c",
    "\xc0\x00",
    "\0\x01\0\x01",
    "\0\x05\0\x01",
    "\0\x27\0\x01",
    "\0\x29",
    "\x03www\x07example\0",
    "\xff\xff",
    "\0\x0f",
    "\x80\0\0\0",
  ],
  seeds: seeds(),
  maxBytes: 2000,
  run(input) {
    const bytes = Buffer.from(input, "latin1");
    const type = RECORD_TYPES[hashOf(input) % RECORD_TYPES.length] ?? "A";
    const isReply = isReplyTo(bytes, ID, encodeQuestion(NAME, type));
    // Read also when it is none: the reader must not depend on what was looked at before.
    const reading = readReply(bytes, NAME, type);
    mustBeSound(reading, type);
    return `${reading.kind} ${isReply} ${reading.kind === "trouble" ? reading.trouble : ""}`;
  },
};

function mustBeSound(reading: Reading, type: RecordType): void {
  switch (reading.kind) {
    case "records":
      must(reading.records.length >= 1 && reading.records.length <= 1024, "number of records", reading.records.length);
      mustBeTtl(reading.ttlS);
      for (const record of reading.records) must(IS_RECORD[type](record), "a bad record", record);
      break;
    case "nodata":
    case "nxdomain":
      if (reading.ttlS !== undefined) mustBeTtl(reading.ttlS);
      break;
    case "alias":
      mustBeTtl(reading.ttlS);
      must(toQueryName(reading.target) === reading.target, "an alias that cannot be asked for", reading.target);
      break;
    case "trouble":
      must(
        /^[\x20-\x7e]{1,2000}$/.test(reading.detail + (reading.cause ?? "")),
        "a detail of several lines",
        reading.detail,
      );
      break;
    case "truncated":
  }
}

/** Infinity stands for an alias chain that is broken: it is not kept at all. */
function mustBeTtl(ttlS: number): void {
  must(ttlS >= 0 && (ttlS <= 0x7fffffff || ttlS === Number.POSITIVE_INFINITY), "a TTL", ttlS);
}

const isName = (value: unknown): boolean => typeof value === "string" && value.length <= 253;

const IS_RECORD: Readonly<Record<RecordType, (record: unknown) => boolean>> = {
  A: (record) => isIPv4(String(record)),
  AAAA: (record) => isIPv6(String(record)),
  MX: (record) => typeof record === "object" && record !== null && "exchange" in record && isName(record.exchange),
  TXT: (record) => typeof record === "string" && record.length <= MAX_TXT_BYTES,
  PTR: isName,
};

export const dnsNameTarget: Target = {
  name: "dns-name",
  modules: ["dns/name.ts", "dns/wire.ts", "dns/message.ts"],
  words: [".", "..", "a".repeat(63), "b".repeat(64), "\xff", "\0", "_spf", "WWW", "example."],
  seeds: ["www.example.", "A.b.C", "\xc0\x0c.x"],
  maxBytes: 300,
  run(input) {
    const name = toQueryName(input);
    if (name === undefined) return "none";
    const message = Buffer.concat([Buffer.alloc(HEADER_BYTES), encodeQuestion(name, "TXT")]);
    must(message.length === HEADER_BYTES + name.length + 6, "a length of its own", name);
    must(readName(message, HEADER_BYTES) === name, "another name comes back", name);
    must(isNameAt(message, HEADER_BYTES, name), "not itself", name);
    must(toQueryName(name) === name, "not the same twice", name);
    return name === input ? "same" : "normalized";
  },
};
