import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LookupResult } from "../../src/net/lookup.ts";
import { encodeNetstring, TOO_LONG } from "../../src/socketmap/netstring.ts";
import { encodeReply, encodeUnknownMap, MAX_QUERY_BYTES, SocketmapDecoder } from "../../src/socketmap/protocol.ts";
import { keptMemory } from "../helpers/kept-memory.ts";
import { charactersLookedAt } from "../helpers/work.ts";
import { decode, FEEDINGS } from "../net/decode.ts";

const LONGEST = "k".repeat(MAX_QUERY_BYTES - "reverse ".length);

const CASES: readonly { name: string; queries: readonly string[]; requests: readonly unknown[] }[] = [
  { name: "a map and a key", queries: ["forward a@b"], requests: [{ map: "forward", key: "a@b" }] },
  { name: "blanks that belong to the key", queries: ["reverse  a b "], requests: [{ map: "reverse", key: " a b " }] },
  { name: "a key of any bytes", queries: ["reverse \0\n\xff,%"], requests: [{ map: "reverse", key: "\0\n\xff,%" }] },
  { name: "an empty key", queries: ["forward "], requests: [{ map: "forward", key: "" }] },
  { name: "a map alone", queries: ["forward"], requests: [{ map: "forward", key: "" }] },
  { name: "nothing at all", queries: [""], requests: [{ map: "", key: "" }] },
  { name: "a blank first", queries: [" forward a"], requests: [{ map: "", key: "forward a" }] },
  { name: "the longest query", queries: [`reverse ${LONGEST}`], requests: [{ map: "reverse", key: LONGEST }] },
  {
    name: "one byte more, and goes on",
    queries: [`reverse ${LONGEST}k`, "forward a"],
    requests: [TOO_LONG, { map: "forward", key: "a" }],
  },
];

describe.each(FEEDINGS)("SocketmapDecoder, fed $name", ({ cuts }) => {
  test.each(CASES)("reads $name", ({ queries, requests }) => {
    const bytes = queries.map(encodeNetstring).join("");
    expect(decode(new SocketmapDecoder(), bytes, cuts(bytes.length))).toEqual(requests);
  });
});

test("SocketmapDecoder reads the same however the bytes are cut", () => {
  const pieces = fc.oneof(
    fc.string({ maxLength: 30 }).map((text) => encodeNetstring(Buffer.from(text).toString("latin1"))),
    fc.constant(encodeNetstring("x".repeat(MAX_QUERY_BYTES + 5))),
    fc.string({ unit: fc.constantFrom("0", "1", "2", ":", ",", "a", " "), maxLength: 6 }),
  );
  const cutBytes = fc.array(pieces, { maxLength: 5 }).chain((parts) => {
    const bytes = parts.join("");
    return fc.record({ bytes: fc.constant(bytes), cuts: fc.array(fc.nat(bytes.length), { maxLength: 10 }) });
  });
  fc.assert(
    fc.property(cutBytes, ({ bytes, cuts }) => {
      const sorted = cuts.toSorted((a, b) => a - b);
      expect(decode(new SocketmapDecoder(), bytes, sorted)).toEqual(decode(new SocketmapDecoder(), bytes, []));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test.each<{ name: string; result: LookupResult; reply: string }>([
  {
    name: "an address",
    result: { status: "found", outcome: "rewritten", value: "caf\xe9@x" },
    reply: "9:OK caf\xe9@x,",
  },
  { name: "not found", result: { status: "notFound", outcome: "own", reason: "own" }, reply: "12:NOTFOUND own," },
  {
    name: "trouble",
    result: { status: "tempFail", outcome: "tempfail", part: "store", reason: "a\nb" },
    reply: "8:TEMP a?b,",
  },
])("encodeReply writes $name", ({ result, reply }) => {
  expect(encodeReply(result)).toBe(reply);
});

test("encodeUnknownMap names the maps that there are", () => {
  expect(encodeUnknownMap("forward, reverse")).toBe("52:PERM unknown map name, want one of: forward, reverse,");
});

test.each([
  { name: "nothing behind whole requests", packets: ["9:forward a,".repeat(5000)] },
  { name: "half a length behind whole requests", packets: [`${"9:forward a,".repeat(5000)}12`] },
  { name: "half a request behind whole ones", packets: [`${"9:forward a,".repeat(5000)}90:forward ${"b".repeat(50)}`] },
  { name: "a request that is too long", packets: [`${"9:forward a,".repeat(5000)}99999:forward ${"b".repeat(5000)}`] },
])("SocketmapDecoder keeps no more memory than it says: $name", ({ packets }) => {
  const { keptBytes, heldBytes } = keptMemory(() => new SocketmapDecoder(), packets);
  expect(keptBytes).toBeLessThan(3 * heldBytes + 10_000);
});

describe.each(FEEDINGS)("SocketmapDecoder, fed $name", ({ cuts }) => {
  test.each([
    { name: "requests", piece: "9:forward a," },
    { name: "empty netstrings", piece: "0:," },
    { name: "requests that are too long", piece: encodeNetstring("x".repeat(MAX_QUERY_BYTES + 1)) },
  ])("does twice the work for twice as many $name", ({ piece }) => {
    const bytes = piece.repeat(Math.ceil(20_000 / piece.length));
    const work = (text: string) => charactersLookedAt(() => decode(new SocketmapDecoder(), text, cuts(text.length)));
    expect(work(bytes + bytes) / work(bytes)).toBeLessThan(2.2);
  });
});
