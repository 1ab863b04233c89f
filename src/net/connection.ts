/** Connects a socket with a session, for every protocol. The only place that catches protocol and internal errors. */
import type { Socket } from "node:net";
import { REQUEST_READ_BYTES } from "./accept.ts";
import { Backlog } from "./backlog.ts";
import type { BufferBudget, Holder } from "./buffer-budget.ts";
import { Outbox, type Sender } from "./outbox.ts";
import { type Protocol, ProtocolError, type Service, type Session } from "./session.ts";

/** The parts that all connections share. */
export interface ServeContext {
  readonly hooks: ServeHooks;
  readonly budget: BufferBudget;
}

/** Receives the errors of connections. */
export interface ServeHooks {
  /** Called when the peer has broken its protocol. The connection is closed. */
  protocolError(protocol: Protocol, message: string): void;
  /** Called on an internal error. The connection is closed without a reply, and Postfix tries again. */
  internalError(protocol: Protocol, error: unknown): void;
  /**
   * Called when a half request is dropped, because all half requests together were too large. Its connection is closed
   * if the protocol has no reply for that.
   */
  dropped(protocol: Protocol): void;
}

/** Silence after which a draining daemon closes a connection, in milliseconds. */
const QUIET_MS = 50;

/** Time between the signs of life of a session whose answer is awaited, in milliseconds. */
const AWAITED_MS = 1000;

/** Most characters of answers that wait for the end of the turn. More are written at once. */
const MAX_HELD_CHARS = 4096;

/**
 * Number of requests of one connection that are answered in a row. The rest waits in the backlog, so that a peer that
 * sends thousands in one packet does not delay the others.
 */
const MAX_IN_A_ROW = 16;

/**
 * What a request without an answer counts for: a packet of a milter's header, of which a message may have hundreds of
 * thousands. A turn takes longer than such a packet.
 */
const SILENT_REQUEST = 1 / 16;

/**
 * A read of more characters waits for a turn in the backlog, as does one that fills the buffer for requests: the peer has
 * sent more, and libuv would read 32 times before any other connection is served.
 */
const MAX_CHARS_IN_A_ROW = 16_384;

/** Most characters of a half packet within a message. Postfix's longest are a header field (102,400) and a chunk of a body. */
const MAX_CHARS_OF_MTA = 131_072;

/** One outbox for all connections, because there is one event loop. */
const outbox = new Outbox();

/** Turns of one kind, and the longer pause after a turn in which no request became whole, in milliseconds. */
interface Turns {
  readonly backlog: Backlog;
  readonly halfRequestPauseMs: number;
}

/**
 * The turns of peers that send requests ahead, as Postfix never does, with a pause before each, so that they leave time for the
 * others. After a piece of a half request the pause is longer, because what is kept of it makes V8 copy: eight
 * thousand of them would otherwise take most of the time.
 */
const REQUEST_TURNS: Turns = { backlog: new Backlog(1), halfRequestPauseMs: 3 };

/** The turns of milters, with the packets of their messages. One may take a millisecond: no finished answer waits for it. */
const MESSAGE_TURNS: Turns = { backlog: new Backlog(0, () => outbox.flush()), halfRequestPauseMs: 0 };

/**
 * The turns of milters' peers that do what no MTA does: they send more behind what is answered, or hundreds of packets or long ones
 * outside of a message, or longer ones than any. At the speed of messages they would have the old generation of V8 collected
 * every second.
 */
const AHEAD_TURNS: Turns = { backlog: new Backlog(1), halfRequestPauseMs: 50 };

/**
 * Serves one connection until the peer closes it. Requests are answered in order, one at a time: Postfix sends its next
 * request only after our reply, if there is one, so parallel work would gain nothing. The answers to one packet are sent in
 * one write.
 */
