/** Tests servers that do not know EDNS (RFC 6891 section 7) in various ways: they are asked again without it. */
import { describe, expect, test } from "vitest";
import { type DnsServer, type Quirk, startDnsServer } from "../helpers/dns-server.ts";
import { a, answersOf, type TestResolver, testResolver } from "./resolving.ts";

const NAMES = Array.from({ length: 20 }, (_, index) => `n${index}.example`);
const LONG = { name: "long.example", type: "TXT", ttl: 9, data: Array<string>(9).fill("x".repeat(250)) } as const;
const WORLD = answersOf({
  ...Object.fromEntries(NAMES.map((name) => [`A ${name}`, { answers: [a(name)] }])),
  "TXT long.example": { answers: [LONG] },
});

/** What a server may say to a query with EDNS. */
const WAYS: readonly { way: string; quirk: Quirk }[] = [
  { way: "FORMERR without the question", quirk: "without-question" },
  { way: "FORMERR", quirk: { rcode: 1 } },
  { way: "NOTIMP", quirk: { rcode: 4 } },
  { way: "BADVERS", quirk: { extendedRcode: 1 } },
  { way: "nothing", quirk: "drop" },
  { way: "half a reply", quirk: "cut" },
  { way: "garbage", quirk: { bytes: Buffer.from("\0\0EDNS? Never heard of it") } },
];

/** A server that has `quirk` for every query with EDNS. */
function withoutEdns(quirk: Quirk): Promise<DnsServer> {
  return startDnsServer(WORLD, { quirk: ({ payloadBytes }) => (payloadBytes === undefined ? undefined : quirk) });
}

/** One letter for each query: E with EDNS, n without, and a T for one over TCP. */
function sent({ queries }: DnsServer): string {
  return queries
    .map(({ payloadBytes, transport }) => (payloadBytes === undefined ? "n" : "E") + (transport === "tcp" ? "T" : ""))
    .join(" ");
}

async function askEach(world: TestResolver, ...names: readonly string[]): Promise<string[]> {
  const statuses: string[] = [];
  for (const name of names) statuses.push((await world.ask(name, "A")).status);
  return statuses;
}

describe.each(WAYS)("a server that says $way to EDNS", ({ quirk }) => {
  test("is asked once more without, and then without at once", async () => {
    await using server = await withoutEdns(quirk);
    await using world = testResolver([server.address], { timeoutMs: 300 });
    expect(await askEach(world, "n0.example", "n1.example", "n2.example")).toEqual(["ok", "ok", "ok"]);
    expect(sent(server)).toBe("E n n n");
  });

  test("is asked once more where one try is allowed", async () => {
    await using server = await withoutEdns(quirk);
    await using world = testResolver([server.address], { timeoutMs: 300, tries: 1 });
    expect(await askEach(world, "n0.example", "n1.example")).toEqual(["ok", "ok"]);
    expect(sent(server)).toBe("E n n");
  });

  test("is asked with EDNS again after ten minutes", async () => {
    await using server = await withoutEdns(quirk);
    let skippedMs = 0;
    const clockMs = () => performance.now() + skippedMs;
    await using world = testResolver([server.address], { timeoutMs: 300 }, { clockMs });
    await askEach(world, "n0.example", "n1.example");
    skippedMs = 600_000;
    await askEach(world, "n2.example", "n3.example");
    expect(sent(server)).toBe("E n n E n n");
  });

  test("gives long texts over TCP, without EDNS there too", async () => {
    await using server = await withoutEdns(quirk);
    await using world = testResolver([server.address], { timeoutMs: 300 });
    expect(await world.ask("long.example", "TXT")).toMatchObject({ status: "ok", records: ["x".repeat(2250)] });
    expect(sent(server)).toBe("E n nT");
  });
});

describe("a server that knows EDNS", () => {
  test("is asked with it whatever happens later", async () => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address], { timeoutMs: 300 });
    await askEach(world, "n0.example");
    server.quirk = () => "drop";
    await askEach(world, "n1.example");
    server.quirk = () => "cut";
    await askEach(world, "n2.example");
    server.quirk = () => undefined;
    expect(await askEach(world, "n3.example")).toEqual(["ok"]);
    expect(sent(server)).toBe("E E E E E E");
  });

  test("is asked with it again, after a domain whose servers are dead was the first to be asked for", async () => {
    await using server = await startDnsServer(WORLD, {
      quirk: ({ name }) => (name === "n0.example" ? "drop" : undefined),
    });
    await using world = testResolver([server.address], { timeoutMs: 300 });
    expect(await askEach(world, "n0.example", "n1.example", "n2.example")).toEqual(["error", "ok", "ok"]);
    expect(sent(server)).toBe("E n E E");
  });

  test("may refuse one query: that one alone is put without", async () => {
    await using server = await startDnsServer(WORLD);
    await using world = testResolver([server.address]);
    server.quirk = ({ name, payloadBytes }) =>
      name === "n1.example" && payloadBytes !== undefined ? { rcode: 1 } : undefined;
    await Promise.all(["n0.example", "n1.example"].map((name) => world.ask(name, "A")));
    expect(sent(server)).toBe("E E n");
    server.quirk = () => undefined;
  });
});

test("a server that fails with and without EDNS is reported by what it says, and nothing is remembered", async () => {
  await using server = await startDnsServer(WORLD, { quirk: () => ({ rcode: 4 }) });
  await using world = testResolver([server.address], { tries: 1 });
  expect(await world.ask("n0.example", "A")).toMatchObject({ status: "error", trouble: "notimp" });
  server.quirk = () => undefined;
  expect(await askEach(world, "n1.example")).toEqual(["ok"]);
  expect(sent(server)).toBe("E n E");
});
