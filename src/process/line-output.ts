/**
 * Lines on their way to a file descriptor. Several are written at once: a write for each line would be most of what a
 * lookup costs. pino's own destination costs almost as much, since it counts all waiting bytes at each line.
 */
import { write, writeSync } from "node:fs";
import { errorCode } from "./exit.ts";

/** Lines are collected up to this many characters or milliseconds. */
const WRITE_AT_CHARS = 32_768;
const WRITE_AFTER_MS = 100;

/** Most characters that wait while nobody reads. Above it lines are lost, so that mail goes on. */
const MAX_WAITING_CHARS = 8 << 20;

/** A pipe that is full is tried again after this time, in milliseconds. */
const RETRY_MS = 20;

/** How long the end of the process waits for a pipe that is full, in tries of `RETRY_MS`. */
const LAST_TRIES = 50;

export class LineOutput {
  readonly #fd: number;
  readonly #onLost: (lines: number) => void;
  #waiting = "";
  /** What is being written in the background. */
  #writing: Buffer | undefined;
  /** What is being written met a pipe that is full, and waits. */
  #isStalled = false;
  #timer: NodeJS.Timeout | undefined;
  #lost = 0;

  /** @param onLost called with the number of lost lines, as soon as lines can be taken again */
  constructor(fd: number, onLost: (lines: number) => void) {
    this.#fd = fd;
    this.#onLost = onLost;
  }

  /** Takes a line (or several), LF included. Never throws and never waits. */
  write(line: string): void {
    if (this.#waiting.length > MAX_WAITING_CHARS) {
      this.#lost++;
      return;
    }
    this.#waiting += line;
    this.#startSoon();
  }

  /** Writes all that waits, before the process ends. What the system has in hand already stays there. */
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
      // Nobody reads our standard error any more: mail goes on, lines are lost.
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
