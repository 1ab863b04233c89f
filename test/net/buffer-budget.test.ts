import { afterEach, describe, expect, test } from "vitest";
import { MilterDecoder } from "../../src/milter/decoder.ts";
import { BufferBudget, type Holder } from "../../src/net/buffer-budget.ts";
import { Listeners } from "../../src/net/listeners.ts";
import { PolicyDecoder } from "../../src/policy/protocol.ts";
import { SocketmapDecoder } from "../../src/socketmap/protocol.ts";
import { TcpTableDecoder } from "../../src/tcptable/protocol.ts";
import { Peer } from "../helpers/daemon.ts";
import { freePort } from "../helpers/free-port.ts";
import { keptOfPassing, PASSING } from "../helpers/passing-memory.ts";
import { apply, LineServer, UNLIMITED, until } from "./echo.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Holders that write down when they are dropped. */
function holders(...names: readonly string[]) {
  const dropped: string[] = [];
  const all = names.map((name): Holder & { isBusy: boolean } => ({ isBusy: false, drop: () => dropped.push(name) }));
  return { dropped, all };
}

describe("A budget for half requests", () => {
  test("drops what has been idle longest, and no more than it must", () => {
    const budget = new BufferBudget(100);
    const { dropped, all } = holders("a", "b", "c", "d");
    for (const holder of all.slice(0, 3)) budget.hold(holder, 30);
    expect(budget.totalBytes).toBe(90);
    if (all[0] !== undefined) budget.hold(all[0], 31); // a is the freshest now
    if (all[3] !== undefined) budget.hold(all[3], 20);
    expect({ dropped, total: budget.totalBytes }).toEqual({ dropped: ["b"], total: 81 });
  });

  test("spares those that wait for an answer while others are idle", () => {
    const budget = new BufferBudget(100);
    const { dropped, all } = holders("a", "b", "c");
    const [a, b, c] = all;
    if (a === undefined || b === undefined || c === undefined) throw new Error("three holders");
    a.isBusy = true;
    for (const holder of all) budget.hold(holder, 40);
    expect(dropped).toEqual(["b"]);
    c.isBusy = true;
    budget.hold(c, 90);
    expect(dropped).toEqual(["b", "a"]);
  });

  test("forgets what is released, and obeys a new limit at the next change", () => {
    const budget = new BufferBudget(100);
    const { dropped, all } = holders("a", "b");
    for (const holder of all) budget.hold(holder, 50);
    if (all[0] !== undefined) budget.hold(all[0], 0);
    expect(budget.totalBytes).toBe(50);
    budget.limitBytes = 40;
    if (all[1] !== undefined) budget.hold(all[1], 50);
    expect({ dropped, total: budget.totalBytes }).toEqual({ dropped: ["b"], total: 0 });
  });

  test("lets go of holders that have closed, or each collection would copy them", () => {
    const budget = new BufferBudget(1_000_000);
    const open: Holder[] = [];
    const kept = keptOfPassing(() => {
      const holder = { isBusy: false, drop: () => {}, numbers: new Array(100).fill(1) };
      budget.hold(holder, 10);
      open.push(holder);
      if (open.length > 10) budget.hold(open.shift() as Holder, 0);
    });
    expect(kept).toBeLessThan(PASSING * 200);
  });
});

describe.each([
  { name: "tcp_table", decoder: () => new TcpTableDecoder(), half: "get a@b.exam", rest: "ple\n" },
  { name: "socketmap", decoder: () => new SocketmapDecoder(), half: "19:forward a@b", rest: ".example," },
  {
    name: "policy",
    decoder: () => new PolicyDecoder(),
    half: "request=smtpd_access_policy\nhelo",
    rest: "_name=x\n\n",
  },
  // The length and the command byte are no longer held once they are read.
  { name: "milter", decoder: () => new MilterDecoder(), half: "\0\0\0\x0e", rest: "Hhelo.example\0" },
])("The $name decoder", ({ decoder, half, rest }) => {
  test.each([
    { step: Number.POSITIVE_INFINITY, how: "whole" },
    { step: 1, how: "byte by byte" },
  ])("holds exactly the bytes of a half request that comes $how, and nothing of a whole one", ({ step }) => {
    const decoding = decoder();
    for (let at = 0; at < half.length; at += step) {
      decoding.feed(half.slice(at, at + step));
      expect(decoding.next()).toBeUndefined();
    }
    expect(decoding.heldBytes).toBe(half.length);
    decoding.feed(rest);
    expect(decoding.next()).toBeDefined();
    expect(decoding.next()).toBeUndefined();
    expect(decoding.heldBytes).toBe(0);
  });
});

describe("Connections with half requests", () => {
  test("are closed, the longest idle first, and the others go on", async () => {
    const port = await freePort();
    const listeners = new Listeners(UNLIMITED);
    cleanups.push(() => listeners.drain(0));
    const server = new LineServer((line) => `${line.length}\n`);
    server.budget.limitBytes = 2_500;
    await apply(listeners, [{ name: "l", endpoint: { type: "inet", host: "127.0.0.1", port }, accept: server.accept }]);
    const [first, second, third] = [new Peer(port), new Peer(port), new Peer(port)];
    for (const peer of [first, second, third]) cleanups.push(() => peer[Symbol.dispose]());
    first.socket.write("x".repeat(1000));
    await until(() => server.budget.totalBytes === 1000);
    second.socket.write("y".repeat(1000));
    await until(() => server.budget.totalBytes === 2000);
    third.socket.write("z".repeat(1000));
    await first.closed;
    expect(server.problems).toEqual(["policy: dropped"]);
    expect(await second.ask("y\n")).toBe("1001\n");
    expect(await third.ask("z\n")).toBe("1001\n");
    expect(server.budget.totalBytes).toBe(0);
    third.socket.write("half");
    await until(() => server.budget.totalBytes === 4);
    third.socket.resetAndDestroy();
    await until(() => server.budget.totalBytes === 0);
  });
});

describe("Connections beyond the bound", () => {
  test("are closed and counted; when others leave, there is room again", async () => {
    const port = await freePort();
    const refused: string[] = [];
    const listeners = new Listeners({ maxConnections: 2, onRefused: (listener) => refused.push(listener) });
    cleanups.push(() => listeners.drain(0));
    const { accept } = new LineServer((line) => `${line}!\n`);
    await apply(listeners, [{ name: "l", endpoint: { type: "inet", host: "127.0.0.1", port }, accept }]);
    const open = (): Peer => {
      const peer = new Peer(port);
      cleanups.push(() => peer[Symbol.dispose]());
      return peer;
    };
    const [first, second] = [open(), open()];
    await first.ask("a\n");
    await second.ask("b\n");
    const third = open();
    await third.closed;
    expect(refused).toEqual(["l"]);
    first.socket.destroy();
    await until(() => listeners.connections().get("l") === 1);
    expect(await open().ask("c\n")).toBe("c!\n");
  });
});
