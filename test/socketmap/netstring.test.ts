import { describe, expect, test } from "vitest";
import type { Decoder, ProtocolError } from "../../src/net/session.ts";
import { encodeNetstring, NetstringReader, TOO_LONG } from "../../src/socketmap/netstring.ts";
import { BROKEN, decode, FEEDINGS } from "../net/decode.ts";

const MAX_BYTES = 12;

const CASES: readonly { name: string; bytes: string; payloads: readonly (string | symbol)[] }[] = [
  { name: "one", bytes: "5:hello,", payloads: ["hello"] },
  { name: "several", bytes: "1:a,0:,2:bc,", payloads: ["a", "", "bc"] },
  { name: "any bytes", bytes: "4:\0,\n\xff,", payloads: ["\0,\n\xff"] },
  { name: "leading zeros", bytes: "0005:hello,000:,", payloads: ["hello", ""] },
  { name: "the longest", bytes: "12:123456789012,1:a,", payloads: ["123456789012", "a"] },
  { name: "one byte too long, and the next", bytes: "13:1234567890123,1:a,", payloads: [TOO_LONG, "a"] },
  {
    name: "two too long in a row",
    bytes: `30:${"x".repeat(30)},30:${"y".repeat(30)},1:a,`,
    payloads: [TOO_LONG, TOO_LONG, "a"],
  },
  { name: "a huge one that has begun", bytes: "9999999999:abc", payloads: [] },
  { name: "one that is cut off", bytes: "1:a,5:hell", payloads: ["a"] },
  { name: "a length that is cut off", bytes: "12", payloads: [] },
  { name: "more than ten digits", bytes: "1:a,00000000005:hello,", payloads: ["a", BROKEN] },
  { name: "digits without end", bytes: "1".repeat(100), payloads: [BROKEN] },
  { name: "no digits", bytes: ":,", payloads: [BROKEN] },
  { name: "a sign", bytes: "-1:x,", payloads: [BROKEN] },
  { name: "a blank before the length", bytes: " 5:hello,", payloads: [BROKEN] },
  { name: "a line end between two", bytes: "1:a,\n1:b,", payloads: ["a", BROKEN] },
  { name: "another end than a comma", bytes: "5:hello;", payloads: [BROKEN] },
  { name: "a payload longer than it says", bytes: "4:hello,", payloads: [BROKEN] },
  { name: "another protocol", bytes: "get a\n", payloads: [BROKEN] },
];

describe.each(FEEDINGS)("NetstringReader, fed $name", ({ cuts }) => {
  test.each(CASES)("reads $name", ({ bytes, payloads }) => {
    expect(decode(reader(), bytes, cuts(bytes.length))).toEqual(payloads);
  });
});

test.each([
  { bytes: "get a\n", got: 'got "g", want digits and ":"' },
  { bytes: "1:a,\n", got: 'got "\\n", want digits and ":"' },
  { bytes: "12\xff", got: 'got "\xff", want digits and ":"' },
  { bytes: "5:hello;", got: 'got ";", want "," at its end' },
])("NetstringReader says which byte of %j it cannot take", ({ bytes, got }) => {
  const broken = reader();
  broken.feed(bytes);
  expect(() => {
    while (broken.next() !== undefined);
  }).toThrow(`Cannot read netstring: ${got}`);
});

test("NetstringReader has a last word for a peer that sends no netstrings", () => {
  const broken = reader();
  broken.feed("get a\n");
  const thrown = expect.objectContaining({ name: "ProtocolError", reply: "19:PERM Invalid query.," });
  expect(() => broken.next()).toThrow(thrown as unknown as ProtocolError);
});

test("encodeNetstring counts bytes", () => {
  expect(encodeNetstring("OK caf\xe9")).toBe("7:OK caf\xe9,");
});

function reader(): Decoder<string | symbol> {
  const netstrings = new NetstringReader(MAX_BYTES);
  return {
    feed: (chunk) => netstrings.feed(chunk),
    next: () => netstrings.next(),
    heldBytes: 0,
    end: () => {},
  };
}
