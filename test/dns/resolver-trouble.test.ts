import { describe, expect, test, vi } from "vitest";
import { encodeReply } from "../helpers/dns-message.ts";
import { type Quirk, startDnsServer } from "../helpers/dns-server.ts";
import { a, answersOf, testResolver } from "./resolving.ts";

const WORLD = answersOf({ "A a.example": { answers: [a("a.example")] }, "A b.example": { answers: [a("b.example")] } });
const OTHER_WORLD = answersOf({ "A a.example": { answers: [a("a.example", "192.0.2.99")] } });
const NOTHING = { rcode: 0, answers: [], authority: [] };

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
    { quirk: { rcode: 4 }, trouble: "notimp", asked: 4 },
    { quirk: { rcode: 1 }, trouble: "formerr", asked: 4 },
    { quirk: { rcode: 6 }, trouble: "rcode" },
    { quirk: { extendedRcode: 1 }, trouble: "rcode", asked: 4 },
    { quirk: "cut", trouble: "malformed", asked: 4 },
  ] as { quirk: Quirk; trouble: string; asked?: number }[])(
    "that says $quirk is asked twice, and reported as $trouble",
    async ({ quirk, trouble, asked = 2 }) => {
      await using server = await startDnsServer(WORLD, { quirk: () => quirk });
      await using world = testResolver([server.address]);
      expect(await world.ask("a.example", "A")).toMatchObject({ status: "error", trouble });
      // Once more each time without EDNS, if that may be the trouble.
      expect(server.queries.length).toBe(asked);
      expect(world.outcomes.at(-1)).toBe(`A ${trouble}`);
      expect(world.events).toMatchObject([{ server: server.address, trouble, name: "a.example", type: "A" }]);
    },
  );

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

  test("that nobody serves is reported as such", async () => {
    await using server = await startDnsServer(WORLD, { quirk: () => "truncate" });
    await server.closeTcp();
    await using world = testResolver([server.address]);
    expect(await world.ask("a.example", "A")).toEqual({
      status: "error",
      trouble: "network",
      detail: `${server.address} network (reply over UDP truncated, and no answer over TCP: connect ECONNREFUSED ${server.address})`,
      cause: "reply over UDP truncated, and no answer over TCP",
    });
    expect(world.events).toMatchObject([
      { kind: "trouble", detail: expect.stringContaining("over TCP: connect ECONNREFUSED") },
    ]);
  });

  test("that a firewall swallows is reported as such, to an asker with a deadline too", async () => {
    await using server = await startDnsServer(WORLD, {
      quirk: ({ transport }) => (transport === "udp" ? "truncate" : "drop"),
    });
    await using world = testResolver([server.address], { timeoutMs: 100 });
    const cause = "reply over UDP truncated, and no answer over TCP";
    expect(await world.ask("a.example", "A", 150)).toMatchObject({ trouble: "timeout", cause });
    expect(await world.ask("b.example", "A")).toMatchObject({
      trouble: "timeout",
      detail: `${server.address} timeout (${cause}: no reply in 100 ms)`,
      cause,
    });
  });

  test("with a reply that is truncated again is not asked for ever", async () => {
    const truncated = (id: number) => encodeReply({ id, name: "a.example", type: "A", truncated: true }, NOTHING);
    await using server = await startDnsServer(WORLD, { quirk: ({ id }) => ({ bytes: truncated(id) }) });
    await using world = testResolver([server.address]);
    expect(await world.ask("a.example", "A")).toMatchObject({
      trouble: "malformed",
      cause: "reply over TCP truncated",
    });
    expect(server.queries.map(({ transport }) => transport)).toEqual(["udp", "tcp", "udp", "tcp"]);
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
    { quirk: "cut", asked: 2 },
    { quirk: { extendedRcode: 1 }, asked: 2 },
  ] as { quirk: Quirk; asked?: number }[])(
    "the second answers when the first says $quirk",
    async ({ quirk, asked = 1 }) => {
      await using first = await startDnsServer(WORLD, { quirk: () => quirk });
      await using second = await startDnsServer(OTHER_WORLD);
      await using world = testResolver([first.address, second.address]);
      expect(await world.ask("a.example", "A")).toMatchObject({ status: "ok", records: ["192.0.2.99"] });
      expect(first.queries.length).toBe(asked);
    },
  );

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
      cause: undefined,
      detail: `${first.address} timeout (no reply in 60 ms), ${second.address} servfail (RCODE 2)`,
    });
    expect([first.queries.length, second.queries.length]).toEqual([2, 2]);
  });
});

describe("what a server says beside the RCODE (RFC 8914)", () => {
  test("is in the answer and in the event; another server's cause does not hide it", async () => {
    const extendedErrors = [
      { code: 22, text: "" },
      { code: 6, text: "no \u001b[1mDS\r\n" },
    ];
    await using first = await startDnsServer(WORLD, { quirk: () => ({ rcode: 2 }) });
    await using second = await startDnsServer(WORLD, { quirk: () => ({ extendedErrors }) });
    await using world = testResolver([first.address, second.address], { tries: 1 });
    const detail = "RCODE 2, No Reachable Authority, DNSSEC Bogus: no ?[1mDS??";
    expect(await world.ask("a.example", "A")).toEqual({
      status: "error",
      trouble: "servfail",
      cause: "No Reachable Authority, DNSSEC Bogus",
      detail: `${first.address} servfail (RCODE 2), ${second.address} servfail (${detail})`,
    });
    expect(world.events).toContainEqual(expect.objectContaining({ server: second.address, detail }));
  });
});

describe("when every server fails", () => {
  test("an event says so, and another one when that is over", async () => {
    const dead = await deadAddress();
    await using server = await startDnsServer(WORLD, { quirk: () => ({ rcode: 5 }) });
    await using world = testResolver([dead, server.address]);
    for (let index = 0; index < 5; index += 1) await world.ask(`n${index}.example`, "A");
    server.quirk = () => undefined;
    await world.ask("a.example", "A");
    const events = world.events.filter(({ kind }) => kind !== "trouble");
    expect(events).toMatchObject([
      { kind: "outage", failures: 5, detail: expect.stringMatching(`${server.address} refused .*${dead} network`) },
      { kind: "recovered", failures: 5 },
    ]);
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
