import { describe, expect, test } from "vitest";
import { lowerCase } from "../../src/dns/name.ts";
import { MAX_ALIASES, type Reading, readReply } from "../../src/dns/reply.ts";
import type { RecordType } from "../../src/dns/types.ts";
import type { ZoneRecord } from "../helpers/authority.ts";
import { encodeReply, type ReplyHeader } from "../helpers/dns-message.ts";

const SOA: ZoneRecord = { name: "example", type: "SOA", ttl: 300, data: 60 };
const NS: ZoneRecord = { name: "example", type: "NS", ttl: 300, data: "ns.example" };

function cname(name: string, data: string, ttl = 300): ZoneRecord {
  return { name, type: "CNAME", ttl, data };
}

function dname(name: string, data: string, ttl = 300): ZoneRecord {
  return { name, type: "DNAME", ttl, data };
}

function a(name: string, data = "192.0.2.1", ttl = 300): ZoneRecord {
  return { name, type: "A", ttl, data };
}

/** A chain of `length` aliases that ends with an address. */
function chain(length: number): ZoneRecord[] {
  const names = Array.from({ length: length + 1 }, (_, step) => (step === 0 ? "www.example" : `c${step}.example`));
  const aliases = names.slice(1).map((target, step) => cname(names[step] ?? "", target));
  return [...aliases, a(names[length] ?? "")];
}

interface Case {
  readonly says: string;
  readonly asked?: string;
  readonly type?: RecordType;
  readonly header?: Partial<ReplyHeader>;
  readonly rcode?: number;
  readonly answers?: readonly ZoneRecord[];
  readonly authority?: readonly ZoneRecord[];
  readonly want: Partial<Reading> & Pick<Reading, "kind">;
}

function read({ asked = "www.example", type = "A", header, rcode = 0, answers = [], authority = [] }: Case): Reading {
  const bytes = encodeReply({ id: 1, name: asked, type, ...header }, { rcode, answers, authority });
  return readReply(bytes, lowerCase(asked), type);
}

const FOUND: readonly Case[] = [
  {
    says: "all records of the name, with the smallest TTL",
    answers: [a("www.example", "192.0.2.1", 300), a("WWW.example", "192.0.2.2", 200)],
    want: { kind: "records", records: ["192.0.2.1", "192.0.2.2"], ttlS: 200 },
  },
  {
    says: "nothing of another name's records",
    answers: [a("other.example", "192.0.2.6"), a("www.example")],
    want: { kind: "records", records: ["192.0.2.1"], ttlS: 300 },
  },
  {
    says: "a chain in any order, with the smallest TTL of all",
    answers: [
      a("c.example", "192.0.2.1", 90),
      cname("b.example", "C.example", 80),
      cname("www.example", "b.example", 70),
    ],
    want: { kind: "records", records: ["192.0.2.1"], ttlS: 70, canonicalName: "c.example" },
  },
  {
    says: `a chain of ${MAX_ALIASES} aliases`,
    answers: chain(MAX_ALIASES),
    want: { kind: "records", records: ["192.0.2.1"], ttlS: 300 },
  },
  {
    says: "a DNAME with the CNAME made from it, which old servers give no TTL of its own (RFC 2672)",
    asked: "a.b.example",
    answers: [dname("b.example", "c.test"), cname("a.b.example", "a.c.test", 0), a("a.c.test")],
    want: { kind: "records", records: ["192.0.2.1"], ttlS: 300, canonicalName: "a.c.test" },
  },
  {
    says: "a DNAME whose CNAME is missing",
    asked: "A.b.example",
    answers: [dname("B.example", "c.test", 40), a("a.c.test")],
    want: { kind: "records", records: ["192.0.2.1"], ttlS: 40 },
  },
  {
    says: "a TTL with its top bit set as zero (RFC 2181 section 8)",
    answers: [a("www.example", "192.0.2.1", 0x80000000)],
    want: { kind: "records", records: ["192.0.2.1"], ttlS: 0 },
  },
  {
    says: "no more than 1,024 records",
    answers: Array.from({ length: 1100 }, () => a("www.example")),
    want: { kind: "records", records: Array<string>(1024).fill("192.0.2.1") },
  },
  {
    says: "texts as bytes",
    type: "TXT",
    answers: [{ name: "www.example", type: "TXT", ttl: 5, data: ["v=spf1 ", "\u00fc\u0000"] }],
    want: { kind: "records", records: ["v=spf1 \u00fc\u0000"], ttlS: 5 },
  },
];

