/** Tests servers that send slowly, send too much, or fail now and then. Random choices are the same in each run. */
import { createSocket } from "node:dgram";
import type { Socket } from "node:net";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type Quirk, startDnsServer } from "../helpers/dns-server.ts";
import { a, answersOf, numbers, testResolver } from "./resolving.ts";

const TEXT = Array.from({ length: 13 }, (_, index) => String.fromCharCode(97 + index).repeat(240));
const NAMES = Array.from({ length: 200 }, (_, index) => `n${index}.example`);
const WORLD = answersOf({
  "TXT long.example": { answers: [{ name: "long.example", type: "TXT", ttl: 300, data: TEXT }] },
  ...Object.fromEntries(NAMES.map((name) => [`A ${name}`, { answers: [a(name)] }])),
});
const MIB = 1 << 20;

/** Sends `reply` in pieces of `sizes`, each in a packet of its own. */
async function writeInPieces(connection: Socket, reply: Buffer, sizes: Iterator<number>): Promise<void> {
  connection.setNoDelay(true);
  for (let at = 0; at < reply.length && !connection.destroyed; ) {
    const end = at + (sizes.next().value ?? 1);
    connection.write(reply.subarray(at, end));
    at = end;
    await setImmediate();
  }
}

function* always(size: number): Generator<number> {
  for (;;) yield size;
}

function* upTo(size: number, seed: number): Generator<number> {
  for (const number of numbers(seed)) yield 1 + (number % size);
}

describe("a reply over TCP", () => {
  test.each([
    { how: "by the byte", sizes: () => always(1) },
    { how: "in pieces of 1 to 3 bytes", sizes: () => upTo(3, 7) },
    { how: "in pieces of 1 to 700 bytes", sizes: () => upTo(700, 11) },
  ])("is read when it comes $how", async ({ sizes }) => {
    const write = (connection: Socket, reply: Buffer) => void writeInPieces(connection, reply, sizes());
    await using server = await startDnsServer(WORLD, {
      quirk: ({ transport }) => (transport === "tcp" ? { write } : undefined),
    });
    await using world = testResolver([server.address], { timeoutMs: 10_000 });
    expect(await world.ask("long.example", "TXT")).toMatchObject({ status: "ok", records: [TEXT.join("")] });
  });

  test("that never ends is given up in time, and its connection closed", async () => {
    let connection: Socket | undefined;
    await using server = await startDnsServer(WORLD, {
      quirk: ({ transport }) =>
        transport === "udp"
          ? undefined
          : {
              write: (socket) => {
                connection = socket;
                socket.write(Buffer.from([0xff, 0xff]));
                const dribble = setInterval(() => socket.write("x"), 20);
                socket.once("close", () => clearInterval(dribble));
              },
            },
    });
    await using world = testResolver([server.address], { timeoutMs: 100, tries: 1 });
    expect(await world.ask("long.example", "TXT")).toMatchObject({
      trouble: "timeout",
      cause: "reply over UDP truncated, and no answer over TCP",
    });
    // Not events.once: it rejects when the reset of the connection comes first.
    await expect.poll(() => connection?.destroyed).toBe(true);
  });
});

describe("32 MiB of garbage over TCP", () => {
  /** Writes on until the other end hangs up, and gives the number of bytes that were taken. */
  async function flood(connection: Socket, garbage: Buffer): Promise<number> {
    const closed = new Promise((resolve) => connection.once("close", resolve));
    let taken = 0;
    while (taken < 32 * MIB && !connection.destroyed) {
      if (!connection.write(garbage)) {
        await Promise.race([new Promise((resolve) => connection.once("drain", resolve)), closed]);
      }
      taken += garbage.length;
    }
    return taken;
  }

  const random = numbers(0xd15ea5e);
  test.each([
    { what: "random bytes", garbage: Buffer.from(Array.from({ length: 65_536 }, () => random.next().value & 0xff)) },
    { what: "empty messages", garbage: Buffer.alloc(65_536) },
    { what: "messages of 65,535 bytes", garbage: Buffer.alloc(65_537, 0xff) },
  ])("of $what is refused at its first message, while others are answered", async ({ garbage }) => {
    const floods: Promise<number>[] = [];
    const write = (connection: Socket) => void floods.push(flood(connection, garbage));
    await using server = await startDnsServer(WORLD, {
      quirk: ({ transport }) => (transport === "tcp" ? { write } : undefined),
    });
    await using world = testResolver([server.address], { timeoutMs: 10_000 });
    const [flooded, other] = await Promise.all([world.ask("long.example", "TXT"), world.ask("n0.example", "A")]);
    expect(other).toMatchObject({ status: "ok" });
    expect(flooded).toMatchObject({ trouble: "network", detail: expect.stringContaining("not a reply to the query") });
    // What lies in the buffers of both kernels, and no more.
    for (const taken of await Promise.all(floods)) expect(taken).toBeLessThan(16 * MIB);
  });
});

