/**
 * A hostile peer, as a process of its own: `node attacker.ts ATTACK PROTOCOL HOST:PORT`. It goes on until it is told to
 * end, and says through its channel when the attack is under way. See parts/hostile.ts.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_PACKET_BYTES } from "../src/milter/wire.ts";
import { mta } from "../test/milter/mta.ts";
import { type ListenerProtocol, OPENINGS, REQUESTS } from "./requests.ts";

/** What a peer sends beside whole requests: ones that never end, and ones with nothing in them. */
const BYTES: Readonly<Record<ListenerProtocol, { half: string; empty: string }>> = {
  tcp: { half: `get ${"a".repeat(4000)}`, empty: "\n" },
  socketmap: { half: `9990:forward ${"a".repeat(9900)}`, empty: "0:," },
  policy: { half: `sender=${"a".repeat(60_000)}`, empty: "\n" },
  http: { half: `GET /metrics HTTP/1.1\r\nX: ${"a".repeat(15_000)}`, empty: "\r\n" },
  milter: { half: mta.field("X", "a".repeat(60_000)).slice(0, -2), empty: mta.abort() },
};

/** The head of a milter's longest packet: a line without an end is its data. */
const LONGEST_HEAD = mta.field("", "a".repeat(MAX_PACKET_BYTES - 3)).slice(0, 5);

const PACKET_LINES = 65_536;

interface Victim {
  readonly protocol: ListenerProtocol;
  readonly host: string;
  readonly port: number;
}

/** Each resolves when it is under way. */
export const ATTACKS = {
  nobody: async () => void setInterval(() => {}, 1000),
  "one byte a second, 200 peers": (victim) =>
    hold(victim, 200, (socket) => {
      let at = 0;
      const bytes = OPENINGS[victim.protocol] + requests(victim, 1000);
      const timer = setInterval(() => socket.write(bytes[at++] ?? "", "latin1"), 1000);
      socket.on("close", () => clearInterval(timer));
    }),
  "never reads, 50 peers": (victim) =>
    hold(victim, 50, (socket) => flood(opened(victim, socket.pause()), requests(victim, 100))),
  "a line without an end, 20 peers": (victim) =>
    hold(victim, 20, (socket) => {
      if (victim.protocol === "milter") opened(victim, socket).write(LONGEST_HEAD, "latin1");
      flood(socket, "a".repeat(65_536));
    }),
  "10,000 idle": (victim) => hold(victim, 10_000, () => {}),
  "2,000 connects a second": (victim) => repeat(2000, () => open(victim, (socket) => socket.resetAndDestroy())),
  "megabytes in a pipeline, 4 peers": (victim) =>
    hold(victim, 4, (socket) => flood(opened(victim, socket), requests(victim, 500))),
  "65,536 empty lines in a packet, 20 peers": (victim) => {
    const packet = BYTES[victim.protocol].empty.repeat(PACKET_LINES);
    return hold(victim, 20, (socket) => {
      opened(victim, socket);
      const timer = setInterval(() => socket.writableLength === 0 && socket.write(packet, "latin1"), 500);
      socket.on("close", () => clearInterval(timer));
    });
  },
  "netstrings of 2^64, 20 peers": (victim) =>
    hold(victim, 20, (socket) => flood(socket, `18446744073709551616:${"a".repeat(65_536)}`)),
  "netstrings of 10 GB, 20 peers": (victim) =>
    hold(victim, 20, (socket) => {
      socket.write("9999999999:");
      flood(socket, "a".repeat(65_536));
    }),
  "half-closed in mid-request, 500 a second": (victim) =>
    repeat(500, () => open(victim, (socket) => opened(victim, socket).end(requests(victim, 1).slice(0, -2), "latin1"))),
  "RST after a request, 1,000 a second": (victim) =>
    repeat(1000, () =>
      open(victim, (socket) =>
        socket.write(OPENINGS[victim.protocol] + requests(victim, 1), "latin1", () => socket.resetAndDestroy()),
      ),
    ),
  "8,000 half requests": (victim) =>
    hold(victim, 8000, (socket) => void opened(victim, socket).write(BYTES[victim.protocol].half, "latin1")),
} as const satisfies Readonly<Record<string, (victim: Victim) => Promise<void>>>;

export type AttackName = keyof typeof ATTACKS;

/** No attack, for the error of the method: two servers that differ in nothing. */
export const NOBODY = "nobody" satisfies AttackName;

function requests({ protocol }: Victim, count: number): string {
  return REQUESTS[protocol].repeat(count);
}

/** Sends what a connection begins with. */
function opened({ protocol }: Victim, socket: Socket): Socket {
  socket.write(OPENINGS[protocol], "latin1");
  return socket;
}

/** From ever new addresses of the loopback network, or the ports of one would be used up. */
function open({ host, port }: Victim, onConnect: (socket: Socket) => void): Socket {
  const any = (): number => 1 + Math.floor(254 * Math.random());
  const socket = connect({ host, port, localAddress: `127.${any()}.${any()}.${any()}` });
  socket.on("error", () => {});
  socket.once("connect", () => onConnect(socket));
  return socket;
}

/** Connections that are opened at a time: more would only wait in the kernel's queue. */
const OPENING = 100;

/** Longest time until the next are opened. The kernel ignores those that find no place in a short queue, and they ask again. */
const OPENING_MS = 200;

/** Keeps `count` connections, each attacking as `act` says; one that is hung up on comes again, a second later. */
async function hold(victim: Victim, count: number, act: (socket: Socket) => void): Promise<void> {
  const keep = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = open(victim, () => {
        socket.resume();
        act(socket);
        resolve();
      });
      socket.on("close", () => {
        resolve();
        setTimeout(keep, 1000);
      });
    });
  for (let opened = 0; opened < count; opened += OPENING) {
    const some = Promise.all(Array.from({ length: Math.min(OPENING, count - opened) }, keep));
    await Promise.race([some, sleep(OPENING_MS)]);
  }
}

/** Sends `bytes` again and again, as fast as they are taken. */
function flood(socket: Socket, bytes: string): void {
  const more = (): void => {
    if (!socket.destroyed) socket.write(bytes, "latin1", (error) => error ?? setImmediate(more));
  };
  more();
}

const TICK_MS = 10;

async function repeat(perSecond: number, act: () => void): Promise<void> {
  setInterval(() => {
    for (let i = 0; i < (perSecond * TICK_MS) / 1000; i++) act();
  }, TICK_MS);
}

if (import.meta.main) {
  const [attack = "", protocol = "", target = ""] = process.argv.slice(2);
  const [host = "", port = ""] = target.split(":");
  await ATTACKS[attack as AttackName]({ protocol: protocol as ListenerProtocol, host, port: Number(port) });
  process.send?.("under way");
}