const ABSENT: readonly Case[] = [
  { says: "NXDOMAIN", rcode: 3, authority: [SOA], want: { kind: "nxdomain", ttlS: 60, canonicalName: undefined } },
  { says: "NODATA", authority: [SOA], want: { kind: "nodata", ttlS: 60 } },
  {
    says: "a negative TTL of the SOA record itself, where that is smaller (RFC 2308 section 5)",
    authority: [{ ...SOA, ttl: 30 }],
    want: { kind: "nodata", ttlS: 30 },
  },
  { says: "NXDOMAIN without a SOA as not to be kept", rcode: 3, want: { kind: "nxdomain", ttlS: undefined } },
  { says: "NODATA without a SOA as not to be kept", want: { kind: "nodata", ttlS: undefined } },
  {
    says: "NXDOMAIN of an alias's target, with the alias's TTL",
    rcode: 3,
    answers: [cname("www.example", "gone.example", 20)],
    authority: [SOA],
    want: { kind: "nxdomain", ttlS: 20, canonicalName: "gone.example" },
  },
  {
    says: "NODATA of an alias's target",
    answers: [cname("www.example", "b.example")],
    authority: [SOA],
    want: { kind: "nodata", ttlS: 60, canonicalName: "b.example" },
  },
  {
    says: "an alias to a single label",
    answers: [cname("www.example", "x")],
    want: { kind: "alias", target: "x", aliases: 1, ttlS: 300 },
  },
  {
    says: "an alias that leads out of the answer",
    answers: [cname("www.example", "b.example", 50), cname("b.example", "Far.test", 70)],
    want: { kind: "alias", target: "far.test", aliases: 2, ttlS: 50 },
  },
  {
    says: "an alias to the root as NXDOMAIN",
    answers: [cname("www.example", "", 50)],
    want: { kind: "nxdomain", ttlS: 50 },
  },
  {
    says: "an empty answer of a server that recurses, with NS records, as NODATA",
    authority: [NS],
    want: { kind: "nodata", ttlS: undefined },
  },
];

const TROUBLED: readonly Case[] = [
  { says: "FORMERR", rcode: 1, want: { kind: "trouble", trouble: "formerr" } },
  { says: "SERVFAIL", rcode: 2, want: { kind: "trouble", trouble: "servfail", detail: "RCODE 2" } },
  { says: "NOTIMP", rcode: 4, want: { kind: "trouble", trouble: "notimp" } },
  { says: "REFUSED", rcode: 5, want: { kind: "trouble", trouble: "refused" } },
  { says: "YXDOMAIN", rcode: 6, want: { kind: "trouble", trouble: "rcode", detail: "RCODE 6" } },
  { says: "NOTAUTH with records", rcode: 9, answers: [a("www.example")], want: { kind: "trouble", trouble: "rcode" } },
  {
    says: "BADVERS, which only the OPT record tells (RFC 6891 6.1.3)",
    header: { extendedRcode: 1 },
    want: { kind: "trouble", trouble: "rcode", detail: "RCODE 16" },
  },
  {
    says: "extended errors beside SERVFAIL (RFC 8914), in printable ASCII",
    rcode: 2,
    header: {
      extendedErrors: [
        { code: 6, text: "validation failure <www.example. A IN>" },
        { code: 4711, text: "\u0000\u00ff" },
      ],
    },
    want: {
      kind: "trouble",
      trouble: "servfail",
      detail: "RCODE 2, DNSSEC Bogus: validation failure <www.example. A IN>, Unknown Error: ??",
      cause: "DNSSEC Bogus, Unknown Error",
    },
  },
  {
    says: "no more than 100 characters of an extended error",
    rcode: 2,
    header: { extendedErrors: [{ code: 22, text: "x".repeat(60_000) }] },
    want: { kind: "trouble", detail: `RCODE 2, No Reachable Authority: ${"x".repeat(100)}` },
  },
  {
    says: "an extended error beside BADVERS",
    header: { extendedRcode: 1, extendedErrors: [{ code: 21, text: "" }] },
    want: { kind: "trouble", detail: "RCODE 16, Not Supported", mayBeEdns: true },
  },
  {
    says: "SERVFAIL without a question",
    rcode: 2,
    header: { withoutQuestion: true, extendedErrors: [{ code: 23, text: "" }] },
    want: { kind: "trouble", trouble: "servfail", cause: "Network Error" },
  },
  {
    says: "a referral",
    header: { recursionAvailable: false },
    authority: [NS],
    want: { kind: "trouble", trouble: "refused" },
  },
  {
    says: "two aliases in a circle",
    answers: [cname("www.example", "b.example"), cname("b.example", "www.example")],
    want: { kind: "trouble", trouble: "malformed" },
  },
  {
    says: "a DNAME that leads below itself",
    answers: [dname("example", "x.example")],
    want: { kind: "trouble", trouble: "malformed" },
  },
  { says: "too long a chain", answers: chain(MAX_ALIASES + 1), want: { kind: "trouble", trouble: "malformed" } },
  {
    says: "hundreds of aliases",
    answers: Array.from({ length: 300 }, (_, step) => cname(`x${step}.example`, "www.example")),
    want: { kind: "trouble", trouble: "malformed" },
  },
  { says: "truncation, as a reason to use TCP", header: { truncated: true }, want: { kind: "truncated" } },
  { says: "SERVFAIL before truncation", header: { truncated: true }, rcode: 2, want: { kind: "trouble" } },
];

describe("readReply", () => {
  test.each([...FOUND, ...ABSENT, ...TROUBLED])("reads $says", (one) => {
    expect(read(one)).toMatchObject(one.want);
  });
});
