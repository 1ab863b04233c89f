/** Hands the bytes of a connection to node:http in pieces, in turns with other connections. */
import type { Socket } from "node:net";
import { Backlog, type Worker } from "../net/backlog.ts";

/** Largest piece in bytes. Most requests of scrapers are shorter. */
const PIECE_BYTES = 1024;

/** Bytes that may wait: more than the longest header that node:http accepts. */
const MAX_WAITING_BYTES = 65_536;

/** Ends a request: those that we answer have no body. */
const HEADER_END = "\r\n\r\n";

const backlog = new Backlog();

/** Takes over the `data` listener of node:http, which has just got the socket. */
export function feedInTurns(socket: Socket): void {
  const [parse] = socket.listeners("data");
  if (parse === undefined) return;
  const feed = new Feed(socket, (piece) => parse.call(socket, piece));
  socket.removeAllListeners("data");
  socket.on("data", (bytes: Buffer) => feed.take(bytes));
}

/**
 * The received bytes of one connection. No more are read until they are parsed, and each piece takes a turn of the event
 * loop: fifty connections that come at once would stop everything else for as many requests. A peer that sends on behind a
 * request is hung up on, because node:http would parse thousands of requests in one packet.
 */
class Feed implements Worker {
  readonly #socket: Socket;
  readonly #parse: (piece: Buffer) => void;
  #bytes: Buffer = NOTHING;

  constructor(socket: Socket, parse: (piece: Buffer) => void) {
    this.#socket = socket;
    this.#parse = parse;
  }

  take(bytes: Buffer): void {
    if (this.#bytes.length > 0) {
      // node:http resumes the socket behind each request.
      if (this.#bytes.length < MAX_WAITING_BYTES) this.#bytes = Buffer.concat([this.#bytes, bytes]);
      else this.#socket.destroy();
      return;
    }
    this.#bytes = bytes;
    this.#socket.pause();
    backlog.add(this);
  }

  takeTurn(): void {
    if (this.#socket.destroyed) return;
    const end = this.#bytes.subarray(0, PIECE_BYTES).indexOf(HEADER_END, 0, "latin1");
    const length = end < 0 ? PIECE_BYTES : end + HEADER_END.length;
    const piece = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    this.#parse(piece);
    if (this.#bytes.length === 0) this.#socket.resume();
    else if (end < 0) backlog.add(this);
    else this.#socket.destroySoon();
  }
}

const NOTHING = Buffer.alloc(0);
