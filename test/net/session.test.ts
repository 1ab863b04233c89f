/** Tests sessions of a protocol with state: no reply or several, an end, and a stop that waits for a message. */
import { afterEach, describe, expect, test } from "vitest";
import { Listeners } from "../../src/net/listeners.ts";
import type { Service, Session } from "../../src/net/session.ts";
import { Peer } from "../helpers/daemon.ts";
import { freePort } from "../helpers/free-port.ts";
import { apply, LineDecoder, LineServer, UNLIMITED, until } from "./echo.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** `begin` opens a message and has no reply, a line is kept, `end` is answered with each line and their number. */
class MessageSession implements Session<string> {
  readonly decoder = new LineDecoder();
  readonly name: string;
  isClosed = false;
  #lines: string[] | undefined;
  #isLost = false;

  constructor(name: string) {
    this.name = name;
  }

  answer(line: string): string {
    if (line === "begin") {
      this.#lines = [];
      return "";
    }
    if (line !== "end") {
      this.#lines?.push(line);
      return "";
    }
    const lines = this.#isLost ? ["lost"] : (this.#lines ?? []);
    this.#lines = undefined;
    return [...lines, `${this.name} ${lines.length}`].map((text) => `${text}\n`).join("");
  }

  isIdle(): boolean {
    return this.#lines === undefined;
  }

  get heldBytes(): number {
    return this.decoder.heldBytes + (this.#lines?.join("").length ?? 0);
  }

  shed(): boolean {
    this.#isLost = true;
    this.#lines = [];
    return true;
  }

  close(): void {
    this.isClosed = true;
  }
}

/** A service whose sessions carry its name. */
function messages(name: string): { service: Service<string>; sessions: MessageSession[] } {
  const sessions: MessageSession[] = [];
  const open = (): MessageSession => {
    const session = new MessageSession(name);
    sessions.push(session);
    return session;
  };
  return { service: { protocol: "policy", open }, sessions };
}

async function listen() {
  const port = await freePort();
  const listeners = new Listeners(UNLIMITED);
  cleanups.push(() => listeners.drain(0));
  const serve = async (service: Service<string>): Promise<LineServer> => {
    const server = new LineServer(service);
    const endpoint = { type: "inet", host: "127.0.0.1", port } as const;
    await apply(listeners, [{ name: "m", endpoint, accept: server.accept }]);
    return server;
  };
  const connect = (): Peer => {
    const peer = new Peer(port);
    cleanups.push(() => peer[Symbol.dispose]());
    return peer;
  };
  return { listeners, serve, connect };
}

describe("A session", () => {
  test("has its state to itself, and answers a message with no reply, then with several in one packet", async () => {
    const { serve, connect } = await listen();
    await serve(messages("first").service);
    const [one, other] = [connect(), connect()];
    one.socket.write("begin\na\n");
    other.socket.write("begin\nx\ny\nz\n");
    expect(await other.ask("end\n", "first 3\n")).toBe("x\ny\nz\nfirst 3\n");
    expect(await one.ask("b\nend\n", "first 2\n")).toBe("a\nb\nfirst 2\n");
  });

  test("is told once when its connection closes", async () => {
    const { serve, connect } = await listen();
    const { service, sessions } = messages("first");
    await serve(service);
    const peer = connect();
    await peer.ask("begin\nend\n");
    expect(sessions[0]?.isClosed).toBe(false);
    peer.socket.resetAndDestroy();
    await until(() => sessions[0]?.isClosed === true);
  });

  test("keeps the service that it began with; a new connection gets the new one", async () => {
    const { serve, connect } = await listen();
    await serve(messages("first").service);
    const peer = connect();
    peer.socket.write("begin\na\n");
    await until(() => peer.socket.bytesWritten > 0);
    await peer.ask("end\nbegin\n", "first 1\n");
    await serve(messages("second").service);
    expect(await peer.ask("b\nend\n", "1\n")).toBe("b\nfirst 1\n");
    expect(await connect().ask("begin\nend\n")).toBe("second 0\n");
  });

  test("that is amid a message is waited for when the daemon stops, however long its peer is silent", async () => {
    const { listeners, serve, connect } = await listen();
    await serve(messages("first").service);
    const [busy, idle] = [connect(), connect()];
    await idle.ask("begin\nend\n");
    await busy.ask("begin\nend\nbegin\na\n");
    const drained = listeners.drain(10_000);
    await idle.closed;
    await new Promise((resolve) => setTimeout(resolve, 200));
    busy.socket.write("b\n");
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await busy.ask("end\n")).toBe("a\nb\nfirst 2\n");
    await busy.closed;
    await drained;
  });
});

describe("A session that holds too much", () => {
  test("gives it up and stays, if its protocol can say so later", async () => {
    const { serve, connect } = await listen();
    const server = await serve(messages("first").service);
    server.budget.limitBytes = 1500;
    const [idle, busy] = [connect(), connect()];
    idle.socket.write(`begin\n${"x".repeat(900)}\n`);
    await until(() => server.budget.totalBytes === 900);
    busy.socket.write(`begin\n${"y".repeat(700)}\n`);
    await until(() => server.problems.length > 0);
    expect(server.problems).toEqual(["policy: dropped"]);
    expect(server.budget.totalBytes).toBe(700);
    expect(await idle.ask("end\n", "1\n")).toBe("lost\nfirst 1\n");
    expect(await busy.ask("end\n", "1\n")).toBe(`${"y".repeat(700)}\nfirst 1\n`);
    expect(server.budget.totalBytes).toBe(0);
  });
});

describe("A peer that asks for very much at once", () => {
  test("is answered in full and in order, while others are answered in between", async () => {
    let answered = 0;
    const requests = 20_000;
    const port = await freePort();
    const listeners = new Listeners(UNLIMITED);
    cleanups.push(() => listeners.drain(0));
    const { accept } = new LineServer((line) => {
      answered++;
      return `${line}!\n`;
    });
    await apply(listeners, [{ name: "m", endpoint: { type: "inet", host: "127.0.0.1", port }, accept }]);
    const greedy = new Peer(port);
    const modest = new Peer(port);
    cleanups.push(
      () => greedy[Symbol.dispose](),
      () => modest[Symbol.dispose](),
    );
    await modest.ask("a\n");
    const lines = Array.from({ length: requests }, (_, index) => `${index}\n`);
    greedy.socket.end(lines.join(""));
    await until(() => answered > 100);
    await modest.ask("b\n");
    expect(answered).toBeLessThan(requests);
    await greedy.closed;
    expect(greedy.received).toBe(lines.map((line) => line.replace("\n", "!\n")).join(""));
  });
});
