import { describe, expect, test, vi } from "vitest";
import { startDnsServer } from "../helpers/dns-server.ts";
import { a, answersOf, testResolver } from "./resolving.ts";

const WORLD = answersOf({ "A a.example": { answers: [a("a.example")] }, "A b.example": { answers: [a("b.example")] } });
const OTHER_WORLD = answersOf({ "A a.example": { answers: [a("a.example", "192.0.2.99")] } });
/** A port that nobody listens on: of a server that has stopped. */
async function deadAddress(): Promise<string> {
  const server = await startDnsServer(WORLD);
  await server[Symbol.asyncDispose]();
  return server.address;
}

describe("a single server", () => {
  test.each([
    { quirk: "drop", trouble: "timeout" },
    { quirk: { rcode: 2 }, trouble: "servfail" },
    { quirk: { rcode: 5 }, trouble: "refused" },
    { quirk: { rcode: 4 }, trouble: "notimp" },
    { quirk: { rcode: 1 }, trouble: "formerr" },
    { quirk: { rcode: 6 }, trouble: "rcode" },
    { quirk: { extendedRcode: 1 }, trouble: "rcode" },
    { quirk: "cut", trouble: "malformed" },
  ] as const)("that says $quirk is asked twice, and reported as $trouble", async ({ quirk, trouble }) => {
    await using server = await startDnsServer(WORLD, { quirk: () => quirk });
    await using world = testResolver([server.address]);
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "error", trouble });
    const withEdns = server.queries.filter(({ payloadBytes }) => payloadBytes !== undefined);
    expect(withEdns.length).toBe(2);
    expect(world.outcomes.at(-1)).toBe(`A ${trouble}`);
    expect(world.troubles).toMatchObject([{ server: server.address, trouble, name: "a.example", type: "A" }]);
  });

  test("that is not there is network trouble", async () => {
    await using world = testResolver([await deadAddress()]);
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "error", trouble: "network" });
    expect(world.outcomes).toEqual(["A network", "A network"]);
  });

  test("that fails once is believed when it answers", async () => {
    await using server = await startDnsServer(WORLD);
    server.quirk = () => (server.queries.length === 1 ? { rcode: 2 } : undefined);
    await using world = testResolver([server.address]);
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "ok" });
    expect(world.outcomes).toEqual(["A servfail", "A noerror"]);
  });

  test("that does not know EDNS is asked without it", async () => {
    await using server = await startDnsServer(WORLD, {
      quirk: ({ payloadBytes }) => (payloadBytes === undefined ? undefined : "without-question"),
    });
    await using world = testResolver([server.address]);
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "ok" });
    expect(world.outcomes).toEqual(["A formerr", "A noerror"]);
    expect(world.troubles).toEqual([]);
  });

  test("may answer late, while it is asked a second time", async () => {
    await using server = await startDnsServer(WORLD);
    server.quirk = () => (server.queries.length === 1 ? { delayMs: 700 } : "drop");
    await using world = testResolver([server.address], { timeoutMs: 500 });
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "ok" });
    expect(server.queries.length).toBe(2);
    expect(world.outcomes).toEqual(["A timeout", "A aborted"]);
  });

  test("may fail late, while it is asked a second time, and that one counts", async () => {
    await using server = await startDnsServer(WORLD);
    server.quirk = () => (server.queries.length === 1 ? { rcode: 2, delayMs: 600 } : { delayMs: 400 });
    await using world = testResolver([server.address], { timeoutMs: 500 });
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "ok" });
    expect(world.outcomes).toEqual(["A timeout", "A noerror"]);
  });

  test("forgets queries that were given up: their room on the socket is free", async () => {
    await using server = await startDnsServer(WORLD, { quirk: () => "drop" });
    await using world = testResolver([server.address], { timeoutMs: 60_000 });
    for (const round of [1, 2]) {
      const queries = Array.from({ length: 100 }, (_, index) => world.ask(`n${index}.round${round}.example`, "A", 50));
      await Promise.all(queries);
    }
    expect(server.queries.length).toBe(200);
    expect(new Set(server.queries.map(({ clientPort }) => clientPort)).size).toBe(1);
  });

  test.each(["id", "question", "port"] as const)("is believed, and not a forger with another %s", async (forge) => {
    await using server = await startDnsServer(WORLD, { quirk: () => ({ forge }) });
    await using world = testResolver([server.address]);
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "ok", records: ["192.0.2.1"] });
    expect(world.outcomes).toEqual(["A noerror"]);
  });

  test.each([Buffer.alloc(12), Buffer.alloc(2), Buffer.from("garbage, and not even a DNS message")])(
    "that sends bytes without sense (%#) is one that does not answer",
    async (bytes) => {
      await using server = await startDnsServer(WORLD, { quirk: () => ({ bytes }) });
      await using world = testResolver([server.address], { timeoutMs: 60 });
      expect(await world.ask("a.example", "A")).toMatchObject({ status: "error", trouble: "timeout" });
    },
  );
});

