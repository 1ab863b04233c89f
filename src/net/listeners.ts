/** The set of open endpoints: changed as a whole on reload, drained at the end. */
import type { Server, Socket } from "node:net";
import type { Service } from "./codec.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import { type ListenOptions, listen } from "./listen.ts";
import { Connection, type ServeHooks } from "./serve.ts";

/** One endpoint and what it serves. */
export interface Wanted {
  /** The service's name in logs and in the `listener` label, e.g. `tcptable.forward`. */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Takes a new connection. */
  accept(socket: Socket): Drainable;
}

/** Something that can be asked to hang up when nothing is under way. */
export interface Drainable {
  drain(): void;
}

/** Serves connections with a decoder service. */
export function serveWith<Request>(service: Service<Request>, hooks: ServeHooks): (socket: Socket) => Drainable {
  return (socket) => new Connection(socket, service, hooks);
}

interface Open {
  readonly wanted: Wanted;
  readonly server: Server;
  readonly connections: Map<Socket, Drainable>;
}

export class Listeners {
  readonly #open = new Map<string, Open>();
  /** Closed by a reload, with peers that have not left. */
  #closing: Open[] = [];
  readonly #options: Pick<ListenOptions, "socketMode" | "reusePort">;

  constructor(options: Pick<ListenOptions, "socketMode" | "reusePort">) {
    this.#options = options;
  }

  /**
   * Opens what is wanted and not open yet, then closes what is open and no longer wanted. Connections of a closed
   * endpoint live on until their peers leave.
   *
   * @returns the endpoints that were opened
   * @throws {ListenError} when one cannot be opened; then everything is as it was before
   */
  async apply(wanted: readonly Wanted[]): Promise<Wanted[]> {
    const keys = new Map(wanted.map((one) => [`${one.name} ${formatEndpoint(one.endpoint)}`, one]));
    const opened = new Map<string, Open>();
    try {
      for (const [key, one] of keys) {
        if (!this.#open.has(key)) opened.set(key, await this.#openOne(one));
      }
    } catch (error) {
      for (const { server } of opened.values()) server.close();
      throw error;
    }
    this.#closing = this.#closing.filter(({ connections }) => connections.size > 0);
    for (const [key, open] of this.#open) {
      if (keys.has(key)) continue;
      open.server.close();
      this.#open.delete(key);
      this.#closing.push(open);
    }
    for (const [key, open] of opened) this.#open.set(key, open);
    return [...opened.values()].map((open) => open.wanted);
  }

  /** Open connections by listener name. */
  connections(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { wanted, connections } of [...this.#open.values(), ...this.#closing]) {
      counts.set(wanted.name, (counts.get(wanted.name) ?? 0) + connections.size);
    }
    return counts;
  }

  /** Takes no more connections, lets what is under way end, and after `deadlineMs` ends the rest. */
  async drain(deadlineMs: number): Promise<void> {
    const open = [...this.#open.values(), ...this.#closing];
    const closed = open.map(({ server }) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const { connections } of open) for (const connection of connections.values()) connection.drain();
    const timer = setTimeout(() => {
      for (const { connections } of open) for (const socket of connections.keys()) socket.destroy();
    }, deadlineMs);
    await Promise.all(closed);
    clearTimeout(timer);
    this.#open.clear();
    this.#closing = [];
  }

  async #openOne(wanted: Wanted): Promise<Open> {
    const connections = new Map<Socket, Drainable>();
    const server = await listen(wanted.endpoint, {
      name: wanted.name,
      ...this.#options,
      onConnection(socket) {
        connections.set(socket, wanted.accept(socket));
        socket.once("close", () => connections.delete(socket));
      },
    });
    return { wanted, server, connections };
  }
}
