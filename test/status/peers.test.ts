import { Socket } from "node:net";
import { expect, test } from "vitest";
import { Peers } from "../../src/status/peers.ts";
import { keptOfPassing, PASSING } from "../helpers/passing-memory.ts";

test("Peers lets go of connections that have closed", () => {
  const peers = new Peers();
  const open: Socket[] = [];
  const kept = keptOfPassing((index) => {
    // It asks nothing of a socket before a deadline. Sockets of Node.js leave something behind themselves.
    const socket = { numbers: new Array(100).fill(1) } as unknown as Socket;
    peers.admit(socket);
    if (index % 2 === 0 && peers.ask(socket)) peers.finish(socket);
    open.push(socket);
    if (open.length > 10) peers.forget(open.shift() as Socket);
  });
  for (const socket of open) peers.forget(socket);
  expect(kept).toBeLessThan(PASSING * 200);
});

test("Peers takes no request of a connection that is answered, or has closed", () => {
  const [peers, socket] = [new Peers(), new Socket()];
  const asked = [peers.admit(socket), peers.ask(socket), peers.ask(socket)];
  peers.finish(socket);
  asked.push(peers.ask(socket));
  peers.forget(socket);
  expect([...asked, peers.ask(socket)]).toEqual([true, true, false, true, false]);
});
