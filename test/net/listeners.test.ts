import { afterEach, describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/net/endpoint.ts";
import { Listeners, type Wanted } from "../../src/net/listeners.ts";
import { Peer } from "../helpers/daemon.ts";
import { temporaryDirectory } from "../helpers/postfix-config.ts";
import { type Answer, apply, LineServer, UNLIMITED, until } from "./echo.ts";

const NEVER_MS = 1_000_000;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Sockets in a folder of the test's own, and listeners that are closed when it ends. */
function setUp() {
  const directory = temporaryDirectory();
  const listeners = new Listeners(UNLIMITED);
  cleanups.push(
    () => directory[Symbol.dispose](),
    () => listeners.drain(0),
  );
  const endpoint = (name: string): Endpoint => ({ type: "unix", path: `${directory.path}/${name}` });
  const connect = (name: string): Peer => {
    const peer = new Peer(`${directory.path}/${name}`);
    cleanups.push(() => peer[Symbol.dispose]());
    return peer;
  };
  const wanted = (name: string, answer: Answer = (line) => `${line}!\n`): Wanted => ({
    name,
    endpoint: endpoint(name),
    accept: new LineServer(answer).accept,
  });
  return { listeners, connect, wanted, endpoint };
}

test("A flood of connections for the status holds few descriptors of those that are reserved for other things", async () => {
  const { listeners, connect, wanted } = setUp();
  await apply(listeners, [{ ...wanted("status"), isStatus: true }]);
  let closed = 0;
  // A few at a time, or they would find no place in the kernel's queue.
  for (let i = 0; i < 400; i++) {
    void connect("status").closed.then(() => closed++);
    if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  // One is taken in 10 ms, 64 wait, and the others are closed.
  await until(() => closed > 200);
});

describe("A change of endpoints", () => {
  test("opens what is new, keeps what stays and closes what goes", async () => {
    const { listeners, connect, wanted } = setUp();
    await apply(listeners, [wanted("a"), wanted("b")]);
    const [onA, onB] = [connect("a"), connect("b")];
    await onA.ask("x\n");
    await onB.ask("x\n");
    const opened = await apply(listeners, [wanted("b"), wanted("c")]);
    expect(opened.map(({ name }) => name)).toEqual(["c"]);
    await connect("a").closed;
    expect(await connect("c").ask("y\n")).toBe("y!\n");
    expect(await onB.ask("y\n")).toBe("y!\n");
    expect(await onA.ask("y\n")).toBe("y!\n");
    expect(listeners.connections()).toEqual(
      new Map([
        ["b", 1],
        ["c", 1],
        ["a", 1],
      ]),
    );
  });

  test("that fails leaves everything as it was", async () => {
    const { listeners, connect, wanted, endpoint } = setUp();
    await apply(listeners, [wanted("a")]);
    const bad: Wanted = { ...wanted("bad"), endpoint: { type: "unix", path: "/proc/nonexistent/socket" } };
    await expect(apply(listeners, [wanted("b"), bad])).rejects.toThrow(
      "Cannot listen on unix:/proc/nonexistent/socket for bad",
    );
    expect(await connect("a").ask("x\n")).toBe("x!\n");
    const again = await apply(listeners, [wanted("a"), { ...wanted("b"), endpoint: endpoint("b") }]);
    expect(again.map(({ name }) => name)).toEqual(["b"]);
  });
});

describe("Draining", () => {
  test("hangs up on who is silent and takes nobody new", async () => {
    const { listeners, connect, wanted } = setUp();
    await apply(listeners, [wanted("a")]);
    const peer = connect("a");
    await peer.ask("x\n");
    await listeners.drain(NEVER_MS);
    await peer.closed;
    const late = connect("a");
    await late.closed;
    expect(late.received).toBe("");
  });

  test("answers what is under way, and what was asked with it", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { listeners, connect, wanted } = setUp();
    await apply(listeners, [wanted("a", (line) => (line === "slow" ? promise : `${line}!\n`))]);
    const peer = connect("a");
    peer.socket.write("a\nslow\nb\n");
    await until(() => peer.received === "a!\n");
    const drained = listeners.drain(NEVER_MS);
    resolve("slow!\n");
    await drained;
    await peer.closed;
    expect(peer.received).toBe("a!\nslow!\nb!\n");
  });

  test("answers what takes longer than a silent peer is waited for", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { listeners, connect, wanted } = setUp();
    await apply(listeners, [wanted("a", (line) => (line === "slow" ? promise : `${line}!\n`))]);
    const [peer, silent] = [connect("a"), connect("a")];
    await silent.ask("a\n");
    peer.socket.write("a\nslow\n");
    await until(() => peer.received === "a!\n");
    const drained = listeners.drain(NEVER_MS);
    await silent.closed;
    resolve("slow!\n");
    await drained;
    await peer.closed;
    expect(peer.received).toBe("a!\nslow!\n");
  });

  test("waits for the peers of endpoints that a change has closed", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { listeners, connect, wanted } = setUp();
    await apply(listeners, [wanted("a", (line) => (line === "slow" ? promise : `${line}!\n`))]);
    const peer = connect("a");
    peer.socket.write("a\nslow\n");
    await until(() => peer.received === "a!\n");
    await apply(listeners, []);
    const drained = listeners.drain(NEVER_MS);
    resolve("slow!\n");
    await drained;
    await peer.closed;
    expect(peer.received).toBe("a!\nslow!\n");
  });

  test("ends at its deadline what never ends by itself", async () => {
    const { listeners, connect, wanted } = setUp();
    await apply(listeners, [wanted("a", (line) => (line === "slow" ? new Promise<string>(() => {}) : `${line}!\n`))]);
    const peer = connect("a");
    peer.socket.write("a\nslow\n");
    await until(() => peer.received === "a!\n");
    await listeners.drain(10);
    await peer.closed;
    expect(peer.received).toBe("a!\n");
  });
});
