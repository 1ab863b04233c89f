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

  /** Says that no more bytes will come: a last request that only lacks its terminator becomes readable by `next()`. */
  end(): void;
}

/**
 * One protocol's half of the work: how its requests are read and what is answered.
 * All text is latin1: one character is one byte on the wire.
 */
export interface Service<Request> {
  /** The protocol as the `protocol` label and log key spell it: `tcp_table`, `socketmap`, `policy`. */
  readonly protocol: string;

  createDecoder(): Decoder<Request>;

  /**
   * The bytes to send back (latin1). An answer that needs no waiting is a plain string: no promise on the hit path.
   * A rejection means trouble of ours that the protocol has no reply for: the connection is closed without one.
   */
  answer(request: Request): string | Promise<string>;
}
