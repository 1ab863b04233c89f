/** Opens listeners on inet and unix-domain sockets. */
import { chmodSync, existsSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { dirname } from "node:path";
import { errorCode } from "../process/exit.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import { ownerOf } from "./port-owner.ts";

/** Number of connections that may wait to be accepted. The kernel limits it (net.core.somaxconn). */
const ACCEPT_QUEUE = 4096;

/**
 * The same for the status endpoint: as many as a browser opens. The kernel ignores others, which ask again a second later: to accept
 * and close thousands of them each second delays everything else. Not so for unix: sockets, where one more would get an error.
 */
const STATUS_ACCEPT_QUEUE = 8;

/** The error for an endpoint that could not be opened. `code` is the system's: EADDRINUSE, EACCES, EADDRNOTAVAIL … */
export class ListenError extends Error {
  override name = "ListenError";
  readonly code: string;
  /** The listener's key in the configuration, such as `tcptable.forward`. */
  readonly listener: string;

  constructor(listener: string, endpoint: Endpoint, cause: unknown) {
    const code = codeOf(endpoint, cause);
    super(`Cannot listen on ${formatEndpoint(endpoint)} for ${listener}: ${describe(code, endpoint, cause)}`, {
      cause,
    });
    this.code = code;
    this.listener = listener;
  }
}

export interface ListenOptions {
  /** The listener's key in the configuration. */
  readonly name: string;
  /** Permissions of unix: sockets, such as 0o666. */
  readonly socketMode: number;
  /** True to let other processes listen on the same inet endpoint (SO_REUSEPORT). */
  readonly reusePort?: boolean;
  /** True for an endpoint that serves no mail. */
  readonly isStatus?: boolean;
  /** Inherited descriptors by name, for fd: endpoints. */
  readonly inherited?: ReadonlyMap<string, readonly number[]>;
}

/**
 * Binds one endpoint. A socket file is replaced if no process listens on it any more. Connections are paused. A
 * listener for them must be added before the next turn of the event loop.
 *
 * @throws {ListenError}
 */
export async function listen(endpoint: Endpoint, options: ListenOptions): Promise<Server> {
  // allowHalfOpen: Exim's readsocket and others close their half before they read the answer.
  // pauseOnConnect: nothing is read before a service accepts the connection.
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
  try {
    if (endpoint.type === "unix") await removeStaleSocket(endpoint.path);
    await new Promise<void>((resolve, reject) => {
      // Kept, because a connection that cannot be accepted (no file descriptors left) must not end the process.
      server.on("error", reject);
      const isShort = options.isStatus === true && endpoint.type !== "unix";
      const backlog = isShort ? STATUS_ACCEPT_QUEUE : ACCEPT_QUEUE;
      server.listen(listenArguments(endpoint, options), backlog, () => resolve());
    });
    if (endpoint.type === "unix") chmodSync(endpoint.path, options.socketMode);
  } catch (error) {
    server.close();
    throw new ListenError(options.name, endpoint, error);
  }
  return server;
}

function listenArguments(endpoint: Endpoint, { reusePort, inherited }: ListenOptions) {
  switch (endpoint.type) {
    case "unix":
      return { path: endpoint.path };
    case "inet":
      return { host: endpoint.host, port: endpoint.port, reusePort: reusePort === true };
    case "fd": {
      const [fd, ...more] = inherited?.get(endpoint.name) ?? [];
      if (fd === undefined) throw new Error("systemd handed over no socket of that name");
      if (more.length > 0)
        throw new Error(`systemd handed over ${more.length + 1} sockets of that name; want a .socket unit for each`);
      return { fd };
    }
  }
}

async function removeStaleSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw Object.assign(new Error("the path exists and is no socket"), { code: "EEXIST" });
  if (await isAnswered(path)) throw Object.assign(new Error("another process listens there"), { code: "EADDRINUSE" });
  unlinkSync(path);
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error) => resolve(errorCode(error) !== "ECONNREFUSED"));
  });
}

/** The system's error code. For a missing directory libuv reports EACCES, so that is changed to ENOENT. */
function codeOf(endpoint: Endpoint, cause: unknown): string {
  const isLost = endpoint.type === "unix" && !existsSync(dirname(endpoint.path));
  return isLost ? "ENOENT" : errorCode(cause);
}

/** The first port that needs neither root nor CAP_NET_BIND_SERVICE. */
const FIRST_FREE_PORT = 1024;

function describe(code: string, endpoint: Endpoint, cause: unknown): string {
  switch (code) {
    case "EADDRINUSE": {
      const owner = ownerOf(endpoint);
      return `another process has it (EADDRINUSE)${owner === undefined ? "" : `: ${owner}`}`;
    }
    case "EACCES":
    case "EPERM": {
      const isPrivileged = endpoint.type === "inet" && endpoint.port < FIRST_FREE_PORT;
      const wish = `ports below ${FIRST_FREE_PORT} want root or CAP_NET_BIND_SERVICE`;
      return `no permission (${code})${isPrivileged ? `; ${wish}` : ""}`;
    }
    case "EADDRNOTAVAIL":
      return "this machine has no such address (EADDRNOTAVAIL)";
    case "ENOENT":
    case "ENOTDIR":
      return `its directory does not exist (${code})`;
    default:
      return cause instanceof Error ? cause.message : String(cause);
  }
}