describe("TCP", () => {
  test.each([
    { quirk: "close", trouble: "network" },
    { quirk: "drop", trouble: "timeout" },
    { quirk: { rcode: 2 }, trouble: "servfail" },
    { quirk: "cut", trouble: "malformed" },
  ] as const)("that says $quirk after truncation is $trouble", async ({ quirk, trouble }) => {
    await using server = await startDnsServer(WORLD, {
      quirk: ({ transport }) => (transport === "udp" ? "truncate" : quirk),
    });
    await using world = testResolver([server.address]);
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "error", trouble });
    expect(world.outcomes.filter((outcome) => outcome === "A truncated").length).toBe(2);
    expect(server.queries.filter(({ transport }) => transport === "tcp").length).toBe(2);
  });

  test("is given up with the query", async () => {
    await using server = await startDnsServer(WORLD, {
      quirk: ({ transport }) => (transport === "udp" ? "truncate" : "drop"),
    });
    await using world = testResolver([server.address], { timeoutMs: 60_000 });
    expect(await world.ask("a.example", "A", 100)).toMatchObject({ trouble: "timeout" });
    expect(world.outcomes).toEqual(["A truncated", "A aborted"]);
  });
});

describe("of two servers", () => {
  test.each([
    { quirk: "drop" },
    { quirk: { rcode: 2 } },
    { quirk: { rcode: 5 } },
    { quirk: { rcode: 9 } },
    { quirk: "cut" },
    { quirk: { extendedRcode: 1 } },
  ] as const)("the second answers when the first says $quirk", async ({ quirk }) => {
    await using first = await startDnsServer(WORLD, { quirk: () => quirk });
    await using second = await startDnsServer(OTHER_WORLD);
    await using world = testResolver([first.address, second.address]);
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "ok", records: ["192.0.2.99"] });
    expect(first.queries.length).toBe(1);
  });

  test("the second answers when the first is not there, and is asked first from then on", async () => {
    const dead = await deadAddress();
    await using second = await startDnsServer(WORLD);
    await using world = testResolver([dead, second.address]);
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "ok" });
    expect(world.outcomes).toEqual(["A network", "A noerror"]);
    expect(await world.ask("b.example", "A")).toMatchObject({ status: "ok" });
    expect(world.outcomes.slice(2)).toEqual(["A noerror"]);
  });

  test("the first is asked first again when it answers", async () => {
    await using first = await startDnsServer(WORLD, { quirk: () => "drop" });
    await using second = await startDnsServer(WORLD);
    let skippedMs = 0;
    await using world = testResolver(
      [first.address, second.address],
      {},
      { clockMs: () => performance.now() + skippedMs },
    );
    await world.ask("a.example", "A");
    await world.ask("b.example", "A");
    expect([first.queries.length, second.queries.length]).toEqual([1, 2]);

    first.quirk = () => undefined;
    skippedMs = 10_000;
    await world.ask("c.example", "A");
    await world.ask("d.example", "A");
    expect([first.queries.length, second.queries.length]).toEqual([3, 2]);
  });

  test("neither is blamed for NXDOMAIN: the first one's word counts", async () => {
    await using first = await startDnsServer(answersOf({}));
    await using second = await startDnsServer(WORLD);
    await using world = testResolver([first.address, second.address]);
    expect(await world.ask("a.example", "A")).toMatchObject({ status: "nxdomain" });
    expect(second.queries).toEqual([]);
  });

  test("both are named when both fail, and the one that spoke decides", async () => {
    await using first = await startDnsServer(WORLD, { quirk: () => "drop" });
    await using second = await startDnsServer(WORLD, { quirk: () => ({ rcode: 2 }) });
    await using world = testResolver([first.address, second.address], { timeoutMs: 60 });
    expect(await world.ask("a.example", "A")).toEqual({
      status: "error",
      trouble: "servfail",
      detail: `${first.address} timeout (no reply in 60 ms), ${second.address} servfail (RCODE 2)`,
    });
    expect([first.queries.length, second.queries.length]).toEqual([2, 2]);
  });
});

describe("a query that timed out", () => {
  test("is remembered when its asker gives up after a whole try, and not before", async () => {
    await using server = await startDnsServer(WORLD, { quirk: () => "drop" });
    await using world = testResolver([server.address], { timeoutMs: 60, tries: 50 });
    expect(await world.ask("a.example", "A", 10)).toMatchObject({ trouble: "timeout" });
    expect(world.resolver.stats().cacheEntries).toBe(0);
    expect(await world.ask("a.example", "A", 200)).toMatchObject({ trouble: "timeout" });
    await vi.waitFor(() => expect(world.resolver.stats().cacheEntries).toBe(1));
    expect(world.resolver.resolve("a.example", "A", { deadlineMs: 0 })).toMatchObject({ trouble: "timeout" });
  });
});
