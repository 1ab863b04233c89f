import { describe, expect, test } from "vitest";
import { encodeQuestion } from "../../src/dns/message.ts";
import { type Reading, readReply } from "../../src/dns/reply.ts";
import type { ZoneRecord } from "../helpers/authority.ts";
import { encodeReply } from "../helpers/dns-message.ts";
import { numbers } from "./resolving.ts";

const NAME = "www.example";
const TYPES = ["A", "AAAA", "MX", "TXT", "PTR"] as const;
/** Where a reply's first record begins: after the header and the question. */
const ANSWER_AT = 12 + NAME.length + 6;

const RECORDS: readonly ZoneRecord[] = [
  { name: NAME, type: "CNAME", ttl: 1, data: "a.b.example" },
  { name: "b.example", type: "DNAME", ttl: 1, data: "c.example" },
  { name: "a.c.example", type: "A", ttl: 1, data: "192.0.2.1" },
  { name: "a.c.example", type: "AAAA", ttl: 1, data: "2001:db8::1" },
  { name: "a.c.example", type: "MX", ttl: 1, data: { preference: 1, exchange: "mx.example" } },
  { name: "a.c.example", type: "TXT", ttl: 1, data: ["v=spf1 ", "-all"] },
  { name: "a.c.example", type: "PTR", ttl: 1, data: "host.example" },
];
const SOA: ZoneRecord = { name: "example", type: "SOA", ttl: 1, data: 1 };

/** A reply to "www.example A" whose counts are as told, and whose records are the bytes in `hex`. */
function craft({ answers = 1, authority = 0, hex }: { answers?: number; authority?: number; hex: string }): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers, 6);
  header.writeUInt16BE(authority, 8);
  return Buffer.concat([header, encodeQuestion(NAME, "A"), Buffer.from(hex.replaceAll(" ", ""), "hex")]);
}

const GOOD_A = "c00c 0001 0001 0000012c 0004 c0000201";

describe("readReply, of a reply that lies,", () => {
  test("reads a compressed owner name", () => {
    expect(readReply(craft({ hex: GOOD_A }), NAME, "A")).toEqual({
      kind: "records",
      records: ["192.0.2.1"],
      ttlS: 300,
    });
  });

  test("passes over records of another class", () => {
    expect(readReply(craft({ hex: GOOD_A.replace("0001 0001", "0001 0003") }), NAME, "A").kind).toBe("nodata");
  });

  test("does not mind bytes after the last record", () => {
    expect(readReply(craft({ hex: `${GOOD_A} ffff` }), NAME, "A").kind).toBe("records");
  });

  test.each([
    { lie: "says two answers and brings one", bytes: craft({ answers: 2, hex: GOOD_A }) },
    { lie: "says 65,535 answers", bytes: craft({ answers: 65_535, hex: GOOD_A }) },
    { lie: "says one authority record and brings none", bytes: craft({ answers: 0, authority: 1, hex: "" }) },
    { lie: "has an RDLENGTH beyond its end", bytes: craft({ hex: "c00c 0001 0001 0000012c 0005 c0000201" }) },
    { lie: "has an address of three bytes", bytes: craft({ hex: "c00c 0001 0001 0000012c 0003 c00002" }) },
    {
      lie: "has an owner that points to itself",
      bytes: craft({ hex: `c0${ANSWER_AT.toString(16)} ${GOOD_A.slice(5)}` }),
    },
    { lie: "has an owner that points forward", bytes: craft({ hex: `c0ff ${GOOD_A.slice(5)}` }) },
    { lie: "has a CNAME that points into a loop", bytes: craft({ hex: "c00c 0005 0001 0000012c 0002 c029" }) },
    {
      lie: "has a SOA without its numbers",
      bytes: craft({ answers: 0, authority: 1, hex: "c00c 0006 0001 0000012c 0002 0000" }),
    },
  ])("calls it malformed when it $lie", ({ bytes }) => {
    expect(readReply(bytes, NAME, "A")).toMatchObject({ kind: "trouble", trouble: "malformed" });
  });

  test("takes an alias to a name with a dot in a label for NXDOMAIN: nobody can ask for it", () => {
    const reply = craft({ hex: "c00c 0005 0001 0000012c 0005 03 612e62 00" });
    expect(readReply(reply, NAME, "A")).toEqual({ kind: "nxdomain", ttlS: 300, canonicalName: undefined });
  });

  test("takes a PTR record with a dot in a label for none, and keeps its TTL", () => {
    const reply = craft({ hex: "c00c 000c 0001 0000012c 0005 03 612e62 00" });
    expect(readReply(reply, NAME, "PTR")).toEqual({ kind: "nodata", ttlS: 300 });
  });

  test("finds none of 4,000 addresses under a name that lacks one of 120 labels", () => {
    const name = `${"a.".repeat(119)}a`;
    const empty = encodeReply({ id: 0, name, type: "A" }, { rcode: 0, answers: [], authority: [] });
    // Each owner points to the second label of the question: it has to be compared to its end.
    const record = Buffer.from("c00e 0001 0001 0000012c 0004 c0000201".replaceAll(" ", ""), "hex");
    const reply = Buffer.concat([empty, ...Array<Buffer>(4000).fill(record)]);
    reply.writeUInt16BE(4000, 6);
    expect(readReply(reply, name, "A")).toEqual({ kind: "nodata", ttlS: undefined });
  });
});

describe.each(TYPES)("readReply of %s", (type) => {
  const whole = encodeReply({ id: 1, name: NAME, type }, { rcode: 0, answers: RECORDS, authority: [SOA] });
  const negative = encodeReply({ id: 1, name: NAME, type }, { rcode: 3, answers: [], authority: [SOA] });

  test("reads the whole reply", () => {
    expect(readReply(whole, NAME, type)).toMatchObject({ kind: "records", ttlS: 1 });
  });

  test("calls every cut of a negative reply malformed", () => {
    for (let end = ANSWER_AT; end < negative.length; end += 1) {
      expect(readReply(negative.subarray(0, end), NAME, type)).toMatchObject({ trouble: "malformed" });
    }
  });

  test("calls every cut through its answers malformed", () => {
    const answers = encodeReply({ id: 1, name: NAME, type }, { rcode: 0, answers: RECORDS, authority: [] });
    for (let end = ANSWER_AT; end < answers.length; end += 1) {
      expect(readReply(answers.subarray(0, end), NAME, type)).toMatchObject({ trouble: "malformed" });
    }
  });

  test("says something known of 20,000 replies with bytes changed at random", () => {
    const random = numbers(0x5bf);
    const kinds = new Set<Reading["kind"]>();
    for (let round = 0; round < 20_000; round += 1) {
      const bytes = Buffer.from(round % 2 === 0 ? whole : negative);
      for (let change = random.next().value % 4; change >= 0; change -= 1) {
        bytes[2 + (random.next().value % (bytes.length - 2))] = random.next().value & 0xff;
      }
      kinds.add(readReply(bytes, NAME, type).kind);
    }
    expect([...kinds].sort()).toEqual(["alias", "nodata", "nxdomain", "records", "trouble", "truncated"]);
  });
});
