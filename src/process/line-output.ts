/**
 * Writes lines to a file descriptor in batches, because a write for each line would take most of the time of a lookup.
 * pino's own destination is slow too, because it counts the bytes of the whole batch at each line.
 */
import { write, writeSync } from "node:fs";
import { errorCode } from "./exit.ts";

/** Size of a batch in characters. */
const WRITE_AT_CHARS = 32_768;
/** Longest wait of a line for its batch, in milliseconds. */
const WRITE_AFTER_MS = 100;

/** Number of characters that may wait while nobody reads. Further lines are lost, so that mail goes on. */
const MAX_WAITING_CHARS = 8 << 20;

/** Time after which a full pipe is tried again, in milliseconds. */
const RETRY_MS = 20;

/** Number of tries, `RETRY_MS` apart, for a full pipe at the end of the process. */
const LAST_TRIES = 50;

export class LineOutput {
  readonly #fd: number;
  readonly #onLost: (lines: number) => void;
  #waiting = "";
  /** The bytes that are being written in the background. */
  #writing: Buffer | undefined;
  /** True while the write waits for a full pipe. */
  #isStalled = false;
  #timer: NodeJS.Timeout | undefined;
  #lost = 0;

  /** @param onLost called with the number of lost lines, once lines are accepted again */
  constructor(fd: number, onLost: (lines: number) => void) {
    this.#fd = fd;
    this.#onLost = onLost;
  }

  /** Adds a line or several, LF included. Never throws and never waits. */
  write(line: string): void {
    if (this.#waiting.length > MAX_WAITING_CHARS) {
      this.#lost++;
      return;
    }
    this.#waiting += line;
    this.#startSoon();
  }

  /** Writes all waiting lines before the process ends. A write that the system has already begun is not repeated. */
  flush(): void {
    let bytes = this.#isStalled ? Buffer.concat([this.#writing ?? NOTHING, this.#take()]) : this.#take();
    if (this.#isStalled) this.#writing = undefined;
    for (let tries = 0; bytes.length > 0 && tries < LAST_TRIES; tries++) {
      try {
        bytes = bytes.subarray(writeSync(this.#fd, bytes));
      } catch (error) {
        if (errorCode(error) !== "EAGAIN") return;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  #startSoon(): void {
    if (this.#waiting.length >= WRITE_AT_CHARS) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), WRITE_AFTER_MS).unref();
  }

  #start(): void {
    this.#stopTimer();
    if (this.#writing !== undefined) return;
    this.#writing = this.#take();
    this.#writeOn();
  }

  #take(): Buffer {
    this.#stopTimer();
    const bytes = Buffer.from(this.#waiting);
    this.#waiting = "";
    const lost = this.#lost;
    this.#lost = 0;
    if (lost > 0) this.#onLost(lost);
    return bytes;
  }

  #writeOn(): void {
    const bytes = this.#writing;
    if (bytes === undefined || bytes.length === 0) {
      this.#writing = undefined;
      if (this.#waiting !== "") this.#startSoon();
      return;
    }
    write(this.#fd, bytes, (error, written) => {
      if (error === null) this.#writing = bytes.subarray(written);
      else if (error.code === "EAGAIN") return this.#writeLater();
      // Nobody reads our standard error any more. Lines are lost, so that mail goes on.
      else this.#writing = undefined;
      this.#writeOn();
    });
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #writeLater(): void {
    this.#isStalled = true;
    setTimeout(() => {
      this.#isStalled = false;
      this.#writeOn();
    }, RETRY_MS).unref();
  }
}

const NOTHING = Buffer.alloc(0);
