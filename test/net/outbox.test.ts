import { expect, test } from "vitest";
import { Listeners } from "../../src/net/listeners.ts";
import { Outbox, type Sender } from "../../src/net/outbox.ts";
import { Peer } from "../helpers/daemon.ts";
import { freePort } from "../helpers/free-port.ts";
import { apply, LineServer, UNLIMITED, until } from "./echo.ts";

function sender(name: string, flushed: string[]): Sender {
  return { flush: () => flushed.push(name) };
}

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("answers of several senders leave together, in order, at the end of the turn", async () => {
  const flushed: string[] = [];
  const outbox = new Outbox();
  const [a, b] = [sender("a", flushed), sender("b", flushed)];
  expect([outbox.defers(a), outbox.defers(b), outbox.defers(a)]).toEqual([true, true, true]);
  expect(flushed).toEqual([]);
  await endOfTurn();
  expect(flushed).toEqual(["a", "b", "a"]);
  await endOfTurn();
  expect(flushed).toHaveLength(3);
});

test("who is answered twice in a row does not wait", () => {
  const flushed: string[] = [];
  const outbox = new Outbox();
  const alone = sender("alone", flushed);
  outbox.defers(alone);
  expect(outbox.defers(alone)).toBe(false);
});

test("many peers at once get each its own answers, whole and in order", async () => {
  const port = await freePort();
  const listeners = new Listeners(UNLIMITED);
  const server = new LineServer((line) => (line.endsWith("3") ? Promise.resolve(`${line}!\n`) : `${line}!\n`));
  await apply(listeners, [
    { name: "lines", endpoint: { type: "inet", host: "127.0.0.1", port }, accept: server.accept },
  ]);
  const peers = Array.from({ length: 50 }, () => new Peer(port));
  for (const [i, peer] of peers.entries()) {
    for (let n = 0; n < 20; n++) peer.socket.write(`${i}.${n}\n`);
    peer.socket.end();
  }
  for (const [i, peer] of peers.entries()) {
    const wanted = Array.from({ length: 20 }, (_, n) => `${i}.${n}!\n`).join("");
    await until(() => peer.received.length >= wanted.length);
    expect(peer.received).toBe(wanted);
  }
  await listeners.drain(0);
});
