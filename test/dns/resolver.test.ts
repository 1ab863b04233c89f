import { describe, expect, test } from "vitest";
import type { ZoneRecord } from "../helpers/authority.ts";
import { startDnsServer } from "../helpers/dns-server.ts";
import { a, answersOf, testResolver } from "./resolving.ts";

const SOA: ZoneRecord = { name: "example", type: "SOA", ttl: 3600, data: 60 };
const LONG_TEXT = "0123456789abcdef".repeat(15);
const WORLD = answersOf({
  "A a.example": { answers: [a("a.example"), a("a.example", "192.0.2.2")] },
  "AAAA a.example": { answers: [{ name: "a.example", type: "AAAA", ttl: 300, data: "2001:db8::1" }] },
  "MX a.example": {
    answers: [{ name: "a.example", type: "MX", ttl: 300, data: { preference: 10, exchange: "Mx.example" } }],
  },
  "TXT a.example": { answers: [{ name: "a.example", type: "TXT", ttl: 300, data: ["v=spf1 ", "-all \u00fc"] }] },
  "PTR 1.2.0.192.in-addr.arpa": {
    answers: [{ name: "1.2.0.192.in-addr.arpa", type: "PTR", ttl: 300, data: "a.example" }],
  },
  "TXT long.example": {
    answers: [{ name: "long.example", type: "TXT", ttl: 300, data: Array<string>(13).fill(LONG_TEXT) }],
  },
  "TXT medium.example": {
    answers: [{ name: "medium.example", type: "TXT", ttl: 300, data: Array(4).fill(LONG_TEXT) }],
  },
  "A empty.example": { authority: [SOA] },
  "A gone.example": { rcode: 3, authority: [SOA] },
  "A chain.example": {
    answers: [{ name: "chain.example", type: "CNAME", ttl: 50, data: "a.example" }, a("a.example")],
  },
  "A away.example": { answers: [{ name: "away.example", type: "CNAME", ttl: 50, data: "back.example" }] },
  "A back.example": { answers: [{ name: "back.example", type: "CNAME", ttl: 40, data: "a.example" }] },
  "A loop1.example": { answers: [{ name: "loop1.example", type: "CNAME", ttl: 40, data: "loop2.example" }] },
  "A loop2.example": { answers: [{ name: "loop2.example", type: "CNAME", ttl: 40, data: "loop1.example" }] },
});

describe("the resolver answers", () => {
  test.each([
    { name: "a.example", type: "A", want: ["192.0.2.1", "192.0.2.2"] },
    { name: "A.Example.", type: "A", want: ["192.0.2.1", "192.0.2.2"] },
    { name: "a.example", type: "AAAA", want: ["2001:db8::1"] },
    { name: "a.example", type: "MX", want: [{ preference: 10, exchange: "Mx.example" }] },
    { name: "a.example", type: "TXT", want: ["v=spf1 -all \u00fc"] },
    { name: "1.2.0.192.in-addr.arpa", type: "PTR", want: ["a.example"] },
    { name: "medium.example", type: "TXT", want: [LONG_TEXT.repeat(4)] },
    { name: "chain.example", type: "A", want: ["192.0.2.1", "192.0.2.2"].slice(0, 1) },
    { name: "away.example", type: "A", want: ["192.0.2.1", "192.0.2.2"] },
  ] as const)("$type $name with its records", async ({ name, type, want }) => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address]);
    expect(await world.ask(name, type)).toMatchObject({ status: "ok", records: want });
    expect(world.events).toEqual([]);
  });

  test("3 kB of text over TCP, when UDP cannot carry it", async () => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address]);
    expect(await world.ask("long.example", "TXT")).toMatchObject({ status: "ok", records: [LONG_TEXT.repeat(13)] });
    expect(world.outcomes).toEqual(["TXT truncated", "TXT noerror"]);
    expect(server.queries.map(({ transport }) => transport)).toEqual(["udp", "tcp"]);
  });

  test("NODATA and NXDOMAIN, and keeps them apart", async () => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address], {}, { clockMs: () => 1000 });
    expect(await world.ask("empty.example", "A")).toEqual({ status: "nodata", expiresAtMs: 61_000 });
    expect(await world.ask("gone.example", "A")).toEqual({ status: "nxdomain", expiresAtMs: 61_000 });
    expect(world.outcomes).toEqual(["A nodata", "A nxdomain"]);
  });

  test.each([
    { name: `${"x".repeat(64)}.example` },
    { name: "a..example" },
    { name: "" },
    { name: `${"x.".repeat(126)}xx` },
  ])("$name, which DNS cannot carry, at once and without a query", async ({ name }) => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address]);
    const answer = world.resolver.resolve(name, "A", { deadlineMs: 0 });
    expect(answer).toEqual({ status: "nxdomain", expiresAtMs: Number.POSITIVE_INFINITY });
    expect(server.queries).toEqual([]);
  });

  test.each(["a+b=c'@%.example", "foo:bar/baz.example", "a b.example", "\u00fc\u0000\u00ff.example", "*._-.example"])(
    "%j, to which other resolvers do not dare to ask",
    async (name) => {
      await using server = await startDnsServer(answersOf({ [`A ${name}`]: { answers: [a(name)] } }));
      await using world = testResolver([server.address]);
      expect(await world.ask(name, "A")).toMatchObject({ status: "ok", records: ["192.0.2.1"] });
    },
  );

  test("a circle of aliases with an error, after a bounded number of queries", async () => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address]);
    expect(await world.ask("loop1.example", "A")).toMatchObject({ status: "error", trouble: "malformed" });
    expect(server.queries.length).toBe(17);
  });

  test("an alias that it has to follow itself, with the smallest TTL on the way", async () => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address], {}, { clockMs: () => 1000 });
    expect(await world.ask("away.example", "A")).toMatchObject({ expiresAtMs: 41_000, canonicalName: "a.example" });
    expect(await world.ask("chain.example", "A")).toMatchObject({ canonicalName: "a.example" });
    expect(await world.ask("a.example", "A")).toMatchObject({ canonicalName: undefined });
  });
});

describe("the resolver's queries", () => {
  test("offer 1,232 bytes, from ports and with ids that differ", async () => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address], {}, { clockMs: () => 0 });
    for (let index = 0; index < 700; index += 1) await world.ask(`n${index}.example`, "A");
    expect(new Set(server.queries.map(({ payloadBytes }) => payloadBytes))).toEqual(new Set([1232]));
    expect(new Set(server.queries.map(({ clientPort }) => clientPort)).size).toBeGreaterThan(1);
    expect(new Set(server.queries.map(({ id }) => id)).size).toBeGreaterThan(600);
  });

  test("change their port when the socket has served its time", async () => {
    await using server = await startDnsServer(WORLD);
    let nowMs = 0;
    await using world = testResolver([server.address], {}, { clockMs: () => nowMs });
    for (let index = 0; index < 8; index += 1) {
      await world.ask(`n${index}.example`, "A");
      nowMs += 10_001;
    }
    expect(new Set(server.queries.map(({ clientPort }) => clientPort)).size).toBeGreaterThan(4);
  });

  test("go over IPv6", async () => {
    await using server = await startDnsServer(WORLD, { host: "::1" });
    await using world = testResolver([server.address]);
    expect(await world.ask("long.example", "TXT")).toMatchObject({ status: "ok" });
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "ok" });
  });
});