describe("300 truncated replies at once", () => {
  const NAMES = Array.from({ length: 300 }, (_, index) => `n${index}.wide.example`);
  const wide = answersOf(Object.fromEntries(NAMES.map((name) => [`A ${name}`, { answers: [a(name)] }])));

  /** A server that truncates what it sends over UDP, and counts the connections that are open at once. */
  function startTruncating(answer: (connection: Socket, reply: Buffer) => void) {
    const open = new Set<Socket>();
    const seen = { most: 0 };
    const write = (connection: Socket, reply: Buffer) => {
      open.add(connection);
      connection.once("close", () => open.delete(connection));
      seen.most = Math.max(seen.most, open.size);
      answer(connection, reply);
    };
    const server = startDnsServer(wide, { quirk: ({ transport }) => (transport === "tcp" ? { write } : "truncate") });
    return { server, seen };
  }

  test("take 64 connections in turn, and are all answered", async () => {
    const { server, seen } = startTruncating((connection, reply) => setTimeout(() => connection.write(reply), 20));
    await using dns = await server;
    await using world = testResolver([dns.address], { timeoutMs: 10_000, tries: 1 });
    const answers = await Promise.all(NAMES.map((name) => world.ask(name, "A")));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(["ok"]));
    expect(seen.most).toBeGreaterThan(32);
    expect(seen.most).toBeLessThanOrEqual(64);
  });

  test("that nobody answers over TCP are given up in time, those that wait too", async () => {
    const { server, seen } = startTruncating(() => {});
    await using dns = await server;
    await using world = testResolver([dns.address], { timeoutMs: 200, tries: 1 });
    const answers = await Promise.all(NAMES.map((name) => world.ask(name, "A")));
    expect(new Set(answers.map((answer) => "trouble" in answer && answer.trouble))).toEqual(new Set(["timeout"]));
    expect(seen.most).toBeLessThanOrEqual(64);
    expect(world.resolver.stats().inFlight).toBe(0);
  });
});

test("2,000 datagrams of garbage from the server itself do not keep the reply from being taken", async () => {
  const random = numbers(0xbadf00d);
  await using server = await startDnsServer(WORLD);
  const garbage = (id: number) => {
    const bytes = Buffer.from(Array.from({ length: random.next().value % 600 }, () => random.next().value & 0xff));
    // One in two has the query's id.
    if (bytes.length >= 2 && random.next().value % 2 === 0) bytes.writeUInt16BE(id);
    return bytes;
  };
  server.quirk = ({ id, clientPort }) => {
    for (let count = 0; count < 2000; count += 1) server.sendUdp(garbage(id), clientPort);
    return { delayMs: 200 };
  };
  await using world = testResolver([server.address], { timeoutMs: 10_000 });
  expect(await world.ask("n0.example", "A")).toMatchObject({ status: "ok", records: ["192.0.2.1"] });
});

test("datagrams from elsewhere are not even seen", async () => {
  await using server = await startDnsServer(WORLD);
  const stranger = createSocket("udp4");
  server.quirk = ({ clientPort }) => {
    for (let count = 0; count < 1000; count += 1) stranger.send(Buffer.alloc(512), clientPort, "127.0.0.1");
    return { delayMs: 100 };
  };
  await using world = testResolver([server.address], { timeoutMs: 10_000 });
  expect(await world.ask("n0.example", "A")).toMatchObject({ status: "ok" });
  expect(world.outcomes).toEqual(["A noerror"]);
  stranger.close();
});

describe("a server that flaps", () => {
  const MOODS: readonly (Quirk | undefined)[] = [
    undefined,
    "drop",
    { rcode: 2 },
    { rcode: 5 },
    "cut",
    "truncate",
    "without-question",
    { delayMs: 80 },
    { extendedRcode: 1 },
    { rcode: 4 },
  ];

  /** A server with another mood every few queries; over TCP it has none. */
  function startFlapping(seed: number) {
    const random = numbers(seed);
    let mood: Quirk | undefined;
    let left = 0;
    return startDnsServer(WORLD, {
      quirk: () => {
        if (left-- <= 0) {
          mood = MOODS[random.next().value % MOODS.length];
          left = random.next().value % 20;
        }
        return mood;
      },
    });
  }

  test.each([1, 2, 3])("does no harm beside one that does not (seed %i)", async (seed) => {
    await using flapping = await startFlapping(seed);
    await using steady = await startDnsServer(WORLD);
    await using world = testResolver([flapping.address, steady.address], { timeoutMs: 150, cacheSize: 0 });
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all(NAMES.map((name) => world.ask(name, "A")));
      expect(answers.filter(({ status }) => status !== "ok")).toEqual([]);
    }
    expect(world.resolver.stats().inFlight).toBe(0);
  });

  test.each([1, 2, 3])("gives no false answer, and all is well when it is (seed %i)", async (seed) => {
    await using server = await startFlapping(seed);
    await using world = testResolver([server.address], { timeoutMs: 150, cacheSize: 0 });
    for (let round = 0; round < 5; round += 1) {
      for (const answer of await Promise.all(NAMES.map((name) => world.ask(name, "A")))) {
        if (answer.status !== "error") expect(answer).toMatchObject({ status: "ok", records: ["192.0.2.1"] });
      }
    }
    server.quirk = () => undefined;
    await sleep(100);
    const answers = await Promise.all(NAMES.map((name) => world.ask(name, "A")));
    expect(answers.filter(({ status }) => status !== "ok")).toEqual([]);
    expect(world.resolver.stats().inFlight).toBe(0);
  });
});
