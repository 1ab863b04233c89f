/**
 * The interface between sockets and protocols: decoders, sessions, services. Text is latin1: one character is one byte.
 */

/** Every protocol of requests and replies, as the `protocol` label and log key spell it. */
export const PROTOCOLS = ["tcp_table", "socketmap", "policy", "milter"] as const;

export type Protocol = (typeof PROTOCOLS)[number];

/**
 * The error for a peer that breaks its protocol so that no reply helps. Decoders throw it, and sessions for a request that
 * may not come then. `connection.ts` catches it.
 */
export class ProtocolError extends Error {
  override name = "ProtocolError";

  /** Bytes (latin1) to send before the connection is closed, if the protocol has such a reply. */
  readonly reply: string;

  constructor(message: string, reply = "") {
    super(message);
    this.reply = reply;
  }
}

/** Turns bytes into requests. It has no socket, timer or clock. */
export interface Decoder<Request> {
  /** Adds received bytes (latin1), split anywhere. */
  feed(chunk: string): void;

  /**
   * Takes the next whole request; `undefined` if more bytes are needed.
   *
   * @throws {ProtocolError} when the bytes cannot be read as a request and cannot be skipped
   */
  next(): Request | undefined;

  /** Number of bytes that are kept for an incomplete request. */
  readonly heldBytes: number;

  /** Ends the input. A last request that lacks only its terminator can then be read by `next()`. */
  end(): void;
}

/** The state of one connection, from its first byte until it is closed. */
export interface Session<Request> {
  readonly decoder: Decoder<Request>;

  /**
   * True if its requests take a hundred times as long as a lookup: then one connection is served in a turn of the event
   * loop, so that many busy ones delay the other services no more than one does.
   */
  readonly takesTurns?: boolean;

  /**
   * The bytes to send back (latin1): one reply, several, or "" for none. It is a plain string unless another process
   * must be asked. Requests come one at a time, in order.
   *
   * A rejection means an internal error for which the protocol has no reply: the connection is closed without one.
   *
   * @throws {ProtocolError} for a request that may not come now and that no reply helps
   */
  answer(request: Request): string | Promise<string>;

  /**
   * The bytes to send now and then while an answer is awaited, so that the peer does not give up; "" if it would not
   * understand them. Called once a second.
   */
  whileAwaited?(): string;

  /** Tells if the session is idle. A stop waits while it is not, such as during a message. */
  isIdle(): boolean;

  /** Number of bytes that are kept for work that is not complete: a half request, or a message. */
  readonly heldBytes: number;

  /**
   * Gives up the held bytes, because those of all connections together are too many. The peer must learn of it by a
   * later reply.
   *
   * @returns false if the protocol has no such reply: then the connection is closed
   */
  shed(): boolean;

  /** Called once when the connection has closed. No request follows. */
  close(): void;
}

/** The service of one protocol. */
export interface Service<Request = unknown> {
  readonly protocol: Protocol;
  /** Opens a session for a new connection. */
  open(): Session<Request>;
}

/** The service of a protocol whose requests are independent. */
export interface RequestService<Request = unknown> {
  readonly protocol: Protocol;
  createDecoder(): Decoder<Request>;
  /** Answers a request as in Session. */
  answer(request: Request): string | Promise<string>;
}

/** Makes a service whose sessions have no state except that of their decoder. */
export function stateless<Request>(service: RequestService<Request>): Service<Request> {
  return { protocol: service.protocol, open: () => new StatelessSession(service) };
}

class StatelessSession<Request> implements Session<Request> {
  readonly decoder: Decoder<Request>;
  readonly #service: RequestService<Request>;

  constructor(service: RequestService<Request>) {
    this.decoder = service.createDecoder();
    this.#service = service;
  }

  answer(request: Request): string | Promise<string> {
    return this.#service.answer(request);
  }

  isIdle(): boolean {
    return true;
  }

  get heldBytes(): number {
    return this.decoder.heldBytes;
  }

  shed(): boolean {
    return false;
  }

  close(): void {}
}
