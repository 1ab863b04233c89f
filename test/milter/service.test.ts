/** Tests the service on a real socket. */
import { afterEach, describe, expect, test } from "vitest";
import type { Decision, MessageHandler, Wants } from "../../src/milter/application.ts";
import { FIELD_OVERHEAD_BYTES } from "../../src/milter/message.ts";
import { createMilterService } from "../../src/milter/service.ts";
import { Listeners } from "../../src/net/listeners.ts";
import { Peer } from "../helpers/daemon.ts";
import { freePort } from "../helpers/free-port.ts";
import { heapBytes } from "../helpers/kept-memory.ts";
import { apply, LineServer, UNLIMITED, until } from "../net/echo.ts";
import { fed, recordingApplication, recordingObserver, SILENT_WANTS } from "./applications.ts";
import { mta, POSTFIX_OFFER, packet, readPackets, replies } from "./mta.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const OPTIONS = mta.options(...POSTFIX_OFFER);
const SENDER_BYTES = "<a@b.example>".length;
const BEGIN = [mta.connect(), mta.mail("<a@b.example>"), mta.rcpt("<c@d.example>")].join("");
const CONTENT = [mta.field("From", " a"), mta.eoh(), mta.body("hi\r\n"), mta.eom()].join("");

async function serve(handler: Partial<MessageHandler> = {}, wants: Partial<Wants> = SILENT_WANTS.wants) {
  const port = await freePort();
  const listeners = new Listeners(UNLIMITED);
  cleanups.push(() => listeners.drain(0));
  const events: string[] = [];
  const { observer, problems } = recordingObserver();
  const application = recordingApplication(events, wants, handler);
  const server = new LineServer(createMilterService(() => application, observer));
  const endpoint = { type: "inet", host: "127.0.0.1", port } as const;
  await apply(listeners, [{ name: "m", endpoint, accept: server.accept }]);
  const connect = (): Peer => {
    const peer = new Peer(port);
    cleanups.push(() => peer[Symbol.dispose]());
    return peer;
  };
  return { listeners, server, events, problems, connect };
}

function send(peer: Peer, bytes: string): void {
  peer.socket.write(bytes, "latin1");
}

/** Waits until so many packets have come. @returns them in short, without OPTNEG */
async function received(peer: Peer, count: number): Promise<string[]> {
  const isWhole = (): boolean => {
    try {
      return readPackets(peer.received).length >= count;
    } catch {
      return false;
    }
  };
  await until(isWhole);
  return replies(peer.received).slice(1);
}

test("A message is answered in one write, edits and reply, however many edits there are", async () => {
  const insert = Array.from({ length: 500 }, (_, at) => ({
    position: 0,
    name: `X-${at}`,
    value: ` ${"v".repeat(500)}`,
  }));
  const { connect, server } = await serve({ eom: (): Decision => ({ reply: "continue", edits: { insert } }) });
  const peer = connect();
  send(peer, OPTIONS + BEGIN);
  await received(peer, 1);
  const writes: unknown[] = [];
  const [socket] = server.sockets;
  if (socket === undefined) throw new Error("no socket");
  const write = socket.write.bind(socket) as (...all: unknown[]) => boolean;
  socket.write = (...all: unknown[]) => {
    writes.push(all[0]);
    return write(...all);
  };
  send(peer, CONTENT);
  expect(await received(peer, 502)).toHaveLength(501);
  expect(writes).toHaveLength(1);
});

test("An error of ours is one `t`; the connection stays, and so do the others", async () => {
  const eom = (): never => {
    throw new Error("ours");
  };
  const { connect, server, problems } = await serve({ eom });
  const peer = connect();
  send(peer, OPTIONS + BEGIN + CONTENT + mta.abort() + mta.mail("<a@b.example>") + CONTENT);
  expect(await received(peer, 3)).toEqual(["t", "t"]);
  expect(problems).toEqual(["NOQUEUE: failed: ours", "NOQUEUE: failed: ours"]);
  expect(server.problems).toEqual([]);
});

