/**
 * Accepts the connections of a server as sockets that all read into one buffer.
 *
 * Node allocates a buffer of 64 KiB for each read, cuts it to size and collects it later, which is a large part of the
 * time of a lookup. net.Socket can read into our own buffer (`onread`), but net.Server has no option for that. So this
 * module makes the sockets, from the handles that the server gets. `_handle`, `onconnection` and the option `handle`
 * are not documented. If they are not as in Node 24, the sockets are those that Node makes.
 */
import { type Server, Socket, type SocketConstructorOpts } from "node:net";
import { atPace, type Paced } from "./pace.ts";

/** Largest read of a service with bodies: a packet of a milter has as much. */
const BODY_READ_BYTES = 65_536;

/**
 * Largest read of a service that has requests alone. Most of Postfix have a sixth. The rest waits in the kernel: as text of ours
 * it would outlive two collections of the young generation, and twenty peers that send ahead had the old one collected four
 * times a second. It also bounds what thousands of peers with half requests have us read at once.
 */
export const REQUEST_READ_BYTES = 4_096;

/** What is read: requests alone, or bodies too. */
export type Reading = "requests" | "bodies";

/** The buffer for all reads. The bytes become text before the next read of any connection. */
const shared = Buffer.allocUnsafeSlow(BODY_READ_BYTES);
const BUFFERS = { requests: shared.subarray(0, REQUEST_READ_BYTES), bodies: shared };

/** The part of a connection's libuv handle that we use. */
interface ClientHandle {
  close(): void;
  readonly useUserBuffer: unknown;
  /** Exists for TCP only. */
  readonly setNoDelay?: (enable: boolean) => void;
}

/** The part of a listening server's libuv handle that we use. */
interface ServerHandle {
  onconnection: (this: unknown, status: number, client: ClientHandle | undefined) => void;
}

/** What becomes of connections. */
interface Host extends Paced<Socket> {
  reading(): Reading;
}

/** A server that listens, and holds its connections unread until `serve` is called. */
export interface HeldServer {
  /** Hands over all waiting and future connections, which give latin1. */
  serve(host: Host): void;
  /** Closes the server and the waiting connections. */
  refuse(): void;
}

/** Holds the connections of `server`, which listens with `pauseOnConnect`. */
export function holdConnections(server: Server): HeldServer {
  const held: Socket[] = [];
  const hold = (socket: Socket): void => void held.push(socket);
  server.on("connection", hold);
  return {
    serve(host) {
      server.off("connection", hold);
      acceptShared(server, host);
      for (const socket of held) server.emit("connection", socket);
    },
    refuse() {
      server.off("connection", hold);
      server.close();
      for (const socket of held) socket.destroy();
    },
  };
}

/**
 * Hands every connection of `server` to the host: half-open allowed, without Nagle's delay. The server does not count the
 * connections, and does not wait for them.
 */
function acceptShared(server: Server, host: Host): void {
  server.on("connection", (socket) => {
    if (!host.hasRoom(0)) {
      socket.destroy();
      return;
    }
    host.take(socket.setEncoding("latin1"));
    socket.resume();
  });
  const { _handle: handle } = server as unknown as { readonly _handle?: Partial<ServerHandle> | null };
  if (typeof handle?.onconnection !== "function") return;
  const usual = handle.onconnection;
  const take = atPace<ClientHandle>({
    pauseMs: () => host.pauseMs(),
    hasRoom: (waiting) => host.hasRoom(waiting),
    take: (client) => host.take(toSocket(client, BUFFERS[host.reading()])),
  });
  handle.onconnection = function accept(status, client) {
    if (status === 0 && typeof client?.useUserBuffer === "function") take(client);
    else usual.call(this, status, client);
  };
}

function toSocket(handle: ClientHandle, buffer: Buffer): Socket {
  const onread = {
    buffer,
    callback(bytes: number): boolean {
      socket.emit("data", buffer.toString("latin1", 0, bytes));
      return true;
    },
  };
  handle.setNoDelay?.(true);
  const socket = new Socket({ handle, allowHalfOpen: true, onread } as SocketConstructorOpts);
  return socket;
}
