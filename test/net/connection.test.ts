import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { REQUEST_READ_BYTES } from "../../src/net/accept.ts";
import { Backlog } from "../../src/net/backlog.ts";
import { Listeners } from "../../src/net/listeners.ts";
import { type Service, stateless } from "../../src/net/session.ts";
import { TcpTableDecoder } from "../../src/tcptable/protocol.ts";
import { Peer } from "../helpers/daemon.ts";
import { freePort } from "../helpers/free-port.ts";
import { type Answer, apply, LineDecoder, LineServer, TurnCounter, UNLIMITED, until } from "./echo.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Serves on a loopback port until the test ends. */
async function serve(answer: Answer | Service, hasBodies = false): Promise<{ server: LineServer; connect(): Peer }> {
  const port = await freePort();
  const server = new LineServer(answer);
  const listeners = new Listeners(UNLIMITED);
  await apply(listeners, [
    { name: "lines", endpoint: { type: "inet", host: "127.0.0.1", port }, accept: server.accept, hasBodies },
  ]);
  cleanups.push(() => listeners.drain(0));
  const connect = (): Peer => {
    const peer = new Peer(port);
    cleanups.push(() => peer[Symbol.dispose]());
    return peer;
  };
  return { server, connect };
}

/** An answer that comes when the test says so. */
class Held {
  readonly #answer = Promise.withResolvers<string>();
  /** Somebody waits for it. */
  isAwaited = false;

  wait(): Promise<string> {
    this.isAwaited = true;
    return this.#answer.promise;
  }

  give(text: string): void {
    this.#answer.resolve(text);
  }

  fail(error: Error): void {
    this.#answer.reject(error);
  }
}

