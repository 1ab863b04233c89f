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
async function start() {
  const accept = createStatusServer({
    scrape: () => Promise.resolve({ contentType: "text/plain", body: "a_metric 1\n" }),
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
  return { port, open };
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
