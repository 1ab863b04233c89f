import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LookupResult } from "../../src/net/lookup.ts";
import { encodeRefusal, encodeReply, MAX_LINE_BYTES, TcpTableDecoder } from "../../src/tcptable/protocol.ts";
import { keptMemory } from "../helpers/kept-memory.ts";
import { charactersLookedAt } from "../helpers/work.ts";
import { decode, FEEDINGS } from "../net/decode.ts";

const KEY = "x".repeat(MAX_LINE_BYTES - "get \n".length);

/** What a client sends, and the keys or, in `[]`, the beginnings of what is wrong. */
const CASES: readonly { name: string; bytes: string; requests: readonly (string | [string])[] }[] = [
  { name: "one request", bytes: "get a\n", requests: ["a"] },
  { name: "two in one packet", bytes: "get a\nget b\n", requests: ["a", "b"] },
  { name: "a last one without LF before the end", bytes: "get a\nget b", requests: ["a", "b"] },
  { name: "nothing", bytes: "", requests: [] },
  { name: "quoted bytes, in either case", bytes: "get a%20%25%e9%E9\n", requests: ["a %\xe9\xe9"] },
  { name: "a quoted NUL and LF", bytes: "get %00%0A\n", requests: ["\0\n"] },
  { name: "raw 8-bit bytes", bytes: "get caf\xe9\xff\n", requests: ["caf\xe9\xff"] },
  { name: "a raw NUL", bytes: "get a\0b\n", requests: ["a\0b"] },
  { name: "plus as itself", bytes: "get a+b\n", requests: ["a+b"] },
  { name: "CR LF", bytes: "get a\r\nget b\r\n", requests: ["a", "b"] },
  { name: "CR within", bytes: "get a\rb\n", requests: ["a\rb"] },
  { name: "blanks before the verb", bytes: "  \rget a\n", requests: ["a"] },
  { name: "blanks that belong to the key", bytes: "get  a \n", requests: [" a "] },
  { name: "the longest line", bytes: `get ${KEY}\nget b\n`, requests: [KEY, "b"] },
  { name: "a line one byte too long", bytes: `get ${KEY}x\nget b\n`, requests: [["request line over"], "b"] },
  { name: "a far longer line", bytes: `get ${KEY}${KEY}${KEY}\nget b\n`, requests: [["request line over"], "b"] },
  { name: "a longest last line without LF", bytes: `get ${KEY}`, requests: [KEY] },
  { name: "too long a last line without LF", bytes: `get ${KEY}x`, requests: [["request line over"]] },
  { name: "bad lines between good ones", bytes: "put a\nget b\n\nget c\n", requests: [["want"], "b", ["want"], "c"] },
  { name: "no key", bytes: "get \nget\n", requests: [["want a key"], ["want get"]] },
  { name: "the verb in capitals", bytes: "GET a\n", requests: [["want get"]] },
  { name: "a tab after the verb", bytes: "get\ta\n", requests: [["want get"]] },
  {
    name: "half a quoted byte",
    bytes: "get a%\nget a%4\nget a%4",
    requests: [["want two"], ["want two"], ["want two"]],
  },
  { name: "letters that are no digits", bytes: "get %g0\nget %-1\n", requests: [["want two"], ["want two"]] },
  { name: "quoting of a percent sign once only", bytes: "get %2541\n", requests: ["%41"] },
];

describe.each(FEEDINGS)("TcpTableDecoder, fed $name", ({ cuts }) => {
  test.each(CASES)("reads $name", ({ bytes, requests }) => {
    const expected = requests.map((request) =>
      typeof request === "string"
        ? request
        : expect.objectContaining({ problem: expect.stringMatching(`^${request[0]}`) }),
    );
    expect(decode(new TcpTableDecoder(), bytes, cuts(bytes.length))).toEqual(expected);
  });
});

test("TcpTableDecoder waits for the LF as long as more may come", () => {
  expect(decode(new TcpTableDecoder(), "get a", [], false)).toEqual([]);
});

