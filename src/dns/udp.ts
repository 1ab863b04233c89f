/** Sends queries over UDP, and assigns replies to queries. */
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { encodeQuery, isReplyTo } from "./message.ts";
import type { MessageIds } from "./message-ids.ts";
import type { ServerAddress } from "./server-address.ts";

/** Waits for the reply to one query. At most one of the two methods is called, and only once. */
export interface ReplyListener {
  /** Receives a message with the query's id and question from the server that was asked. */
  onReply(bytes: Buffer): void;
  /** Called when no reply will come, with the reason. */
  onFailure(detail: string): void;
}

/** A query in flight. After `cancel` its listener is not called any more. */
export interface PendingQuery {
  cancel(): void;
}

/** Number of queries in flight on one socket. With more the kernel would drop replies. */
const MAX_PENDING = 128;
/**
 * Number of queries after which a socket is replaced by one with another port, so that a forger cannot learn the port.
 */
const MAX_QUERIES = 512;
const MAX_AGE_MS = 10_000;
const RECEIVE_BUFFER_BYTES = 1 << 20;

/**
 * A socket that is connected to one server, so the kernel accepts only packets from there. The kernel also chooses the
 * port, at random.
 */
class UdpSocket {
  readonly #socket: Socket;
  readonly #pending = new Map<number, UdpQuery>();
  readonly #ids: MessageIds;
  readonly #openedAtMs: number;
  /** Queries to send at the end of this turn of the event loop, or once the socket is connected. */
  #unsent: Buffer[] = [];
  #isConnected = false;
  #queries = 0;
  #retired = false;
  #closed = false;

  constructor({ host, port }: ServerAddress, ids: MessageIds, nowMs: number) {
    const family = isIPv6(host) ? 6 : 4;
    this.#ids = ids;
    this.#openedAtMs = nowMs;
    this.#socket = createSocket({
      type: family === 6 ? "udp6" : "udp4",
      recvBufferSize: RECEIVE_BUFFER_BYTES,
      // Our servers are addresses, so no lookup is needed.
      lookup: (address, _options, callback) => callback(null, address, family),
    });
    this.#socket.on("message", (bytes) => this.#onMessage(bytes));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("connect", () => {
      this.#isConnected = true;
      this.#flush();
    });
    this.#socket.connect(port, host);
    this.#socket.unref();
  }

  get hasRoom(): boolean {
    return this.#pending.size < MAX_PENDING;
  }

  isSpent(nowMs: number): boolean {
    return this.#closed || this.#queries >= MAX_QUERIES || nowMs - this.#openedAtMs > MAX_AGE_MS;
  }

  ask(question: Buffer, edns: boolean, listener: ReplyListener): PendingQuery {
    const id = this.#ids.next(this.#pending);
    this.#queries += 1;
    const pending = new UdpQuery(this, id, question, listener);
    this.#pending.set(id, pending);
    const query = encodeQuery(id, question, edns);
    // A socket that could not be opened fails before its first query is known.
    if (this.#closed) queueMicrotask(() => this.#fail(new Error("socket closed")));
    // Queries are sent together: a server that the first one wakes is still awake for the next.
    else if (this.#unsent.push(query) === 1 && this.#isConnected) setImmediate(() => this.#flush());
    return pending;
  }

  /** Stops waiting for the reply to `query`. */
  cancel(query: UdpQuery): void {
    if (this.#pending.get(query.id) === query) this.#drop(query.id);
  }

  /** Accepts no more queries, and closes after the last reply. */
  retire(): void {
    this.#retired = true;
    if (this.#pending.size === 0) this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  /** Sends without a callback, which is cheaper. A failure then is an "error" event of the socket. */
  #flush(): void {
    for (const query of this.#unsent.splice(0)) if (!this.#closed) this.#socket.send(query);
  }

  #onMessage(bytes: Buffer): void {
    if (bytes.length < 2) return;
    const id = bytes.readUInt16BE(0);
    const pending = this.#pending.get(id);
    if (pending === undefined || !isReplyTo(bytes, id, pending.question)) return;
    this.#drop(id);
    pending.listener.onReply(bytes);
  }

  #drop(id: number): void {
    this.#pending.delete(id);
    if (this.#retired && this.#pending.size === 0) this.close();
  }

  /** Closes the socket and fails all its queries. The usual cause is ECONNREFUSED, because no server listens there. */
  #fail(error: Error): void {
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    this.close();
    for (const { listener } of lost) listener.onFailure(error.message);
  }
}

/** A query of a socket. */
class UdpQuery implements PendingQuery {
  readonly #socket: UdpSocket;
  readonly id: number;
  readonly question: Buffer;
  readonly listener: ReplyListener;

  constructor(socket: UdpSocket, id: number, question: Buffer, listener: ReplyListener) {
    this.#socket = socket;
    this.id = id;
    this.question = question;
    this.listener = listener;
  }

  cancel(): void {
    this.#socket.cancel(this);
  }
}

/** The sockets for one server: as many as the queries in flight need, each for a short time. */
export class UdpSockets {
  readonly #server: ServerAddress;
  readonly #ids: MessageIds;
  #sockets: UdpSocket[] = [];

  constructor(server: ServerAddress, ids: MessageIds) {
    this.#server = server;
    this.#ids = ids;
  }

  /** Sends one query. `listener` is never called before this returns. */
  ask(question: Buffer, edns: boolean, listener: ReplyListener, nowMs: number): PendingQuery {
    return this.#pick(nowMs).ask(question, edns, listener);
  }

  /** Waits for the replies to queries in flight, then closes. */
  retire(): void {
    for (const socket of this.#sockets) socket.retire();
    this.#sockets = [];
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
    this.#sockets = [];
  }

  #pick(nowMs: number): UdpSocket {
    for (const socket of this.#sockets) {
      if (socket.isSpent(nowMs)) socket.retire();
      else if (socket.hasRoom) return socket;
    }
    this.#sockets = this.#sockets.filter((socket) => !socket.isSpent(nowMs));
    const socket = new UdpSocket(this.#server, this.#ids, nowMs);
    this.#sockets.push(socket);
    return socket;
  }
}
