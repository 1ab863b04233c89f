/** The connections of the status server: what each is about, and until when. */
import type { Socket } from "node:net";
import { TransientMap } from "../collections/transient-map.ts";

/** Longest time from the connection to a whole request, and from there until its answer is taken, in milliseconds. */
const REQUEST_MS = 10_000;

/**
 * Longest time from an answer to the next whole request, in milliseconds. Longer than the interval of most scrapers.
 */
const IDLE_MS = 65_000;

/**
 * Largest number of connections, enough for some scrapers and a load balancer. Mail needs the other descriptors. For one more
 * the oldest that has nothing to be answered is closed, so that silent ones keep nobody out.
 */
const MAX_CONNECTIONS = 64;

/** Connections with their deadlines, those that came longest ago first. */
type Waiting = TransientMap<Socket, NodeJS.Timeout>;

/** Keeps the deadlines, because http.Server keeps them only for connections that it accepts itself. */
export class Peers {
  /** Those that have not asked yet. */
  readonly #unasked: Waiting = new TransientMap();
  /** Those whose answer is being made, or not taken yet. */
  readonly #answering: Waiting = new TransientMap();
  /** Those between two requests. */
  readonly #idle: Waiting = new TransientMap();
  /** Those to close behind the answer that is being made. */
  readonly #leaving = new WeakSet<Socket>();

  /** Takes a new connection, if there is room or room can be made. */
  admit(socket: Socket): boolean {
    if (!this.#makeRoom()) return false;
    this.#move(socket, this.#unasked, REQUEST_MS);
    return true;
  }

  /** Notes a whole request. False if the one before has no answer yet, or the connection was told to close. */
  ask(socket: Socket): boolean {
    if (!this.#unasked.has(socket) && !this.#idle.has(socket)) return false;
    this.#move(socket, this.#answering, REQUEST_MS);
    return true;
  }

  /** Notes that an answer was taken. */
  finish(socket: Socket): void {
    // It may have been closed before.
    if (!this.#answering.has(socket)) return;
    if (this.#leaving.has(socket)) socket.destroySoon();
    else this.#move(socket, this.#idle, IDLE_MS);
  }

  /** Closes a connection, behind the answer that is being made. */
  hangUp(socket: Socket): void {
    if (this.#answering.has(socket)) this.#leaving.add(socket);
    else socket.destroySoon();
  }

  /** Called when a connection has closed. */
  forget(socket: Socket): void {
    for (const waiting of [this.#unasked, this.#answering, this.#idle]) {
      clearTimeout(waiting.get(socket));
      waiting.delete(socket);
    }
  }

  #move(socket: Socket, to: Waiting, longestMs: number): void {
    this.forget(socket);
    to.set(
      socket,
      setTimeout(() => socket.destroy(), longestMs),
    );
  }

  #makeRoom(): boolean {
    if (this.#unasked.size + this.#answering.size + this.#idle.size < MAX_CONNECTIONS) return true;
    // The greater half gives way, or those that only hold idle ones would leave a new one no time to ask.
    const [oldest] = (this.#unasked.size >= this.#idle.size ? this.#unasked : this.#idle).keys();
    if (oldest === undefined) return false;
    this.forget(oldest);
    oldest.destroy();
    return true;
  }
}
