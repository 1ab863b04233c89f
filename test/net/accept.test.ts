import { EventEmitter, once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { holdConnections, REQUEST_READ_BYTES, type Reading } from "../../src/net/accept.ts";
import { TurnCounter } from "./echo.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server with shared reads, and the way to connect to it. */
async function serve(
  onSocket: (socket: Socket) => void,
  reading: Reading = "requests",
): Promise<() => Promise<Socket>> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  holdConnections(server).serve({
    hasRoom: () => true,
    take: onSocket,
    pauseMs: () => 0,
    reading: () => reading,
  });
  const { port } = server.address() as AddressInfo;
  return async () => {
    const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    await once(client, "connect");
    return client;
  };
}

/** Answers every packet with its letters in upper case, and the end with "end". */
function shout(socket: Socket): void {
  socket.on("data", (text: string) => socket.write(text.toUpperCase()));
  socket.on("end", () => socket.end("end"));
}

async function ask(client: Socket, text: string): Promise<string> {
  client.write(text);
  const [bytes] = (await once(client, "data")) as [Buffer];
  return bytes.toString("latin1");
}

describe("A server's connections", () => {
  test("takes the connections of a server of Node's as it is today", async () => {
    const open = await serve(shout);
    const [server] = servers;
    expect(await ask(await open(), "hello")).toBe("HELLO");
    const counted = await new Promise((resolve) => server?.getConnections((_error, count) => resolve(count)));
    expect(counted).toBe(0);
  });

  test.each([
    ["no handle", {}],
    ["a handle that is closed", { _handle: null }],
    ["a handle that it does not know", { _handle: { onaccept: () => {} } }],
  ])("takes them as Node gives them of a server with %s", (_name, insides) => {
    const server = Object.assign(new EventEmitter(), insides) as unknown as Server;
    const taken: Socket[] = [];
    holdConnections(server).serve({
      hasRoom: () => true,
      pauseMs: () => 0,
      take: (socket) => void taken.push(socket),
      reading: () => "requests",
    });
    const socket = new Socket();
    server.emit("connection", socket);
    expect(taken).toEqual([socket]);
    expect(socket.readableEncoding).toBe("latin1");
  });

  test.each([
    ["a client's handle that it does not know", 0, { readStart: () => 0 }],
    ["trouble", -24, undefined],
  ])("leaves %s to Node", (_name, ...given) => {
    const left: unknown[] = [];
    const handle = { onconnection: (...all: unknown[]) => left.push(all) };
    holdConnections(Object.assign(new EventEmitter(), { _handle: handle }) as unknown as Server).serve({
      hasRoom: () => true,
      pauseMs: () => 0,
      take: () => void left.push("taken"),
      reading: () => "requests",
    });
    handle.onconnection(...given);
    expect(left).toEqual([given]);
  });

  test("takes one connection in a turn of the event loop, as libuv accepts them, and all in the end", async () => {
    const turns = new TurnCounter();
    let taken = 0;
    const open = await serve((socket) => {
      taken++;
      turns.count();
      shout(socket);
    });
    const clients = await Promise.all(Array.from({ length: 100 }, open));
    await expect.poll(() => taken).toBe(100);
    expect(turns.most).toBe(1);
    expect(await Promise.all(clients.map((client) => ask(client, "a")))).toEqual(clients.map(() => "A"));
  });

  test("takes one in each pause, and closes those that find no room beside others that wait", async () => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    servers.push(server);
    await once(server.listen(0, "127.0.0.1"), "listening");
    const takenMs: number[] = [];
    const pauseMs = 200;
    let isPaced = true;
    holdConnections(server).serve({
      hasRoom: (waiting) => waiting < 64,
      take: (socket) => {
        takenMs.push(performance.now());
        socket.destroy();
      },
      pauseMs: () => (isPaced ? pauseMs : 0),
      reading: () => "requests",
    });
    const { port } = server.address() as AddressInfo;
    const count = 200;
    let closed = 0;
    for (let i = 0; i < count; i++) {
      connect({ port, host: "127.0.0.1" })
        .on("error", () => {})
        .on("close", () => closed++)
        .resume();
    }
    // Some were taken, 64 wait, and all others are closed.
    await expect.poll(() => closed - takenMs.length, { timeout: 10_000 }).toBeGreaterThan(100);
    const apart = takenMs.slice(1).map((ms, at) => ms - (takenMs[at] ?? 0));
    expect(Math.min(...apart, pauseMs)).toBeGreaterThan(pauseMs / 2);
    isPaced = false;
    await expect.poll(() => closed, { timeout: 10_000 }).toBe(count);
  });

  test("closes connections for which there is no room", async () => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    servers.push(server);
    await once(server.listen(0, "127.0.0.1"), "listening");
    const taken: Socket[] = [];
    holdConnections(server).serve({
      hasRoom: () => taken.length < 2,
      pauseMs: () => 0,
      take: (socket) => void taken.push(socket),
      reading: () => "requests",
    });
    const { port } = server.address() as AddressInfo;
    const clients = Array.from({ length: 5 }, () => connect({ port, host: "127.0.0.1" }).resume());
    let closed = 0;
    for (const client of clients) client.on("error", () => {}).on("close", () => closed++);
    await expect.poll(() => closed).toBe(3);
    expect(taken).toHaveLength(2);
    for (const socket of taken) socket.destroy();
  });

  test("does not mix up what several connections send at once", async () => {
    const kept = new Map<Socket, string[]>();
    const open = await serve((socket) => {
      kept.set(socket, []);
      socket.on("data", (text: string) => kept.get(socket)?.push(text));
      socket.on("end", () => socket.end(kept.get(socket)?.join("") ?? ""));
    });
    const clients = await Promise.all(["a", "b", "c"].map(async (letter) => ({ letter, client: await open() })));
    for (let i = 0; i < 50; i++) {
      for (const { client, letter } of clients) client.write(letter.repeat(1000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const { client, letter } of clients) {
      client.end();
      expect(await text(client)).toBe(letter.repeat(50_000));
    }
  });

  test.each([
    { reading: "requests", most: REQUEST_READ_BYTES },
    { reading: "bodies", most: 65_536 },
  ] as const)("reads $reading in pieces of at most $most bytes", async ({ reading, most }) => {
    const sent = 400_000;
    let [received, longest] = [0, 0];
    const open = await serve((socket) => {
      socket.on("data", (text: string) => {
        received += text.length;
        longest = Math.max(longest, text.length);
      });
    }, reading);
    (await open()).end("a".repeat(sent));
    await expect.poll(() => received).toBe(sent);
    expect(longest).toBe(most);
  });

  test("tells every byte as one character", async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const received: string[] = [];
    const open = await serve((socket) => socket.on("data", (text: string) => received.push(text)));
    (await open()).end(bytes);
    await expect.poll(() => received.join("")).toBe(bytes.toString("latin1"));
  });

  test("answers a peer that has closed its half", async () => {
    const open = await serve(shout);
    const client = await open();
    client.end("last");
    expect(await text(client)).toBe("LASTend");
  });

  test("reads nothing while it is paused, and all of it afterwards", async () => {
    let serverSide: Socket | undefined;
    const received: string[] = [];
    const open = await serve((socket) => {
      serverSide = socket;
      socket.on("data", (text: string) => received.push(text));
      socket.pause();
    });
    const client = await open();
    client.write("held back");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(received).toEqual([]);
    serverSide?.resume();
    await expect.poll(() => received.join("")).toBe("held back");
    client.destroy();
  });
});

async function text(client: Socket): Promise<string> {
  let all = "";
  for await (const bytes of client) all += (bytes as Buffer).toString("latin1");
  return all;
}
