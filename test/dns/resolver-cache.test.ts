import { describe, expect, test } from "vitest";
import type { ZoneRecord } from "../helpers/authority.ts";
import { startDnsServer } from "../helpers/dns-server.ts";
import { a, answersOf, testResolver } from "./resolving.ts";

const SOA: ZoneRecord = { name: "example", type: "SOA", ttl: 3600, data: 60 };
const WORLD = answersOf({
  "A a.example": { answers: [a("a.example", "192.0.2.1", 300), a("a.example", "192.0.2.2", 120)] },
  "A zero.example": { answers: [a("zero.example", "192.0.2.1", 0)] },
  "A year.example": { answers: [a("year.example", "192.0.2.1", 31_536_000)] },
  "A empty.example": { authority: [SOA] },
  "A slow.example": { authority: [{ ...SOA, data: 86_400 }] },
  "A bare.example": {},
  "A fail.example": { rcode: 2 },
});

describe("the resolver's cache", () => {
  test("answers at once, for the rest of the TTL and no longer", async () => {
    await using server = await startDnsServer(WORLD);
    let nowMs = 1000;
    await using world = testResolver([server.address], {}, { clockMs: () => nowMs });
    const first = await world.ask("a.example", "A");
    expect(first).toEqual({ status: "ok", records: ["192.0.2.1", "192.0.2.2"], expiresAtMs: 121_000 });

    nowMs = 120_999;
    expect(world.resolver.resolve("A.EXAMPLE.", "A", { deadlineMs: nowMs })).toBe(first);
    nowMs = 121_000;
    expect(await world.ask("a.example", "A")).toMatchObject({ expiresAtMs: 241_000 });
    expect(server.queries.length).toBe(2);
    expect(world.resolver.stats()).toEqual({ cacheEntries: 1, hits: 1, misses: 2, coalesced: 0, inFlight: 0 });
  });

  test.each([
    { name: "year.example", why: "max_ttl bounds", lifetimeMs: 86_400_000 },
    { name: "empty.example", why: "the SOA minimum rules", lifetimeMs: 60_000 },
    { name: "slow.example", why: "negative_ttl bounds", lifetimeMs: 300_000 },
    { name: "bare.example", why: "there is no SOA", lifetimeMs: 0 },
    { name: "zero.example", why: "the TTL is zero", lifetimeMs: 0 },
  ])("keeps $name for $lifetimeMs ms, as $why", async ({ name, lifetimeMs }) => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address], {}, { clockMs: () => 5000 });
    expect(await world.ask(name, "A")).toMatchObject({ expiresAtMs: 5000 + lifetimeMs });
    await world.ask(name, "A");
    expect(server.queries.length).toBe(lifetimeMs === 0 ? 2 : 1);
  });

  test("keeps types apart", async () => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address]);
    await world.ask("a.example", "A");
    expect(await world.ask("a.example", "AAAA")).toMatchObject({ status: "nxdomain" });
  });

  test("does not take two bytes for two cases of one letter", async () => {
    await using server = await startDnsServer(answersOf({ "A \u00c0.example": { answers: [a("\u00c0.example")] } }));
    await using world = testResolver([server.address]);
    expect(await world.ask("\u00c0.example", "A")).toMatchObject({ status: "ok" });
    expect(await world.ask("\u00e0.example", "A")).toMatchObject({ status: "nxdomain" });
  });

  test("remembers SERVFAIL for 20 s", async () => {
    await using server = await startDnsServer(WORLD);
    let nowMs = 0;
    await using world = testResolver([server.address], { tries: 1 }, { clockMs: () => nowMs });
    const first = await world.ask("fail.example", "A");
    nowMs = 19_999;
    expect(world.resolver.resolve("fail.example", "A", { deadlineMs: nowMs })).toBe(first);
    nowMs = 20_000;
    await world.ask("fail.example", "A");
    expect(server.queries.length).toBe(2);
  });
});

describe("equal queries in flight", () => {
  test("are one query", async () => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address]);
    const answers = await Promise.all(["a.example", "A.example", "a.example."].map((name) => world.ask(name, "A")));
    expect(new Set(answers).size).toBe(1);
    expect(server.queries.length).toBe(1);
    expect(world.resolver.stats()).toMatchObject({ hits: 0, misses: 3, coalesced: 2 });
  });

  test("have each their own deadline, and one that gives up harms no other", async () => {
    await using server = await startDnsServer(WORLD, { quirk: () => ({ delayMs: 250 }) });
    await using world = testResolver([server.address], { timeoutMs: 5000 });
    const [hurried, patient] = await Promise.all([world.ask("a.example", "A", 40), world.ask("a.example", "A", 8000)]);
    expect(hurried).toMatchObject({ status: "error", trouble: "timeout" });
    expect(patient).toMatchObject({ status: "ok" });
    expect(server.queries.length).toBe(1);
  });

  test("may have an earlier deadline than the query that they join", async () => {
    await using server = await startDnsServer(WORLD, { quirk: () => ({ delayMs: 800 }) });
    await using world = testResolver([server.address], { timeoutMs: 5000 });
    const patient = world.ask("a.example", "A", 8000);
    await new Promise((done) => setTimeout(done, 250));
    expect(await world.ask("a.example", "A", 40)).toMatchObject({ status: "error", trouble: "timeout" });
    expect(await patient).toMatchObject({ status: "ok" });
    expect(world.outcomes).toEqual(["A noerror"]);
  });

  test("are given up when nobody waits any more", async () => {
    await using server = await startDnsServer(WORLD, { quirk: () => "drop" });
    await using world = testResolver([server.address], { timeoutMs: 60_000 });
    expect(await world.ask("a.example", "A", 40)).toMatchObject({ trouble: "timeout" });
    expect(world.outcomes).toEqual(["A aborted"]);
    expect(world.resolver.stats()).toMatchObject({ inFlight: 0, cacheEntries: 0 });

    server.quirk = () => undefined;
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "ok" });
  });

  test("are not asked at all after the deadline", async () => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address]);
    expect(await world.ask("a.example", "A", -1)).toMatchObject({ status: "error", trouble: "timeout" });
    expect(server.queries).toEqual([]);
  });
});