describe("A peer that breaks the protocol", () => {
  test.each([
    ["an unknown command", OPTIONS + packet("x"), 'milter: Cannot read packet "x": no such command'],
    ["another protocol", "EHLO a\r\n", "milter: Cannot read packet of 1162366031 bytes: want 1 to 1048576"],
    ["no OPTNEG", mta.helo(), "milter: Cannot serve HELO: want OPTNEG first"],
    ["an old version", mta.options(1, 0x3f, 0x7f), "milter: Cannot speak milter version 1: want 2 or later"],
  ])("with %s is closed, and the problem named", async (_, bytes, problem) => {
    const { connect, server } = await serve();
    const peer = connect();
    send(peer, bytes);
    await peer.closed;
    expect(server.problems).toEqual([problem]);
  });

  test("by an end within a packet is closed, and its message aborted", async () => {
    const { connect, server, events } = await serve();
    const peer = connect();
    peer.socket.end(Buffer.from(OPTIONS + BEGIN + mta.body("half").slice(0, -1), "latin1"));
    await peer.closed;
    await until(() => events.at(-1) === "abort");
    expect(server.problems).toEqual(["milter: Cannot read BODY: the connection ended within it"]);
  });
});

describe("A stop", () => {
  test("waits for the message under way, however long its peer is silent, and ends the connection then", async () => {
    const { connect, listeners } = await serve();
    const [busy, idle] = [connect(), connect()];
    send(busy, OPTIONS + BEGIN + CONTENT + mta.mail("<a@b.example>"));
    send(idle, OPTIONS + BEGIN + CONTENT + mta.abort());
    await received(busy, 2);
    await received(idle, 2);
    const drained = listeners.drain(10_000);
    await idle.closed;
    await new Promise((resolve) => setTimeout(resolve, 150));
    send(busy, CONTENT);
    expect(await received(busy, 3)).toEqual(["c", "c"]);
    await busy.closed;
    await drained;
  });

  test("does not wait for a message that was refused", async () => {
    const { connect, listeners } = await serve({ eoh: () => "reject" }, { answers: ["eoh"] });
    const peer = connect();
    send(peer, OPTIONS + BEGIN + mta.eoh());
    expect(await received(peer, 2)).toEqual(["r"]);
    await listeners.drain(10_000);
    await peer.closed;
  });

  test("ends a message that is never ended at its deadline", async () => {
    const { connect, listeners, events } = await serve();
    const peer = connect();
    send(peer, OPTIONS + BEGIN);
    await received(peer, 1);
    await until(() => events.length === 3);
    await listeners.drain(50);
    await peer.closed;
    await until(() => events.at(-1) === "abort");
  });
});

describe("The budget for half requests", () => {
  test("counts headers and half packets, and what must go is answered `t` and stays connected", async () => {
    const { connect, server, events } = await serve({}, { answers: [], maxHeaderBytes: 100_000 });
    server.budget.limitBytes = 50_000;
    const [first, second] = [connect(), connect()];
    const field = mta.field("X-Long", " v".repeat(15_000));
    send(first, OPTIONS + BEGIN + field.slice(0, -1));
    await until(() => server.budget.totalBytes === SENDER_BYTES + field.length - 6);
    send(second, OPTIONS + BEGIN + field);
    await until(() => server.problems.length > 0);
    expect(server.problems).toEqual(["milter: dropped"]);
    await until(
      () =>
        server.budget.totalBytes ===
        SENDER_BYTES + field.length - "12345\0\0".length + ":\r\n".length + FIELD_OVERHEAD_BYTES,
    );
    send(first, field.slice(-1) + CONTENT + mta.abort() + mta.mail("<a@b.example>") + CONTENT);
    send(second, CONTENT);
    expect(await received(first, 3)).toEqual(["t", "c"]);
    expect(await received(second, 2)).toEqual(["c"]);
    expect(server.budget.totalBytes).toBe(0);
    expect(events.filter((event) => event === "abort")).toHaveLength(1);
  });
});

