import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { readShared } from "../../src/net/shared-read.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server that hands each connection on as it was read, and the way to connect to it. */
async function serve(onSocket: (socket: Socket, accepted: Socket) => void): Promise<() => Promise<Socket>> {
  const server = createServer({ allowHalfOpen: true }, (accepted) => onSocket(readShared(accepted), accepted));
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return async () => {
    const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    await once(client, "connect");
    return client;
  };
}

/** Answers every packet with its letters in upper case, and the end with "end". */
function shout(socket: Socket): void {
  socket.on("data", (bytes: Buffer) => socket.write(bytes.toString("latin1").toUpperCase()));
  socket.on("end", () => socket.end("end"));
}

async function ask(client: Socket, text: string): Promise<string> {
  client.write(text);
  const [bytes] = (await once(client, "data")) as [Buffer];
  return bytes.toString("latin1");
}

describe("readShared", () => {
  test("takes over a connection of Node's as it is today", async () => {
    let isTakenOver = false;
    const open = await serve((socket, accepted) => {
      isTakenOver = socket !== accepted;
      shout(socket);
    });
    expect(await ask(await open(), "hello")).toBe("HELLO");
    expect(isTakenOver).toBe(true);
  });

  test("leaves a socket alone whose insides it does not know", () => {
    const strange = { _handle: { readStop: () => 0 } } as unknown as Socket;
    expect(readShared(strange)).toBe(strange);
  });

  test("does not mix up what several connections send at once", async () => {
    const kept = new Map<Socket, Buffer[]>();
    const open = await serve((socket) => {
      kept.set(socket, []);
      socket.on("data", (bytes: Buffer) => kept.get(socket)?.push(bytes));
      socket.on("end", () => socket.end(Buffer.concat(kept.get(socket) ?? [])));
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
      socket.on("data", (bytes: Buffer) => received.push(bytes.toString("latin1")));
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

  test("lets the server close when the connection has", async () => {
    const open = await serve(shout);
    const client = await open();
    const [server] = servers;
    const closed = new Promise<string>((resolve) => server?.close(() => resolve("closed")));
    const open100ms = new Promise<string>((resolve) => setTimeout(() => resolve("open"), 100));
    expect(await Promise.race([closed, open100ms])).toBe("open");
    client.end();
    await text(client);
    expect(await closed).toBe("closed");
  });
});

async function text(client: Socket): Promise<string> {
  let all = "";
  for await (const bytes of client) all += (bytes as Buffer).toString("latin1");
  return all;
}
