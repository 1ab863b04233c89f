/** The set of open endpoints. It changes as a whole on a reload, and is drained at the end. */
import type { Server, Socket } from "node:net";
import { TransientMap } from "../collections/transient-map.ts";
import { type HeldServer, holdConnections } from "./accept.ts";
import { Connection, type ServeContext } from "./connection.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import { ListenError, type ListenOptions, listen } from "./listen.ts";
import type { Service } from "./session.ts";

/** A wanted endpoint, and the service behind it. */
export interface Wanted {
  /**
   * The listener's key in the configuration, such as `tcptable.forward`. Also its name in logs and the `listener`
   * label.
   */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Serves a new connection. */
  accept(socket: Socket): Accepted;
  /** True for HTTP: it closes after the others, so that /readyz can report the stop. */
  readonly isStatus?: boolean;
  /** True for a milter, whose packets have bodies: they are read in larger pieces. */
  readonly hasBodies?: boolean;
}

/** A connection that is being served. */
export interface Accepted {
  /** Closes the connection when it is idle. */
  drain(): void;
  /** Called when the socket has closed. */
  closed(): void;
}

/** Serves connections with the sessions of a service. */
export function serveWith(service: Service, context: ServeContext): (socket: Socket) => Accepted {
  return (socket) => new Connection(socket, service, context);
}

/** The error that names all endpoints that could not be opened. */
export class ListenFailure extends Error {
  override name = "ListenFailure";
  readonly errors: readonly ListenError[];

  constructor(errors: readonly ListenError[]) {
    super(errors.map((error) => error.message).join("; "));
    this.errors = errors;
  }
}

/** A prepared change. Exactly one of its two methods must be called. */
export interface PreparedListeners {
  /**
   * Makes the change. It cannot fail.
   *
   * @returns the endpoints that were opened
   */
  commit(): readonly Wanted[];
  /** Closes the new endpoints, and the connections that came meanwhile. */
  close(): void;
}

export interface ListenersOptions {
  /**
   * Largest number of connections over all endpoints except those of status. Any further connection is closed at once.
   */
  readonly maxConnections: number;
  /** Called for each connection that is closed because there are too many. */
  readonly onRefused: (listener: string) => void;
}

/** Options for opening endpoints. */
export type OpenOptions = Pick<ListenOptions, "socketMode" | "reusePort" | "inherited">;

interface Open {
  /** The service. A reload may put another one on the same endpoint. */
  wanted: Wanted;
  readonly server: Server;
  /** False while nobody wants a socket of systemd's, and at the end: new connections are closed at once. */
  isServed: boolean;
  readonly connections: TransientMap<Socket, Served>;
  /** Called when the last connection has closed. */
  onLastClosed: (() => void) | undefined;
}

/** An open endpoint that is not served yet. */
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

/** Pause between two connections in milliseconds. A fleet of smtpd may connect at once; scrapers are few, and mail comes first. */
const PAUSE_MS = { mail: 0, status: 10 };

/** Connections for the status that may wait, each with a descriptor of those that are reserved for other things than mail. */
const MAX_WAITING_FOR_STATUS = 64;