test("A hundred sessions with large macros and headers keep no more than the budget", async () => {
  let count = 0;
  /** The fields that each handler keeps. */
  const fields = new WeakMap<object, unknown[]>();
  const { connect, server } = await serve(
    {
      header(field) {
        count++;
        const kept = fields.get(this) ?? [];
        kept.push(field);
        fields.set(this, kept);
      },
    },
    { answers: [], maxHeaderBytes: 1_000_000 },
  );
  server.budget.limitBytes = 2_000_000;
  const peers = Array.from({ length: 100 }, connect);
  const before = heapBytes();
  for (const peer of peers) {
    const seen = count;
    const macros = [..."CHMRTLN"].map((step) => mta.macros(step, { a: "v".repeat(60_000) })).join("");
    send(peer, OPTIONS + BEGIN + macros + mta.field("X", "y".repeat(1000)).repeat(200));
    await until(() => count - seen === 200);
  }
  await until(() => server.budget.totalBytes <= server.budget.limitBytes);
  expect(server.problems.length).toBeGreaterThan(90);
  expect(heapBytes() - before).toBeLessThan(2 * server.budget.limitBytes);
});

test("A hundred sessions with a body each keep no memory of it", async () => {
  let bytes = 0;
  const { connect, server } = await serve({
    body(chunk) {
      bytes += chunk.length;
      return true;
    },
  });
  const peers = Array.from({ length: 100 }, connect);
  const chunk = mta.body("y".repeat(65_535));
  for (const peer of peers) send(peer, OPTIONS + BEGIN + mta.field("From", " a") + mta.eoh());
  for (let i = 0; i < 10; i++) for (const peer of peers) send(peer, chunk);
  await until(() => bytes === 1000 * 65_535);
  expect(server.budget.totalBytes).toBe(100 * (SENDER_BYTES + "From: a\r\n".length + FIELD_OVERHEAD_BYTES));
  for (const peer of peers) send(peer, mta.eom());
  for (const peer of peers) expect(await received(peer, 2)).toEqual(["c"]);
});

test("A new application is in force from the next message on, and the one under way keeps its own", async () => {
  const events: string[] = [];
  let name = "first";
  const { observer } = recordingObserver();
  const eom = (): Decision => ({ reply: "continue" });
  const application = () => {
    const begun = name;
    return { ...recordingApplication(events, SILENT_WANTS.wants), begin: () => ({ eom, data: () => said(begun) }) };
  };
  const said = (begun: string) => {
    events.push(begun);
    return "continue" as const;
  };
  const session = createMilterService(application, observer).open();
  await fed(session, OPTIONS + BEGIN);
  name = "second";
  await fed(session, mta.data() + mta.eom() + mta.mail("<a@b.example>") + mta.data() + mta.eom());
  expect(events.slice(-2)).toEqual(["first", "second"]);
});

test("A decision that takes long is preceded by PROGRESS once a second, and by nothing after it", async () => {
  let awaited = Promise.withResolvers<Decision>();
  const { connect } = await serve({ eom: () => awaited.promise });
  const peer = connect();
  send(peer, OPTIONS + BEGIN + CONTENT);
  expect(await received(peer, 3)).toEqual(["p", "p"]);
  awaited.resolve({ reply: "reject" });
  expect(await received(peer, 4)).toEqual(["p", "p", "r"]);
  awaited = Promise.withResolvers<Decision>();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(replies(peer.received).slice(1)).toEqual(["p", "p", "r"]);
  // A peer that goes away meanwhile ends it.
  send(peer, mta.mail("<a@b.example>") + mta.rcpt("<c@d.example>") + CONTENT);
  await received(peer, 5);
  peer.socket.destroy();
});
