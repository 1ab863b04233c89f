/** The set of open endpoints: changed as a whole on reload, drained at the end. */
import type { Server, Socket } from "node:net";
import { TransientMap } from "../collections/transient-map.ts";
import { acceptShared } from "./accept.ts";
import { Connection, type ServeHooks } from "./connection.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import { ListenError, type ListenOptions, listen } from "./listen.ts";
import type { Service } from "./session.ts";

/** One endpoint and what it serves. */
export interface Wanted {
  /** The service's name in logs and in the `listener` label, e.g. `tcptable.forward`. */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Takes a new connection. */
  accept(socket: Socket): Drainable;
  /** Stays open while the others drain: it tells how that goes. */
  readonly isStatus?: boolean;
}

/** Something that can be asked to hang up when nothing is under way. */
export interface Drainable {
  drain(): void;
}

/** Serves connections with a decoder service. */
export function serveWith<Request>(service: Service<Request>, hooks: ServeHooks): (socket: Socket) => Drainable {
  return (socket) => new Connection(socket, service, hooks);
}

/** Endpoints that could not be opened. */
export class ListenFailure extends Error {
  override name = "ListenFailure";
  readonly errors: readonly ListenError[];

  constructor(errors: readonly ListenError[]) {
    super(errors.map((error) => error.message).join("; "));
    this.errors = errors;
  }
}

interface Open {
  /** A reload may put another service on the same endpoint. */
  wanted: Wanted;
  readonly server: Server;
  readonly connections: TransientMap<Socket, Drainable>;
  /** Called when the last connection has closed. */
  onLastClosed: (() => void) | undefined;
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
   * @throws {ListenFailure} naming all that cannot be opened; then everything is as it was before
   */
  async apply(wanted: readonly Wanted[]): Promise<Wanted[]> {
    const byEndpoint = new Map(wanted.map((one) => [formatEndpoint(one.endpoint), one]));
    const opened = await this.#openAll([...byEndpoint].filter(([endpoint]) => !this.#open.has(endpoint)));
    this.#closing = this.#closing.filter(({ connections }) => connections.size > 0);
    for (const [endpoint, open] of this.#open) {
      const next = byEndpoint.get(endpoint);
      if (next !== undefined) {
        open.wanted = next;
        continue;
      }
      open.server.close();
      this.#open.delete(endpoint);
      this.#closing.push(open);
    }
    for (const [endpoint, open] of opened) this.#open.set(endpoint, open);
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

  /**
   * Takes no more connections, lets what is under way end, and after `deadlineMs` ends the rest. The status endpoints
   * close last: until then they tell that we are stopping.
   */
  async drain(deadlineMs: number): Promise<void> {
    const open = [...this.#open.values(), ...this.#closing];
    const timer = setTimeout(() => {
      for (const { connections } of open) for (const socket of connections.keys()) socket.destroy();
    }, deadlineMs);
    await drainAll(open.filter(({ wanted }) => wanted.isStatus !== true));
    await drainAll(open.filter(({ wanted }) => wanted.isStatus === true));
    clearTimeout(timer);
    this.#open.clear();
    this.#closing = [];
  }

  async #openAll(wanted: readonly (readonly [string, Wanted])[]): Promise<Map<string, Open>> {
    const opened = new Map<string, Open>();
    const errors: ListenError[] = [];
    for (const [endpoint, one] of wanted) {
      try {
        opened.set(endpoint, await this.#openOne(one));
      } catch (error) {
        if (!(error instanceof ListenError)) throw error;
        errors.push(error);
      }
    }
    if (errors.length === 0) return opened;
    for (const { server } of opened.values()) server.close();
    throw new ListenFailure(errors);
  }

  async #openOne(wanted: Wanted): Promise<Open> {
    const server = await listen(wanted.endpoint, { name: wanted.name, ...this.#options });
    const open: Open = { wanted, server, connections: new TransientMap(), onLastClosed: undefined };
    const onConnection = (socket: Socket): void => {
      open.connections.set(socket, open.wanted.accept(socket));
      socket.on("close", () => {
        open.connections.delete(socket);
        if (open.connections.size === 0) open.onLastClosed?.();
      });
    };
    if (wanted.isStatus === true) server.on("connection", onConnection);
    else acceptShared(server, onConnection);
    return open;
  }
}

async function drainAll(open: readonly Open[]): Promise<void> {
  const closed = open.map((one) => Promise.all([serverClosed(one), lastClosed(one)]));
  for (const { connections } of open) for (const connection of connections.values()) connection.drain();
  await Promise.all(closed);
}

function serverClosed({ server }: Open): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function lastClosed(open: Open): Promise<void> {
  if (open.connections.size === 0) return Promise.resolve();
  return new Promise((resolve) => {
    open.onLastClosed = resolve;
  });
}
