/** Hands what a connection sends to node:http in pieces, in turns with other connections. */
import type { Socket } from "node:net";
import { Backlog, type Worker } from "../net/backlog.ts";

/** Largest piece in bytes, of latin1. Most requests of scrapers are shorter. */
const PIECE_CHARS = 1024;

/** Bytes that may wait: more than the longest header that node:http accepts. */
const MAX_WAITING_CHARS = 20_000;

/** Ends a request: those that we answer have no body. */
const HEADER_END = "\r\n\r\n";

/** Pause before each piece in milliseconds. A request takes a millisecond, and mail comes first: at 4 others waited 3 ms. */
const PAUSE_MS = 10;

/** The turns of the connections of one server. */
export function createTurns(): Backlog {
  return new Backlog(PAUSE_MS);
}

/** What becomes of a connection. */
interface Http {
  /**
   * Hands the socket to node:http. Called at the first piece, because that costs more than the connection itself, and many
   * peers ask for nothing.
   */
  connect(): void;
  /** Closes the connection behind the answer that is being made. */
  hangUp(): void;
}

/** Feeds a new connection to node:http. */
export function feedInTurns(socket: Socket, turns: Backlog, http: Http): void {
  const feed = new Feed(socket, turns, http);
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
 * request is hung up on once that is answered, because node:http would parse thousands of requests in one packet. Empty lines
 * are skipped: `echo` of a shell ends with one.
 */
class Feed implements Worker {
  readonly #socket: Socket;
  readonly #turns: Backlog;
  readonly #http: Http;
  #parser: Parser | undefined;
  #text = "";
  #ended = false;

  constructor(socket: Socket, turns: Backlog, http: Http) {
    this.#socket = socket;
    this.#turns = turns;
    this.#http = http;
  }

  readonly onData = (text: string): void => {
    if (this.#text.length > MAX_WAITING_CHARS) {
      this.#socket.destroy();
      return;
    }
    if (this.#text === "") this.#turns.add(this);
    // node:http resumes the socket behind each request, so that more may come.
    this.#text += text;
    this.#socket.pause();
  };

  /** The peer has closed its half. A paused socket tells of it too, so bytes may still wait for their turn. */
  readonly onEnd = (): void => {
    this.#ended = true;
    if (this.#text !== "") return;
    if (this.#parser === undefined) this.#socket.destroy();
    else this.#parser.end();
  };

  get isGone(): boolean {
    return this.#socket.destroyed;
  }

  takeTurn(): void {
    const end = this.#text.slice(0, PIECE_CHARS).indexOf(HEADER_END);
    const length = end < 0 ? PIECE_CHARS : end + HEADER_END.length;
    const piece = this.#text.slice(0, length);
    const rest = this.#text.slice(length);
    this.#text = end < 0 ? rest : rest.replace(/^[\r\n]+/, "");
    this.#parser ??= this.#takeOver();
    this.#parser.parse(Buffer.from(piece, "latin1"));
    if (this.#text === "") {
      this.#socket.resume();
      if (this.#ended) this.#parser.end();
    } else if (end < 0) this.#turns.add(this);
    else this.#http.hangUp();
  }

  /** Hands the socket to node:http, and takes its listeners away. */
  #takeOver(): Parser {
    const socket = this.#socket;
    socket.off("data", this.onData).off("end", this.onEnd);
    this.#http.connect();
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
