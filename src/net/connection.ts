/** Bytes in, bytes out, for every protocol: the one place where a socket meets a session, and the one catch. */
import type { Socket } from "node:net";
import { Backlog } from "./backlog.ts";
import type { BufferBudget, Holder } from "./buffer-budget.ts";
import { Outbox, type Sender } from "./outbox.ts";
import { type Protocol, ProtocolError, type Service, type Session } from "./session.ts";

/** What all connections share. */
export interface ServeContext {
  readonly hooks: ServeHooks;
  readonly budget: BufferBudget;
}

/** Called with what went wrong on a connection. */
export interface ServeHooks {
  /** The peer broke its protocol; the connection is closed. */
  protocolError(protocol: Protocol, message: string): void;
  /** Trouble of ours: the connection is closed without a reply, and Postfix tries again. */
  internalError(protocol: Protocol, error: unknown): void;
  /** The peer's half request was dropped and its connection closed, because all of them together held too much. */
  dropped(protocol: Protocol): void;
}

/** How long a connection must have been silent before a draining daemon hangs up, in milliseconds. */
const QUIET_MS = 50;

/** No single answer is as long. */
const MAX_HELD_CHARS = 4096;

/**
 * Requests of one connection that are answered in a row. A peer that sends thousands in one packet must not keep the
 * others waiting: the rest takes its turn in the backlog.
 */
const MAX_IN_A_ROW = 16;

/** One for all connections, as there is one event loop. */
const outbox = new Outbox();
const backlog = new Backlog();

/**
 * Serves one connection until the peer leaves. Requests are answered in order, one at a time: Postfix sends its next
 * request only after our reply, so working ahead buys nothing. The answers to one packet leave in one write.
 */
export class Connection implements Sender, Holder {
  readonly #socket: Socket;
  readonly #protocol: Protocol;
  readonly #session: Session<unknown>;
  readonly #context: ServeContext;
  /** Bytes of a half request, as the budget knows them. */
  #heldBytes = 0;
  /** Answers that leave at the end of this turn of the event loop. */
  #out = "";
  /** An answer is awaited, or a turn in the backlog: what comes meanwhile is kept, and no more is read. */
  #waiting = false;
  /** Its turn in the backlog came while the peer did not read. */
  #stalled = false;
  #paused = false;
  #ended = false;
  /** The last word is said; what still comes is thrown away. */
  #failed = false;
  #draining: NodeJS.Timeout | undefined;

  constructor(socket: Socket, service: Service, context: ServeContext) {
    this.#socket = socket;
    this.#protocol = service.protocol;
    this.#session = service.open();
    this.#context = context;
    socket.on("data", (chunk: string) => {
      this.#session.decoder.feed(chunk);
      if (!this.#waiting) {
        this.#pump();
        return;
      }
      this.#pause();
      this.#noteHeld();
    });
    socket.on("end", () => {
      this.#ended = true;
      this.#session.decoder.end();
      if (!this.#waiting && !this.#failed) this.#pump();
    });
    socket.on("drain", () => {
      if (this.#stalled) backlog.add(this);
      this.#stalled = false;
      this.#resume();
    });
    socket.on("error", hangUp);
  }

  /** Hangs up as soon as nothing is under way: what has been asked is answered first, a message that has begun is ended. */
  drain(): void {
    this.#draining = setTimeout(() => {
      if (this.#waiting || !this.#session.isIdle()) return; // #pump starts the time anew
      this.flush();
      this.#socket.end(() => this.#socket.destroy());
    }, QUIET_MS);
  }

  /** The socket is closed. */
  closed(): void {
    if (this.#heldBytes > 0) this.#context.budget.hold(this, 0);
    this.#session.close();
  }

  get isBusy(): boolean {
    return this.#waiting;
  }

  drop(): void {
    this.#heldBytes = 0;
    this.#context.hooks.dropped(this.#protocol);
    this.#socket.destroy();
  }

  flush(): void {
    const out = this.#out;
    this.#out = "";
    if (out !== "" && !this.#socket.destroyed && !this.#socket.write(out, "latin1")) this.#pause();
  }

  /** Answers some of what waits, in a turn of the backlog. */
  takeTurn(): void {
    this.#stalled = this.#socket.writableNeedDrain;
    if (!this.#stalled) this.#goOn("");
  }

  #pump(): void {
    this.#draining?.refresh();
    const { decoder } = this.#session;
    let out = "";
    try {
      for (let request = decoder.next(), left = MAX_IN_A_ROW; request !== undefined; request = decoder.next()) {
        const reply = this.#session.answer(request);
        if (typeof reply !== "string") {
          this.#wait(out, reply);
          return;
        }
        out += reply;
        if (--left === 0) {
          this.#send(out);
          this.#waiting = true;
          backlog.add(this);
          return;
        }
      }
    } catch (error) {
      this.#fail(error, out);
      return;
    }
    this.#send(out);
    if (this.#ended) this.#hangUp();
    else this.#noteHeld();
  }

  /** Tells the budget what the decoder keeps. Most requests come whole, and nothing is kept. */
  #noteHeld(): void {
    const { heldBytes } = this.#session.decoder;
    if (heldBytes === this.#heldBytes) return;
    this.#heldBytes = heldBytes;
    this.#context.budget.hold(this, heldBytes);
  }

  #send(out: string): void {
    if (out === "") return;
    // A peer that talks ahead has to be told at once when its answers pile up.
    const isAhead = this.#out !== "" || out.length > MAX_HELD_CHARS;
    this.#out += out;
    if (isAhead || !outbox.defers(this)) this.flush();
  }

  /** When all is written there is nothing to end in good order: half of the system calls of a connection's end. */
  #hangUp(): void {
    this.flush();
    if (this.#socket.writableLength === 0) this.#socket.destroy();
    else this.#socket.end();
  }

  #wait(out: string, reply: Promise<string>): void {
    this.#send(out);
    this.#waiting = true;
    reply.then(
      (text) => this.#goOn(text),
      (error: unknown) => this.#fail(error, ""),
    );
  }

  #goOn(out: string): void {
    this.#waiting = false;
    if (this.#socket.destroyed) return;
    this.#send(out);
    this.#pump();
    this.#resume();
  }

  /** A peer that talks ahead, or does not read, fills its own buffers and not ours. */
  #pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#paused || this.#waiting || this.#socket.writableNeedDrain) return;
    this.#paused = false;
    this.#socket.resume();
  }

  #fail(error: unknown, out: string): void {
    this.flush();
    this.#waiting = false;
    this.#failed = true;
    this.#socket.removeAllListeners("data").resume();
    if (error instanceof ProtocolError) {
      this.#context.hooks.protocolError(this.#protocol, error.message);
      this.#socket.end(out + error.reply, "latin1", () => this.#socket.destroySoon());
      return;
    }
    this.#context.hooks.internalError(this.#protocol, error);
    this.#socket.write(out, "latin1");
    this.#socket.destroySoon();
  }
}

/** A peer that resets is no news; "close" follows in any case. */
function hangUp(this: Socket): void {
  this.destroy();
}
