/** The seam between sockets and protocols: how bytes become requests, and what is answered. Text is latin1, one character a byte. */

/** Every protocol of requests and replies, as the `protocol` label and log key spell it. */
export const PROTOCOLS = ["tcp_table", "socketmap", "policy"] as const;

export type Protocol = (typeof PROTOCOLS)[number];

/** The peer broke its protocol beyond what a reply can mend. Only decoders throw this; only `connection.ts` catches it. */
export class ProtocolError extends Error {
  override name = "ProtocolError";

  /** Bytes (latin1) to send before the connection is closed, where the protocol has a word for it. */
  readonly reply: string;

  constructor(message: string, reply = "") {
    super(message);
    this.reply = reply;
  }
}

/** Turns bytes into requests. Holds no socket, no timer and no clock. */
export interface Decoder<Request> {
  /** Takes bytes as they came (latin1), split anywhere. */
  feed(chunk: string): void;

  /**
   * Takes out the next whole request; `undefined` means that more bytes are needed.
   *
   * @throws {ProtocolError} when the bytes cannot be read as a request and cannot be skipped
   */
  next(): Request | undefined;

  /** Bytes that are kept until the request that they belong to is complete. */
  readonly heldBytes: number;

  /** Says that no more bytes will come: a last request that only lacks its terminator becomes readable by `next()`. */
  end(): void;
}

/** One connection's state: from its first byte until it is closed. */
export interface Session<Request> {
  readonly decoder: Decoder<Request>;

  /**
   * The bytes to send back (latin1): one reply, several, or "" for none. An answer that needs no waiting is a plain
   * string: no promise where nothing is asked outside the process. Requests come one at a time, in order.
   *
   * A rejection means trouble of ours that the protocol has no reply for: the connection is closed without one.
   */
  answer(request: Request): string | Promise<string>;

  /** Nothing is under way that a stop should wait for, such as a message that has begun. */
  isIdle(): boolean;

  /** The connection is closed: no request comes any more. Called once. */
  close(): void;
}

/** One protocol's half of the work. */
export interface Service<Request = unknown> {
  readonly protocol: Protocol;
  /** A new connection. */
  open(): Session<Request>;
}

/** A protocol whose requests have nothing to do with each other. */
export interface RequestService<Request = unknown> {
  readonly protocol: Protocol;
  createDecoder(): Decoder<Request>;
  /** As in Session. */
  answer(request: Request): string | Promise<string>;
}

/** A service whose sessions keep nothing but what their decoder holds. */
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

  close(): void {}
}