export class Connection implements Sender, Holder {
  readonly #socket: Socket;
  readonly #protocol: Protocol;
  readonly #session: Session<unknown>;
  readonly #context: ServeContext;
  /** The turns that it waits for. */
  #turns: Turns;
  /** Held bytes of the session as last reported to the budget. */
  #heldBytes = 0;
  /** Answers to send at the end of this turn of the event loop. */
  #out = "";
  /** True while an answer or a turn in the backlog is awaited. Then received bytes are kept, and no more are read. */
  #waiting = false;
  /** True while it is a turn that is awaited. */
  #awaitsTurn = false;
  /** True if a turn in the backlog came while the peer was not reading. */
  #stalled = false;
  /** Requests that may be answered before a turn in the backlog. */
  #left = MAX_IN_A_ROW;
  /** True until all that was read is answered, once a turn in the backlog has come. */
  #hadTurn = false;
  /** True if the last read was longer than most packets. */
  #hasReadMuch = false;
  /** True if one more read of a half request needs no turn: then the longest request of Postfix needs a single one. */
  #mayReadOn = false;
  #paused = false;
  #ended = false;
  /** True after a failure. Later input is discarded. */
  #failed = false;
  #draining: NodeJS.Timeout | undefined;
  /** Sends signs of life while an answer is awaited. */
  #awaiting: NodeJS.Timeout | undefined;

