import { describe, expect, test } from "vitest";
import { READ_RECORD } from "../../src/dns/record-data.ts";
import { MAX_TXT_BYTES } from "../../src/dns/types.ts";
import { MalformedMessage } from "../../src/dns/wire.ts";

function strings(...texts: readonly string[]): Buffer {
  return Buffer.concat(texts.map((text) => Buffer.from(String.fromCharCode(text.length) + text, "latin1")));
}

const FULL = "x".repeat(255);
const MX_EXCHANGE = Buffer.from("\u0000\u000a\u0002mX\u0001b\u0000", "latin1");

describe("READ_RECORD", () => {
  test.each([
    { type: "A", bytes: Buffer.from([192, 0, 2, 255]), want: "192.0.2.255" },
    { type: "MX", bytes: MX_EXCHANGE, want: { preference: 10, exchange: "mX.b" } },
    { type: "MX", bytes: Buffer.from([0, 0, 0]), want: { preference: 0, exchange: "" } },
    { type: "PTR", bytes: Buffer.from("\u0003a b\u0001c\u0000", "latin1"), want: "a b.c" },
    { type: "PTR", bytes: Buffer.from("\u0003a.b\u0000", "latin1"), want: undefined },
    { type: "TXT", bytes: strings("v=spf1 ", "-all"), want: "v=spf1 -all" },
    { type: "TXT", bytes: strings("", "\u0000\u00ff", ""), want: "\u0000\u00ff" },
    { type: "TXT", bytes: strings(""), want: "" },
    { type: "TXT", bytes: Buffer.alloc(0), want: "" },
    { type: "TXT", bytes: strings(...Array<string>(40).fill(FULL)), want: "x".repeat(MAX_TXT_BYTES) },
  ] as const)("reads $type as $want", ({ type, bytes, want }) => {
    expect(READ_RECORD[type](bytes, 0, bytes.length)).toEqual(want);
  });

  test.each([
    { hex: "20010db8000000000000000000000001", want: "2001:db8::1" },
    { hex: "00000000000000000000000000000000", want: "::" },
    { hex: "00000000000000000000000000000001", want: "::1" },
    { hex: "00010000000000000000000000000000", want: "1::" },
    { hex: "20010db8000000010001000100010001", want: "2001:db8:0:1:1:1:1:1" },
    { hex: "20010000000000010000000000000001", want: "2001:0:0:1::1" },
    { hex: "20010db8000000000001000000000001", want: "2001:db8::1:0:0:1" },
    { hex: "00000000000000000000ffffc0000201", want: "::ffff:c000:201" },
  ])("writes the AAAA record $hex as RFC 5952 wants it", ({ hex, want }) => {
    expect(READ_RECORD.AAAA(Buffer.from(hex, "hex"), 0, 16)).toBe(want);
  });

  test.each([
    { what: "A of three bytes", type: "A", bytes: Buffer.from([1, 2, 3]) },
    { what: "A of five bytes", type: "A", bytes: Buffer.from([1, 2, 3, 4, 5]) },
    { what: "AAAA of four bytes", type: "AAAA", bytes: Buffer.from([1, 2, 3, 4]) },
    { what: "MX without a name", type: "MX", bytes: Buffer.from([0, 1]) },
    { what: "PTR without a name", type: "PTR", bytes: Buffer.alloc(0) },
    { what: "TXT of which a string leaves it", type: "TXT", bytes: Buffer.from([2, 65]) },
  ] as const)("refuses $what", ({ type, bytes }) => {
    expect(() => READ_RECORD[type](bytes, 0, bytes.length)).toThrow(MalformedMessage);
  });
});