export class Listeners {
  readonly #open = new Map<string, Open>();
  /**
   * Sockets of systemd's that the configuration does not name. They stay open, because a descriptor that is closed cannot
   * be had again before a restart.
   */
  readonly #spare = new Map<string, Open>();
  /** Endpoints that a reload has closed, but whose peers are still connected. */
  #closing: Open[] = [];
  readonly #options: ListenersOptions;
  #connectionCount = 0;

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /**
   * Opens the wanted endpoints that are not open yet. They are not served before the commit, and nothing else changes.
   *
   * @throws {ListenFailure} naming all endpoints that cannot be opened; nothing has changed then
   */
  async prepare(wanted: readonly Wanted[], options: OpenOptions): Promise<PreparedListeners> {
    const byEndpoint = new Map(wanted.map((one) => [formatEndpoint(one.endpoint), one]));
    const opened = new Map<string, Opened>();
    const errors: ListenError[] = [];
    for (const [key, one] of byEndpoint) {
      if (this.#open.has(key) || this.#spare.has(key)) continue;
      try {
        const server = await listen(one.endpoint, { name: one.name, isStatus: one.isStatus === true, ...options });
        opened.set(key, { wanted: one, server, held: holdConnections(server) });
      } catch (error) {
        if (!(error instanceof ListenError)) throw error;
        errors.push(error);
      }
    }
    const close = (): void => {
      for (const [key, one] of opened) {
        if (one.wanted.endpoint.type === "fd") this.#spareServer(key, this.#serve(one, false));
        else one.held.refuse();
      }
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
    for (const { wanted, connections } of this.#all()) {
      if (!counts.has(wanted.name)) counts.set(wanted.name, 0);
      for (const { name } of connections.values()) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }

  /**
   * Accepts no more connections, lets requests in progress end, and closes the rest after `deadlineMs`. The status
   * endpoints close last. Until then they report that the daemon is stopping.
   */
  async drain(deadlineMs: number): Promise<void> {
    const open = this.#all();
    const timer = setTimeout(() => {
      for (const { connections } of open) for (const socket of connections.keys()) socket.destroy();
    }, deadlineMs);
    await drainAll(open.filter(({ wanted }) => wanted.isStatus !== true));
    await drainAll(open.filter(({ wanted }) => wanted.isStatus === true));
    clearTimeout(timer);
    this.#open.clear();
    this.#spare.clear();
    this.#closing = [];
  }

  #all(): Open[] {
    return [...this.#open.values(), ...this.#spare.values(), ...this.#closing];
  }

  #hasRoom({ isServed, wanted }: Open, waiting: number): boolean {
    const { maxConnections, onRefused } = this.#options;
    if (!isServed) return false;
    if (wanted.isStatus === true) return waiting < MAX_WAITING_FOR_STATUS;
    if (this.#connectionCount + waiting < maxConnections) return true;
    onRefused(wanted.name);
    return false;
  }

  #take(open: Open, socket: Socket): void {
    const { wanted, connections } = open;
    const isCounted = wanted.isStatus !== true;
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

  /** Closes the endpoints that are no longer wanted. Their connections stay until the peers close them. */
  #commit(wanted: ReadonlyMap<string, Wanted>, opened: ReadonlyMap<string, Opened>): Wanted[] {
    this.#closing = this.#closing.filter(({ connections }) => connections.size > 0);
    for (const [key, open] of this.#open) {
      const next = wanted.get(key);
      if (next !== undefined) {
        open.wanted = next;
        continue;
      }
      this.#open.delete(key);
      if (open.wanted.endpoint.type === "fd") {
        this.#spareServer(key, open);
        continue;
      }
      open.server.close();
      this.#closing.push(open);
    }
    const taken = this.#takeSpares(wanted);
    for (const [key, one] of opened) this.#open.set(key, this.#serve(one, true));
    return [...taken, ...[...opened.values()].map((one) => one.wanted)];
  }

  #serve({ wanted, server, held }: Opened, isServed: boolean): Open {
    const open: Open = { wanted, server, isServed, connections: new TransientMap(), onLastClosed: undefined };
    held.serve({
      hasRoom: (waiting) => this.#hasRoom(open, waiting),
      take: (socket) => this.#take(open, socket),
      pauseMs: () => (open.wanted.isStatus === true ? PAUSE_MS.status : PAUSE_MS.mail),
      reading: () => (open.wanted.hasBodies === true ? "bodies" : "requests"),
    });
    return open;
  }

  #spareServer(key: string, open: Open): void {
    open.isServed = false;
    open.server.unref();
    this.#spare.set(key, open);
  }

  /** Puts sockets of systemd's that are wanted again to use. */
  #takeSpares(wanted: ReadonlyMap<string, Wanted>): Wanted[] {
    const taken: Wanted[] = [];
    for (const [key, open] of this.#spare) {
      const next = wanted.get(key);
      if (next === undefined) continue;
      open.wanted = next;
      open.isServed = true;
      open.server.ref();
      this.#spare.delete(key);
      this.#open.set(key, open);
      taken.push(next);
    }
    return taken;
  }
}

async function drainAll(open: readonly Open[]): Promise<void> {
  for (const one of open) one.isServed = false;
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