  constructor(socket: Socket, service: Service, context: ServeContext) {
    this.#socket = socket;
    this.#protocol = service.protocol;
    this.#session = service.open();
    this.#context = context;
    this.#turns = this.#usualTurns;
    socket.on("data", (chunk: string) => {
      this.#session.decoder.feed(chunk);
      if (!this.#waiting) {
        this.#left = MAX_IN_A_ROW;
        this.#hasReadMuch = chunk.length > MAX_CHARS_IN_A_ROW;
        const isLong = this.#hasReadMuch || (chunk.length === REQUEST_READ_BYTES && !this.#mayReadOn);
        this.#mayReadOn = false;
        if (isLong || !this.#mayBegin()) this.#waitForTurn(isLong);
        else {
          this.#pump();
          return;
        }
      } else this.#pause();
      this.#noteHeld();
    });
    socket.on("end", () => {
      this.#ended = true;
      this.#session.decoder.end();
      if (!this.#waiting && !this.#failed) this.#pump();
    });
    socket.on("drain", () => {
      if (this.#stalled) this.#turns.backlog.add(this);
      this.#stalled = false;
      this.#resume();
    });
    socket.on("error", hangUp);
  }

  get #usualTurns(): Turns {
    return this.#session.takesTurns === true ? MESSAGE_TURNS : REQUEST_TURNS;
  }

  /** Tells if what was read may be answered at once. */
  #mayBegin(): boolean {
    if (this.#turns === AHEAD_TURNS) return false;
    return this.#turns === REQUEST_TURNS || this.#turns.backlog.mayBegin();
  }

  /** Closes the connection when it is idle: received requests are answered first, and a message in progress may end. */
  drain(): void {
    this.#draining = setTimeout(() => {
      if (this.#waiting || !this.#session.isIdle()) return; // #pump starts the time anew
      this.flush();
      this.#socket.end(() => this.#socket.destroy());
    }, QUIET_MS);
  }

  /**
   * Called when the socket has closed. Nothing stays on it: each stream of Node.js 24 has a closure in V8's old generation, which
   * keeps the stream until that is collected, and all that hangs on it would be copied there.
   */
  closed(): void {
    clearInterval(this.#awaiting);
    clearTimeout(this.#draining);
    if (this.#heldBytes > 0) this.#context.budget.hold(this, 0);
    this.#session.close();
    this.#socket.removeAllListeners();
  }

  get isGone(): boolean {
    return this.#socket.destroyed;
  }

  get isNew(): boolean {
    return !this.#hadTurn && this.#turns === REQUEST_TURNS;
  }

  /** What waits for a turn is idle: else those that send half requests all the time would be kept, and all others dropped. */
  get isBusy(): boolean {
    return this.#waiting && !this.#awaitsTurn;
  }

  drop(): void {
    this.#heldBytes = 0;
    this.#context.hooks.dropped(this.#protocol);
    if (!this.#session.shed()) this.#socket.destroy();
  }

  flush(): void {
    const out = this.#out;
    this.#out = "";
    if (out !== "" && !this.#socket.destroyed && !this.#socket.write(out, "latin1")) this.#pause();
  }

  /** Answers some of the waiting requests, in a turn of the backlog. */
  takeTurn(): void {
    const { backlog, halfRequestPauseMs } = this.#turns;
    const { decoder } = this.#session;
    const hasBytes = decoder.heldBytes > 0;
    this.#left = MAX_IN_A_ROW;
    this.#hadTurn = true;
    this.#stalled = this.#socket.writableNeedDrain;
    if (!this.#stalled) this.#goOn("");
    if (this.#stalled || this.#failed || this.#left < MAX_IN_A_ROW || !hasBytes) return;
    this.#mayReadOn = true;
    backlog.rest(halfRequestPauseMs);
    const maxHeld = this.#session.isIdle() ? 0 : MAX_CHARS_OF_MTA;
    if (this.#turns === MESSAGE_TURNS && this.#hasReadMuch && decoder.heldBytes > maxHeld) this.#turns = AHEAD_TURNS;
  }

  #pump(): void {
    this.#draining?.refresh();
    const { decoder } = this.#session;
    let out = "";
    try {
      for (let request = decoder.next(); request !== undefined; request = decoder.next()) {
        const reply = this.#session.answer(request);
        this.#left -= reply === "" ? SILENT_REQUEST : 1;
        if (typeof reply !== "string") {
          this.#wait(out, reply);
          return;
        }
        out += reply;
        if (this.#left <= 0) {
          this.#send(out);
          if (this.#turns === MESSAGE_TURNS && this.#isAhead(reply)) this.#turns = AHEAD_TURNS;
          this.#waitForTurn();
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

  /** Tells of a milter's peer if it sends ahead: an MTA waits for answers, and sends much in messages alone. */
  #isAhead(reply: string): boolean {
    return this.#session.decoder.heldBytes > 0 && (reply !== "" || this.#session.isIdle());
  }

  /** Leaves the rest of the work to a turn in the backlog, and further reading if there is more than a little to do. */
  #waitForTurn(pauses = true): void {
    this.#waiting = true;
    this.#awaitsTurn = true;
    if (pauses) this.#pause();
    this.#turns.backlog.add(this);
  }

  /** Reports the held bytes to the budget. Most requests arrive whole, so there are none. */
  #noteHeld(): void {
    const { heldBytes } = this.#session;
    // What is skipped is no answered request.
    if (!this.#waiting && this.#left < MAX_IN_A_ROW && this.#session.decoder.heldBytes === 0) {
      this.#hadTurn = false;
      this.#turns = this.#usualTurns;
    }
    if (heldBytes === this.#heldBytes) return;
    this.#heldBytes = heldBytes;
    this.#context.budget.hold(this, heldBytes);
  }

  #send(out: string): void {
    if (out === "") return;
    // Written at once if answers pile up, so that a peer that does not read is noticed.
    const isAhead = this.#out !== "" || out.length > MAX_HELD_CHARS;
    this.#out += out;
    if (isAhead || !outbox.defers(this)) this.flush();
  }

  /** Closes the socket. Destroys it if all is written, which saves half of the system calls of a normal end. */
  #hangUp(): void {
    this.flush();
    if (this.#socket.writableLength === 0) this.#socket.destroy();
    else this.#socket.end();
  }

  #wait(out: string, reply: Promise<string>): void {
    this.#send(out);
    this.#waiting = true;
    if (this.#session.whileAwaited !== undefined && !this.#socket.destroyed) {
      this.#awaiting = setInterval(() => this.#send(this.#session.whileAwaited?.() ?? ""), AWAITED_MS);
    }
    reply.then(
      (text) => this.#goOn(text),
      (error: unknown) => this.#fail(error, ""),
    );
  }

  #goOn(out: string): void {
    this.#waiting = false;
    this.#awaitsTurn = false;
    clearInterval(this.#awaiting);
    if (this.#socket.destroyed) return;
    this.#send(out);
    // An answer that was known already comes in a microtask, in the same turn of the event loop.
    if (this.#left <= 0) {
      this.#waitForTurn();
      return;
    }
    this.#pump();
    this.#resume();
  }

  /** Stops reading, so that a peer that sends ahead or does not read fills its own buffers and not ours. */
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
    clearInterval(this.#awaiting);
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

/** Closes the socket after an error. A reset by the peer is normal, and "close" always follows. */
function hangUp(this: Socket): void {
  this.destroy();
}
