/** The set of open endpoints: changed as a whole on reload, drained at the end. */
import type { Server, Socket } from "node:net";
import { TransientMap } from "../collections/transient-map.ts";
import { type HeldServer, holdConnections } from "./accept.ts";
import { Connection, type ServeContext } from "./connection.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import { ListenError, type ListenOptions, listen } from "./listen.ts";
import type { Service } from "./session.ts";

/** One endpoint and what it serves. */
export interface Wanted {
  /** The key that configures it, which is its name in logs and in the `listener` label: `tcptable.forward`. */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Takes a new connection. */
  accept(socket: Socket): Accepted;
  /** Speaks HTTP: it gets sockets as Node makes them, and closes after the others, so that /readyz can say "stopping". */
  readonly isStatus?: boolean;
}

/** A connection that is served. */
export interface Accepted {
  /** Hang up when nothing is under way. */
  drain(): void;
  /** The socket is closed. */
  closed(): void;
}

/** Serves connections with the sessions of a service. */
export function serveWith(service: Service, context: ServeContext): (socket: Socket) => Accepted {
  return (socket) => new Connection(socket, service, context);
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

/** A change that is ready. Exactly one of the two is to be called. */
export interface PreparedListeners {
  /**
   * Takes the change over. It cannot fail.
   *
   * @returns the endpoints that were opened
   */
  commit(): readonly Wanted[];
  /** Closes what was opened, and the connections that came meanwhile. */
  close(): void;
}

export interface ListenersOptions {
  /** Connections at once, over all endpoints but those of status. More are closed at once. */
  readonly maxConnections: number;
  /** Called for each connection that is closed because there are too many. */
  readonly onRefused: (listener: string) => void;
}

/** How an endpoint is opened. */
export type OpenOptions = Pick<ListenOptions, "socketMode" | "reusePort" | "inherited">;

interface Open {
  /** A reload may put another service on the same endpoint. */
  wanted: Wanted;
  readonly server: Server;
  readonly connections: TransientMap<Socket, Served>;
  /** Called when the last connection has closed. */
  onLastClosed: (() => void) | undefined;
}

/** An endpoint that nobody serves yet. */
interface Opened {
  readonly wanted: Wanted;
  readonly server: Server;
  readonly held: HeldServer;
}

interface Served {
  readonly connection: Accepted;
  /** The name of the endpoint when the connection was accepted. */
  readonly name: string;
}

export class Listeners {
  readonly #open = new Map<string, Open>();
  /** Closed by a reload, while peers are still connected. */
  #closing: Open[] = [];
  readonly #options: ListenersOptions;
  #connectionCount = 0;

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /**
   * Opens what is wanted and not open yet. Nothing is served there, and nothing else changes, before the commit.
   *
   * @throws {ListenFailure} naming all that cannot be opened; then everything is as it was before
   */
  async prepare(wanted: readonly Wanted[], options: OpenOptions): Promise<PreparedListeners> {
    const byEndpoint = new Map(wanted.map((one) => [formatEndpoint(one.endpoint), one]));
    const opened = new Map<string, Opened>();
    const errors: ListenError[] = [];
    for (const [key, one] of byEndpoint) {
      if (this.#open.has(key)) continue;
      try {
        const server = await listen(one.endpoint, { name: one.name, ...options });
        opened.set(key, { wanted: one, server, held: holdConnections(server) });
      } catch (error) {
        if (!(error instanceof ListenError)) throw error;
        errors.push(error);
      }
    }
    const close = (): void => {
      for (const { held } of opened.values()) held.refuse();
    };
    if (errors.length > 0) {
      close();
      throw new ListenFailure(errors);
    }
    return { close, commit: () => this.#commit(byEndpoint, opened) };
  }

  /** Open connections by listener name. */
  connections(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { wanted, connections } of [...this.#open.values(), ...this.#closing]) {
      if (!counts.has(wanted.name)) counts.set(wanted.name, 0);
      for (const { name } of connections.values()) counts.set(name, (counts.get(name) ?? 0) + 1);
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

  #take(open: Open, socket: Socket): void {
    const { wanted, connections } = open;
    const { maxConnections, onRefused } = this.#options;
    const isCounted = wanted.isStatus !== true;
    if (isCounted && this.#connectionCount >= maxConnections) {
      socket.destroy();
      onRefused(wanted.name);
      return;
    }
    if (isCounted) this.#connectionCount++;
    const connection = wanted.accept(socket);
    connections.set(socket, { connection, name: wanted.name });
    socket.on("close", () => {
      if (isCounted) this.#connectionCount--;
      connections.delete(socket);
      connection.closed();
      if (connections.size === 0) open.onLastClosed?.();
    });
  }

  /** Closes what is no longer wanted. Connections of a closed endpoint live on until their peers leave. */
  #commit(wanted: ReadonlyMap<string, Wanted>, opened: ReadonlyMap<string, Opened>): Wanted[] {
    this.#closing = this.#closing.filter(({ connections }) => connections.size > 0);
    for (const [key, open] of this.#open) {
      const next = wanted.get(key);
      if (next !== undefined) {
        open.wanted = next;
        continue;
      }
      open.server.close();
      this.#open.delete(key);
      this.#closing.push(open);
    }
    for (const [key, { wanted: one, server, held }] of opened) {
      const open: Open = { wanted: one, server, connections: new TransientMap(), onLastClosed: undefined };
      this.#open.set(key, open);
      held.serve(
        (socket) => this.#take(open, socket),
        () => open.wanted.isStatus !== true,
      );
    }
    return [...opened.values()].map((one) => one.wanted);
  }
}

async function drainAll(open: readonly Open[]): Promise<void> {
  const closed = open.map((one) => Promise.all([serverClosed(one), lastClosed(one)]));
  for (const { connections } of open) for (const { connection } of connections.values()) connection.drain();
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