describe("A connection", () => {
  test("is answered in order, whatever comes late", async () => {
    const first = new Held();
    const { connect } = await serve((line) => (line === "slow" ? first.wait() : `${line}!\n`));
    const peer = connect();
    peer.socket.write("a\nslow\nb\n");
    await until(() => peer.received === "a!\n");
    first.give("slow!\n");
    await until(() => peer.received === "a!\nslow!\nb!\n");
  });

  test("stays open when nothing is asked, and goes on", async () => {
    const { connect } = await serve((line) => `${line}!\n`);
    const peer = connect();
    expect(await peer.ask("a\n")).toBe("a!\n");
    expect(await peer.ask("b\n")).toBe("b!\n");
  });

  test("is answered when its client has closed its half already", async () => {
    const slow = new Held();
    const { connect } = await serve((line) => (line === "slow" ? slow.wait() : `${line}!\n`));
    const peer = connect();
    peer.socket.end("a\nslow\n");
    await until(() => peer.received === "a!\n");
    slow.give("slow!\n");
    await peer.closed;
    expect(peer.received).toBe("a!\nslow!\n");
  });

  test("that talks ahead while an answer is awaited is read no further", async () => {
    const slow = new Held();
    const { server, connect } = await serve((line) => (line === "slow" ? slow.wait() : `${line}!\n`));
    const peer = connect();
    peer.socket.write("slow\n");
    await until(() => slow.isAwaited);
    expect(server.sockets[0]?.isPaused()).toBe(false);
    peer.socket.write("a\n");
    await until(() => server.sockets[0]?.isPaused() === true);
    peer.socket.write("b\n");
    slow.give("slow!\n");
    await until(() => peer.received === "slow!\na!\nb!\n" && server.sockets[0]?.isPaused() === false);
  });

  test("of a client that never reads costs little memory, and nothing is lost when it reads at last", async () => {
    let answered = 0;
    const answer = `${"x".repeat(1000)}\n`;
    const { server, connect } = await serve(() => {
      answered++;
      return answer;
    });
    const peer = connect();
    peer.socket.pause();
    const requests = 50_000;
    peer.socket.end("a\n".repeat(requests));
    await until(() => server.sockets[0]?.isPaused() === true);
    const [socket] = server.sockets;
    expect(socket?.writableLength).toBeLessThanOrEqual((REQUEST_READ_BYTES / "a\n".length) * answer.length);
    expect(answered).toBeLessThan(requests);
    peer.socket.resume();
    await peer.closed;
    expect(peer.received.length).toBe(requests * answer.length);
  });

  test("leaves nothing on its socket, even if an answer comes or fails when the client has gone", async () => {
    const slow = new Held();
    const { server, connect } = await serve((line) => (line === "slow" ? slow.wait() : `${line}!\n`));
    const answered = connect();
    expect(await answered.ask("a\n")).toBe("a!\n");
    const awaiting = connect();
    awaiting.socket.write("slow\n");
    await until(() => slow.isAwaited);
    expect(server.sockets.map((socket) => socket.listenerCount("data"))).toEqual([1, 1]);
    answered.socket.end();
    awaiting.socket.resetAndDestroy();
    await until(() => server.sockets.every((socket) => socket.closed));
    expect(server.sockets.flatMap((socket) => socket.eventNames())).toEqual([]);
    slow.fail(new Error("too late"));
    await until(() => server.problems.length > 0);
    expect(server.problems).toEqual(["policy: Error: too late"]);
  });

  test.each<{ name: string; answer: Answer }>([
    { name: "answered at once", answer: () => "x\n" },
    { name: "answered in a microtask", answer: () => Promise.resolve("x\n") },
  ])("whose requests are $name has some of them answered in a turn of the event loop, not all", async ({ answer }) => {
    const answers = new TurnCounter();
    const { connect } = await serve((line) => {
      answers.count();
      return answer(line);
    });
    const peer = connect();
    peer.socket.write("a\n".repeat(500));
    await until(() => peer.received.length === 1_000 && answers.isQuiet);
    expect(answers.most).toBeLessThanOrEqual(64);
  });

  test.each([
    { takesTurns: false, what: "all of them in a turn of the event loop", atLeast: 3, atMost: 20 },
    {
      takesTurns: true,
      what: "but if they take turns, one that is first and one that has waited",
      atLeast: 1,
      atMost: 2,
    },
  ])("is one of many that are served, $what", async ({ takesTurns, atLeast, atMost }) => {
    const answers = new TurnCounter();
    let served = 0;
    const answer = (): string => {
      served++;
      answers.count();
      return "x\n";
    };
    const { open } = stateless({ protocol: "policy", createDecoder: () => new LineDecoder(), answer });
    const { server, connect } = await serve({ protocol: "policy", open: () => Object.assign(open(), { takesTurns }) });
    const peers = Array.from({ length: 20 }, connect);
    await until(() => server.sockets.length === peers.length);
    for (const peer of peers) peer.socket.write("a\n");
    await until(() => peers.every(({ received }) => received === "x\n") && answers.isQuiet);
    expect(served).toBe(peers.length);
    expect(answers.most).toBeGreaterThanOrEqual(atLeast);
    expect(answers.most).toBeLessThanOrEqual(atMost);
  });

  test("whose requests need no answer has more of them taken in a turn, but not all", async () => {
    const requests = new TurnCounter();
    let taken = 0;
    const answer = (): string => {
      taken++;
      requests.count();
      return "";
    };
    const { open } = stateless({ protocol: "milter", createDecoder: () => new LineDecoder(), answer });
    const { connect } = await serve({ protocol: "milter", open: () => Object.assign(open(), { takesTurns: true }) });
    connect().socket.write("a\n".repeat(5_000));
    await until(() => taken === 5_000 && requests.isQuiet);
    expect(requests.most).toBeGreaterThanOrEqual(256);
    expect(requests.most).toBeLessThanOrEqual(512);
  });

  test.each([
    {
      name: "sends more behind what is answered",
      isIdle: false,
      reply: "x\n",
      bytes: "a\n".repeat(3_000),
      pauses: true,
    },
    { name: "says much outside of a message", isIdle: true, reply: "", bytes: "a\n".repeat(30_000), pauses: true },
    { name: "sends a packet longer than an MTA's", isIdle: false, reply: "", bytes: "a".repeat(500_000), pauses: true },
    {
      name: "sends packets longer than its reads outside of a message",
      isIdle: true,
      reply: "",
      bytes: `${"a".repeat(102_400)}\n`.repeat(9),
      pauses: true,
    },
    {
      name: "sends the longest fields in a message",
      isIdle: false,
      reply: "",
      bytes: `${"a".repeat(102_400)}\n`.repeat(9),
      pauses: false,
    },
    { name: "sends a message", isIdle: false, reply: "", bytes: "a\n".repeat(30_000), pauses: false },
  ])("of a milter's peer that $name leaves time for others: $pauses", async ({ isIdle, reply, bytes, pauses }) => {
    let [asked, busy, free] = [0, 0, 0];
    let left = `${bytes}\n`.split("\n").length - 1;
    class CountedDecoder extends LineDecoder {
      override next(): string | undefined {
        asked++;
        return super.next();
      }
    }
    const answer = (): string => {
      left--;
      return reply;
    };
    const { open } = stateless({ protocol: "milter", createDecoder: () => new CountedDecoder(), answer });
    const session = { takesTurns: true, isIdle: () => isIdle };
    const { connect } = await serve({ protocol: "milter", open: () => Object.assign(open(), session) }, true);
    const countTurn = (): void => {
      if (asked > 0) busy++;
      else if (busy > 0) free++;
      asked = 0;
      if (left > 0) setImmediate(countTurn);
    };
    countTurn();
    connect().socket.write(`${bytes}\n`);
    await until(() => left === 0);
    expect(busy).toBeGreaterThan(3);
    if (pauses) expect(free).toBeGreaterThan(3 * busy);
    else expect(free).toBeLessThan(3 * busy);
  });

  test("of a milter's peer waits no longer because a turn found nothing left of its message", async () => {
    const pauses = vi.spyOn(globalThis, "setTimeout");
    cleanups.push(() => pauses.mockRestore());
    let answered = 0;
    const answer = (): string => {
      answered++;
      return "";
    };
    const { open } = stateless({ protocol: "milter", createDecoder: () => new LineDecoder(), answer });
    const session = { takesTurns: true, isIdle: () => false };
    const { connect } = await serve({ protocol: "milter", open: () => Object.assign(open(), session) }, true);
    const peer = connect();
    // As many as one turn takes, in a read that is long.
    const lines = `${"a".repeat(99)}\n`.repeat(256);
    await until(() => peer.socket.readyState === "open");
    pauses.mockClear();
    for (let i = 1; i <= 4; i++) {
      peer.socket.write(lines);
      while (answered < i * 256) await nextTurn();
      for (let turn = 0; turn < 10; turn++) await nextTurn();
    }
    expect(pauses.mock.calls.map(([, ms]) => ms)).toEqual([]);
  });

  test("that skips a line without an end is a new one only once", async () => {
    const isNew: boolean[] = [];
    const { add } = Backlog.prototype;
    const spy = vi.spyOn(Backlog.prototype, "add").mockImplementation(function (this: Backlog, worker) {
      isNew.push(worker.isNew === true);
      add.call(this, worker);
    });
    cleanups.push(() => spy.mockRestore());
    const service = { protocol: "tcp_table", createDecoder: () => new TcpTableDecoder(), answer: () => "" } as const;
    const { connect } = await serve(stateless(service));
    connect().socket.write("a".repeat(200_000));
    await until(() => isNew.length >= 10);
    expect(isNew.slice(0, 10)).toEqual([true, ...Array<boolean>(9).fill(false)]);
  });

  test.each<{ name: string; answer: Answer }>([
    { name: "answered at once", answer: () => "" },
    { name: "answered in a microtask", answer: () => Promise.resolve("") },
  ])(
    "that sends more than one read takes, $name, is read twice in a turn of the event loop at most",
    async ({ answer }) => {
      const { server, connect } = await serve(answer);
      const peer = connect();
      await until(() => server.sockets.length === 1);
      let [chars, reads, mostReads] = [0, 0, 0];
      server.sockets[0]?.on("data", (chunk: string) => {
        chars += chunk.length;
        if (reads++ > 0) return;
        setImmediate(() => {
          mostReads = Math.max(mostReads, reads);
          reads = 0;
        });
      });
      peer.socket.write(`${"x".repeat(9_999)}\n`.repeat(200));
      await until(() => chars === 2_000_000 && reads === 0);
      expect(mostReads).toBeLessThanOrEqual(2);
    },
  );

  test("with one long request is answered soon, though a hundred that never end theirs were there first", async () => {
    const { server, connect } = await serve((line) => `${line.length}\n`);
    for (let i = 0; i < 100; i++) connect().socket.write("x".repeat(100_000));
    await until(() => server.sockets.length === 100 && server.budget.totalBytes >= 100 * REQUEST_READ_BYTES);
    const before = server.budget.totalBytes;
    const peer = connect();
    peer.socket.write(`${"y".repeat(10_000)}\n`);
    await until(() => peer.received === "10000\n");
    expect((server.budget.totalBytes - before) / REQUEST_READ_BYTES).toBeLessThan(50);
  });

  test("with half a request is not dropped for those whose half requests grow all the time", async () => {
    const { server, connect } = await serve((line) => `${line}!\n`);
    for (let i = 0; i < 100; i++) connect().socket.write("x".repeat(20_000));
    await until(() => server.budget.totalBytes >= 100 * REQUEST_READ_BYTES);
    const peer = connect();
    peer.socket.write("hel");
    await until(() => server.sockets.length === 101 && (server.sockets[100]?.bytesRead ?? 0) > 0);
    server.budget.limitBytes = server.budget.totalBytes;
    await until(() => server.problems.length > 0);
    peer.socket.write("lo\n");
    await until(() => peer.received === "hello!\n");
  });

  test("is read no further either while the peer takes what was answered before", async () => {
    const slow = new Held();
    const big = `${"x".repeat(10_000_000)}\n`;
    const { server, connect } = await serve((line) => (line === "slow" ? slow.wait() : big));
    const peer = connect();
    peer.socket.pause();
    peer.socket.write("big\nslow\n");
    await until(() => (server.sockets[0]?.writableLength ?? 0) > 0);
    peer.socket.resume();
    await until(() => peer.received.length === big.length && server.sockets[0]?.writableLength === 0);
    expect(server.sockets[0]?.isPaused()).toBe(true);
    slow.give("slow!\n");
    await until(() => peer.received.endsWith("slow!\n"));
    expect(server.sockets[0]?.isPaused()).toBe(false);
  });

  test("is read no further after a late answer that its peer does not take", async () => {
    const slow = new Held();
    const { server, connect } = await serve(() => slow.wait());
    const peer = connect();
    peer.socket.pause();
    peer.socket.write("slow\n");
    await until(() => slow.isAwaited);
    slow.give(`${"x".repeat(10_000_000)}\n`);
    await until(() => (server.sockets[0]?.writableLength ?? 0) > 0);
    expect(server.sockets[0]?.isPaused()).toBe(true);
    peer.socket.resume();
    await until(() => peer.received.endsWith("x\n") && server.sockets[0]?.isPaused() === false);
  });

  test("that is reset while its answer is made disturbs nobody", async () => {
    const slow = new Held();
    const { server, connect } = await serve((line) => (line === "slow" ? slow.wait() : `${line}!\n`));
    const gone = connect();
    gone.socket.write("slow\n");
    await until(() => slow.isAwaited);
    gone.socket.resetAndDestroy();
    slow.give("slow!\n");
    await until(() => server.sockets[0]?.destroyed === true);
    expect(await connect().ask("b\n")).toBe("b!\n");
    expect(server.problems).toEqual([]);
  });

  test("whose answer fails is closed without one, after those before it", async () => {
    const { server, connect } = await serve((line) =>
      line === "bad" ? Promise.reject(new Error("ours")) : `${line}!\n`,
    );
    const peer = connect();
    peer.socket.write("a\nbad\nb\n");
    await peer.closed;
    expect(peer.received).toBe("a!\n");
    expect(server.problems).toEqual(["policy: Error: ours"]);
  });

  test("whose service throws is closed likewise", async () => {
    const { server, connect } = await serve((line) => {
      if (line === "bad") throw new TypeError("a bug");
      return `${line}!\n`;
    });
    const peer = connect();
    peer.socket.write("a\nbad\n");
    await peer.closed;
    expect(peer.received).toBe("a!\n");
    expect(server.problems).toEqual(["policy: TypeError: a bug"]);
  });

  test.each([
    { name: "and more", rest: "!\nb\n!\n", ends: false },
    { name: "and closes its half", rest: "!\nb\n", ends: true },
  ])("that breaks the protocol $name is told once, and closed", async ({ rest, ends }) => {
    const { server, connect } = await serve((line) => `${line}!\n`);
    const peer = connect();
    if (ends) peer.socket.end(`a\n${rest}`);
    else peer.socket.write(`a\n${rest}`);
    await peer.closed;
    expect(peer.received).toBe("a!\nbye\n");
    expect(server.problems).toEqual(["policy: Cannot read line: it begins with !"]);
  });

  test("that breaks the protocol and closes its half gets every answer, however late it reads", async () => {
    const answer = `${"x".repeat(10_000_000)}\n`;
    const { server, connect } = await serve(() => answer);
    const peer = connect();
    peer.socket.pause();
    peer.socket.end("a\n!\n");
    await until(() => server.sockets[0]?.readableEnded === true);
    peer.socket.resume();
    await peer.closed;
    expect(peer.received.length).toBe(answer.length + "bye\n".length);
    expect(server.problems).toEqual(["policy: Cannot read line: it begins with !"]);
  });

  test("that breaks the protocol and does not stop sending is closed all the same", async () => {
    const { server, connect } = await serve((line) => `${line}!\n`);
    const peer = connect();
    peer.socket.write(`!\n${"x".repeat(5_000_000)}`);
    await peer.closed;
    expect(server.problems).toHaveLength(1);
  });
});