test("TcpTableDecoder reads the same however the bytes are cut", () => {
  const lines = fc.oneof(
    fc.constantFrom(...CASES.map(({ bytes }) => bytes)),
    fc.string({ unit: fc.constantFrom("g", "e", "t", " ", "%", "4", "\n", "\r", "\0", "\xff"), maxLength: 40 }),
  );
  const cutBytes = fc.array(lines, { maxLength: 6 }).chain((parts) => {
    const bytes = parts.join("");
    return fc.record({ bytes: fc.constant(bytes), cuts: fc.array(fc.nat(bytes.length), { maxLength: 12 }) });
  });
  fc.assert(
    fc.property(cutBytes, ({ bytes, cuts }) => {
      const sorted = cuts.toSorted((a, b) => a - b);
      expect(decode(new TcpTableDecoder(), bytes, sorted)).toEqual(decode(new TcpTableDecoder(), bytes, []));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("TcpTableDecoder gives back what Postfix quoted", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (bytes) => {
      const line = `get ${[...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("")}\n`;
      expect(decode(new TcpTableDecoder(), line, [])).toEqual([Buffer.from(bytes).toString("latin1")]);
    }),
    { seed: 2 },
  );
});

test.each<{ name: string; result: LookupResult; line: string }>([
  { name: "an address", result: found("a=b+c@x.y"), line: "200 a=b+c@x.y\n" },
  {
    name: "blanks, controls, percent and 8-bit, quoted",
    result: found('"a %\n\x7f\xe9"@x'),
    line: '200 "a%20%25%0a%7f%e9"@x\n',
  },
  { name: "not found", result: { status: "notFound", outcome: "own", reason: "our own" }, line: "500 our%20own\n" },
  {
    name: "trouble",
    result: { status: "tempFail", outcome: "tempfail", part: "store", reason: "store" },
    line: "400 store\n",
  },
  {
    name: "trouble that has a line end",
    result: { status: "tempFail", outcome: "tempfail", part: "store", reason: "a\r\n200 b\xe9" },
    line: "400 a%0d%0a200%20b%e9\n",
  },
])("encodeReply writes $name", ({ result, line }) => {
  expect(encodeReply(result)).toBe(line);
});

test("encodeReply writes one line that reads back as the value, whatever is in it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const value = Buffer.from(bytes).toString("latin1");
      const line = encodeReply(found(value));
      expect(line).toMatch(/^200 [\x21-\x7e]*\n$/);
      expect(decodeURIComponentLatin1(line.slice(4, -1))).toBe(value);
    }),
    { seed: 3 },
  );
});

test("encodeRefusal stays within a line", () => {
  expect(encodeRefusal(`\n${"x".repeat(10_000)}`)).toBe(`500 %0a${"x".repeat(511)}\n`);
});

function found(value: string): LookupResult {
  return { status: "found", outcome: "rewritten", value };
}

function decodeURIComponentLatin1(text: string): string {
  return text.replace(/%(..)/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

test.each([
  { name: "nothing behind whole requests", packets: ["get a\n".repeat(10_000)] },
  { name: "half a request behind whole ones", packets: [`${"get a\n".repeat(10_000)}get ${"b".repeat(90)}`] },
  { name: "a line that is too long", packets: [`${"get a\n".repeat(10_000)}get ${"b".repeat(9000)}`] },
])("TcpTableDecoder keeps no more memory than it says: $name", ({ packets }) => {
  const { keptBytes, heldBytes } = keptMemory(() => new TcpTableDecoder(), packets);
  expect(keptBytes).toBeLessThan(3 * heldBytes + 10_000);
});

describe.each(FEEDINGS)("TcpTableDecoder, fed $name", ({ cuts }) => {
  test.each([
    { name: "lines", piece: "get a\n" },
    { name: "CRLF lines", piece: "get a\r\n" },
    { name: "empty lines", piece: "\n" },
    { name: "lines that are too long", piece: `get ${"x".repeat(MAX_LINE_BYTES)}\n` },
  ])("does twice the work for twice as many $name", ({ piece }) => {
    const bytes = piece.repeat(Math.ceil(20_000 / piece.length));
    const work = (text: string) => charactersLookedAt(() => decode(new TcpTableDecoder(), text, cuts(text.length)));
    expect(work(bytes + bytes) / work(bytes)).toBeLessThan(2.2);
  });
});
