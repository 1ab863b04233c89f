/** Hands the bytes of a connection to node:http in pieces, in turns with other connections. */
import type { Socket } from "node:net";
import { Backlog, type Worker } from "../net/backlog.ts";

/** Largest piece in bytes. Most requests of scrapers are shorter. */
const PIECE_BYTES = 1024;

/** Bytes that may wait: more than the longest header that node:http accepts. */
const MAX_WAITING_BYTES = 65_536;

/** Ends a request: those that we answer have no body. */
const HEADER_END = "\r\n\r\n";

/** Pause before each piece in milliseconds. A request takes a millisecond, and mail comes first. */
const PAUSE_MS = 4;

/** The turns of the connections of one server. */
export function createTurns(): Backlog {
  return new Backlog(PAUSE_MS);
}

/**
 * Feeds a new connection to node:http.
 *
 * @param connect hands the socket to node:http. Called at the first piece, because that costs more than the connection itself,
 * and many peers ask for nothing
 */
export function feedInTurns(socket: Socket, turns: Backlog, connect: () => void): void {
  const feed = new Feed(socket, turns, connect);
  socket.on("data", feed.onData);
  socket.on("end", feed.onEnd);
  // A reset by the peer is normal, and "close" always follows.
  socket.on("error", () => {});
}

/** The listeners of node:http that we call in its place. */
interface Parser {
  parse(piece: Buffer): void;
  end(): void;
}

/**
 * The received bytes of one connection. No more are read until they are parsed, and each piece takes a turn of the event
 * loop: fifty connections that come at once would stop everything else for as many requests. A peer that sends on behind a
 * request is hung up on, because node:http would parse thousands of requests in one packet.
 */
class Feed implements Worker {
  readonly #socket: Socket;
  readonly #turns: Backlog;
  readonly #connect: () => void;
  #parser: Parser | undefined;
  #bytes: Buffer = NOTHING;
  #ended = false;

  constructor(socket: Socket, turns: Backlog, connect: () => void) {
    this.#socket = socket;
    this.#turns = turns;
    this.#connect = connect;
  }

  readonly onData = (bytes: Buffer): void => {
    if (this.#bytes.length > 0) {
      // node:http resumes the socket behind each request.
      if (this.#bytes.length < MAX_WAITING_BYTES) this.#bytes = Buffer.concat([this.#bytes, bytes]);
      else this.#socket.destroy();
      return;
    }
    this.#bytes = bytes;
    this.#socket.pause();
    this.#turns.add(this);
  };

  /** The peer has closed its half. A paused socket tells of it too, so bytes may still wait for their turn. */
  readonly onEnd = (): void => {
    this.#ended = true;
    if (this.#bytes.length > 0) return;
    if (this.#parser === undefined) this.#socket.destroy();
    else this.#parser.end();
  };

  takeTurn(): void {
    if (this.#socket.destroyed) return;
    const end = this.#bytes.subarray(0, PIECE_BYTES).indexOf(HEADER_END, 0, "latin1");
    const length = end < 0 ? PIECE_BYTES : end + HEADER_END.length;
    const piece = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    this.#parser ??= this.#takeOver();
    this.#parser.parse(piece);
    if (this.#bytes.length === 0) {
      this.#socket.resume();
      if (this.#ended) this.#parser.end();
    } else if (end < 0) this.#turns.add(this);
    else this.#socket.destroySoon();
  }

  /** Hands the socket to node:http, and takes its listeners away. */
  #takeOver(): Parser {
    const socket = this.#socket;
    socket.off("data", this.onData).off("end", this.onEnd);
    this.#connect();
    const [parsers, enders] = [socket.listeners("data"), socket.listeners("end")];
    socket.removeAllListeners("data").removeAllListeners("end");
    socket.on("data", this.onData).on("end", this.onEnd);
    return {
      parse(piece) {
        for (const listener of parsers) listener.call(socket, piece);
      },
      end() {
        for (const listener of enders) listener.call(socket);
      },
    };
  }
}

const NOTHING = Buffer.alloc(0);
