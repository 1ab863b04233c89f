/** Tests many queries at once, some of them dead. The clock moves only when a test moves it. */
import { describe, expect, test, vi } from "vitest";
import { type DnsServer, startDnsServer } from "../helpers/dns-server.ts";
import { a, answersOf, type TestResolver, testResolver } from "./resolving.ts";

const GOOD = Array.from({ length: 20 }, (_, index) => `good${index}.example`);
const WORLD = answersOf(Object.fromEntries(GOOD.map((name) => [`A ${name}`, { answers: [a(name)] }])));
const TRY = { timeoutMs: 60_000, tries: 1 };

/** A server that never answers for names of a `dead` domain. */
function startServer(): Promise<DnsServer> {
  return startDnsServer(WORLD, { quirk: ({ name }) => (/dead\d*\.example$/.test(name) ? "drop" : undefined) });
}

/** Asks for `count` names of dead domains, by default each in a domain of its own. */
function askDead(world: TestResolver, count: number, toName = (index: number) => `dead${index}.example`) {
  const asked = Array.from({ length: count }, (_, index) => world.ask(toName(index), "A", 60_000));
  return Promise.all(asked);
}

test("a burst goes out in parts that fit a server's receive buffer; slow answers do not hold up the rest", async () => {
  await using server = await startDnsServer(WORLD, { quirk: () => "drop" });
  let nowMs = 0;
  await using world = testResolver([server.address], { timeoutMs: 5000 }, { clockMs: () => nowMs });
  const burst = Array.from({ length: 300 }, (_, index) => world.ask(`n${index}.example`, "A", 1000));
  await vi.waitFor(() => expect(server.queries.length).toBe(200));
  await new Promise((done) => setTimeout(done, 100));
  expect(server.queries.length).toBe(200);
  nowMs = 100;
  await vi.waitFor(() => expect(server.queries.length).toBe(300));
  nowMs = 1000;
  expect(new Set((await Promise.all(burst)).map(({ status }) => status))).toEqual(new Set(["error"]));
  expect(world.resolver.stats().inFlight).toBe(0);
});

describe("while 1,500 queries for dead domains are under way", () => {
  test.each([
    { what: "each another domain", toName: (index: number) => `dead${index}.example` },
    { what: "all of one domain", toName: (index: number) => `n${index}.dead.example` },
  ])("good ones are answered: $what", async ({ toName }) => {
    await using server = await startServer();
    await using world = testResolver([server.address], TRY);
    const dead = askDead(world, 1500, toName);
    await vi.waitFor(() => expect(server.queries.length).toBe(1500), { timeout: 10_000 });
    for (const name of GOOD) expect(await world.ask(name, "A", 10_000)).toMatchObject({ status: "ok" });
    expect(world.resolver.stats().inFlight).toBe(1500);
    await world.resolver.close();
    expect((await dead).every((answer) => answer.status === "error")).toBe(true);
  });
});

test("a good domain's turn comes before the hundreds of queries for one dead domain that wait already", async () => {
  await using server = await startServer();
  let nowMs = 0;
  await using world = testResolver([server.address], TRY, { clockMs: () => nowMs });
  const dead = askDead(world, 1500, (index) => `n${index}.dead.example`);
  const good = world.ask("good0.test.example", "A", 10_000);
  await vi.waitFor(() => expect(server.queries.length).toBe(200));
  nowMs = 100;
  await good;
  await vi.waitFor(() => expect(server.queries.length).toBe(401));
  await world.resolver.close();
  await dead;
});

test("beyond 4,096 slow queries the oldest are given up, and that is not remembered", async () => {
  await using server = await startServer();
  let nowMs = 0;
  await using world = testResolver([server.address], TRY, { clockMs: () => nowMs });
  const oldest = Array.from({ length: 200 }, (_, index) => world.ask(`dead${index}.example`, "A", 60_000));
  const younger = askDead(world, 4096, (index) => `n.dead${200 + index}.example`);
  const pump = setInterval(() => (nowMs += 100), 30);
  expect(new Set((await Promise.all(oldest)).map((answer) => answer.status === "error" && answer.trouble))).toEqual(
    new Set(["overload"]),
  );
  clearInterval(pump);
  expect(world.resolver.stats()).toMatchObject({ cacheEntries: 0, inFlight: 4096 });
  await world.resolver.close();
  expect(new Set((await younger).map((answer) => answer.status === "error" && answer.trouble))).toEqual(
    new Set(["aborted"]),
  );
});

test("once half of the places of slow queries are taken, one domain has no more than 256 of them", async () => {
  await using server = await startServer();
  let nowMs = 0;
  await using world = testResolver([server.address], TRY, { clockMs: () => nowMs });
  const others = askDead(world, 2048);
  const pump = setInterval(() => (nowMs += 100), 30);
  await vi.waitFor(() => expect(server.queries.length).toBe(2048), { timeout: 10_000 });
  let refused = 0;
  const ofOne = Array.from({ length: 300 }, async (_, index) => {
    const answer = await world.ask(`n${index}.dead.example`, "A", 60_000);
    if (answer.status === "error" && answer.trouble === "overload") refused += 1;
  });
  await vi.waitFor(() => expect(refused).toBe(44), { timeout: 10_000 });
  clearInterval(pump);
  expect(world.resolver.stats().inFlight).toBe(2048 + 256);
  await world.resolver.close();
  await Promise.all([others, ...ofOne]);
});

test("a query that waits too long for its turn gives up without having been sent", async () => {
  await using server = await startServer();
  let nowMs = 0;
  await using world = testResolver([server.address], TRY, { clockMs: () => nowMs });
  const dead = askDead(world, 200);
  const impatient = world.ask("good0.example", "A", 40);
  nowMs = 60;
  expect(await impatient).toMatchObject({ trouble: "timeout" });
  nowMs = 200;
  expect(await world.ask("good1.example", "A")).toMatchObject({ status: "ok" });
  expect(server.queries.map(({ name }) => name)).not.toContain("good0.example");
  await world.resolver.close();
  await dead;
});

describe("where thousands wait for their turn", () => {
  const overload = { status: "error", trouble: "overload" };
  const resolve = (world: TestResolver, name: string) =>
    world.resolver.resolve(name, "A", { deadlineMs: Number.POSITIVE_INFINITY });

  test("more than 8,192 are refused at once", async () => {
    await using server = await startServer();
    await using world = testResolver([server.address], TRY, { clockMs: () => 0 });
    const dead = askDead(world, 200 + 8191);
    const last = resolve(world, "good0.example");
    expect(last).toBeInstanceOf(Promise);
    expect(resolve(world, "good1.example")).toMatchObject(overload);
    await world.resolver.close();
    await Promise.all([dead, last]);
  });

  test("one domain may have all places up to half of them, and others find room beyond", async () => {
    await using server = await startServer();
    await using world = testResolver([server.address], TRY, { clockMs: () => 0 });
    const dead = askDead(world, 200 + 4096, (index) => `n${index}.dead.example`);
    expect(resolve(world, "one-more.dead.example")).toMatchObject(overload);
    const good = resolve(world, "good0.test");
    expect(good).toBeInstanceOf(Promise);
    await world.resolver.close();
    await Promise.all([dead, good]);
  });
});
