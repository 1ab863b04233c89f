/** Sends queries over TCP. */
import { createConnection, type Socket } from "node:net";
import { encodeQuery, isReplyTo } from "./message.ts";
import type { MessageIds } from "./message-ids.ts";
import type { ServerAddress } from "./server-address.ts";
import type { PendingQuery, ReplyListener } from "./udp.ts";

const NONE_TAKEN: ReadonlyMap<number, unknown> = new Map();

/**
 * Largest number of connections at a time. Each takes one of the descriptors that the daemon keeps from its listeners,
 * and a stranger's zone decides how many replies are truncated.
 */
const MAX_CONNECTIONS = 64;

/** The queries over TCP to all servers: those that are under way, and those that wait for a connection. */
export class TcpQueries {
  readonly #ids: MessageIds;
  readonly #waiting = new Set<() => void>();
  #connections = 0;

  constructor(ids: MessageIds) {
    this.#ids = ids;
  }

  /**
   * Sends one query over a connection of its own, as soon as there may be one more. The time that it waits counts for
   * the query: the caller gives it up by `cancel`.
   */
  ask(server: ServerAddress, question: Buffer, edns: boolean, listener: ReplyListener): PendingQuery {
    const id = this.#ids.next(NONE_TAKEN);
    const query = encodeQuery(id, question, edns);
    let pending: PendingQuery | undefined;
    const start = (): void => {
      this.#connections += 1;
      pending = exchange(
        server,
        query,
        (reply) => isReplyTo(reply, id, question),
        listener,
        () => this.#release(),
      );
    };
    if (this.#connections < MAX_CONNECTIONS) start();
    else this.#waiting.add(start);
    return { cancel: () => (this.#waiting.delete(start) ? undefined : pending?.cancel()) };
  }

  #release(): void {
    this.#connections -= 1;
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      next();
      return;
    }
  }
}

/**
 * Sends `query` and reads one reply. A length precedes each message (RFC 1035 section 4.2.2, RFC 7766).
 *
 * @param onClosed called once, when the connection and its descriptor are gone
 */
function exchange(
  { host, port }: ServerAddress,
  query: Buffer,
  isReply: (message: Buffer) => boolean,
  listener: ReplyListener,
  onClosed: () => void,
): PendingQuery {
  const socket = createConnection({ host, port, noDelay: true });
  let isOver = false;
  const end = () => {
    isOver = true;
    socket.destroy();
  };
  const fail = (detail: string) => {
    if (isOver) return;
    end();
    listener.onFailure(detail);
  };

  socket.unref();
  socket.on("error", (error) => fail(error.message));
  socket.on("close", () => {
    fail("connection closed before the reply");
    onClosed();
  });
  onFirstMessage(socket, (message) => {
    if (isOver) return;
    if (!isReply(message)) return fail("not a reply to the query");
    end();
    listener.onReply(message);
  });
  // Sent in one write, because some servers cannot read a length that arrives alone.
  const prefixed = Buffer.allocUnsafe(query.length + 2);
  prefixed.writeUInt16BE(query.length, 0);
  prefixed.set(query, 2);
  socket.write(prefixed);
  return { cancel: end };
}

/** Calls `onMessage` with the first message, however the stream is split. Holds at most that message and one chunk. */
function onFirstMessage(socket: Socket, onMessage: (message: Buffer) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let end: number | undefined;
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < 2) return;
    end ??= 2 + (chunks.length === 1 ? chunk : Buffer.concat(chunks)).readUInt16BE(0);
    if (bytes >= end) onMessage(Buffer.concat(chunks, bytes).subarray(2, end));
  });
}
