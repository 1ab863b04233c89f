import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createStatusServer } from "../../src/status/server.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A status server on sockets that somebody else accepts, as the daemon's. */
async function start(body = "a_metric 1\n") {
  const scrape = vi.fn(() => Promise.resolve({ contentType: "text/plain", body }));
  const accept = createStatusServer({
    scrape,
    notReady: () => undefined,
  });
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const connection = accept(socket);
    socket.on("close", () => connection.closed());
    socket.resume();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  cleanups.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const open = async (): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    cleanups.push(() => socket.destroy());
    await once(socket, "connect");
    return socket;
  };
  return { port, open, scrape };
}

const REQUEST = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

async function ask(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [bytes] = (await Promise.race([once(socket, "data"), once(socket, "close")])) as [unknown];
  return Buffer.isBuffer(bytes) ? bytes.toString("latin1") : "closed";
}

describe("The status server", () => {
  test.each([
    { name: "that says nothing", bytes: "" },
    { name: "that sends half a request", bytes: "GET /metrics HTTP/1.1\r\nHo" },
    { name: "that sends a byte now and then", bytes: "G", dripMs: 3_000 },
  ])("ends a connection $name after ten seconds", async ({ bytes, dripMs }) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { open } = await start();
    const socket = await open();
    const closed = once(socket, "close");
    socket.write(bytes);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    for (let passedMs = 0; passedMs < 9_000; passedMs += 3_000) {
      if (dripMs !== undefined) socket.write(REQUEST.charAt(1 + passedMs / dripMs));
      vi.advanceTimersByTime(3_000);
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    }
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(1_100);
    await closed;
  });

  test("keeps a scraper's connection for the next scrape a minute later, not for two", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { open } = await start();
    const socket = await open();
    const closed = once(socket, "close");
    expect(await ask(socket, REQUEST)).toContain("a_metric 1");
    vi.advanceTimersByTime(60_000);
    expect(await ask(socket, REQUEST)).toContain("a_metric 1");
    vi.advanceTimersByTime(66_000);
    await closed;
  });

  test("ends a connection that does not take its answer after ten seconds", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { open, scrape } = await start("#".repeat(32_000_000));
    const socket = await open();
    socket.pause().write(REQUEST);
    await vi.waitUntil(() => scrape.mock.calls.length === 1);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    vi.advanceTimersByTime(10_100);
    const closed = once(socket, "close");
    socket.resume();
    await closed;
    expect(socket.bytesRead).toBeLessThan(32_000_000);
  });

  test("ends a connection that asks again before it is answered", async () => {
    const { open, scrape } = await start();
    const socket = await open();
    const closed = once(socket, "close");
    socket.resume().write(REQUEST.repeat(1_000));
    await closed;
    expect(scrape.mock.calls.length).toBeLessThan(2);
  });

  test("parses no more than a part of a packet of a thousand requests, and all of a long one", async () => {
    let parsed = 0;
    const count = (): void => void parsed++;
    subscribe("http.server.request.start", count);
    cleanups.push(() => unsubscribe("http.server.request.start", count));
    const { open } = await start();
    const [hasty, patient] = [await open(), await open()];
    const closed = once(hasty, "close");
    hasty.resume().write(REQUEST.repeat(1_000));
    await closed;
    expect(parsed).toBeLessThan(100);
    expect(await ask(patient, REQUEST.replace("Host", `X-Long: ${"a".repeat(5_000)}\r\nHost`))).toContain("200 OK");
  });

  test("makes one scrape for all that ask in a turn of the event loop", async () => {
    const { open, scrape } = await start();
    const sockets = await Promise.all(Array.from({ length: 30 }, open));
    await Promise.all(sockets.map((socket) => ask(socket, REQUEST)));
    scrape.mockClear();
    const answers = await Promise.all(sockets.map((socket) => ask(socket, REQUEST)));
    expect(answers.every((answer) => answer.includes("200 OK"))).toBe(true);
    expect(scrape.mock.calls.length).toBeLessThan(5);
  });

  test("takes no more than 64 connections at once", async () => {
    const { port, open } = await start();
    const first = await open();
    const sockets = await Promise.all(Array.from({ length: 63 }, open));
    expect(await ask(first, REQUEST)).toContain("200 OK");
    const late = connect(port, "127.0.0.1");
    late.on("error", () => {});
    await once(late, "close");
    sockets[0]?.destroy();
    await expect.poll(async () => ask(await open(), REQUEST)).toContain("200 OK");
  });
});
