/** What is known of a message that has begun. */
import type { MessageHandler, StepReply } from "./application.ts";

/** Most fields of one message that a handler is asked to keep. Mail has some dozens. */
export const MAX_FIELDS = 10_000;

/** Memory that a kept field costs beside its bytes: an empty one costs about 112. */
export const FIELD_OVERHEAD_BYTES = 100;

/** Memory that a handler may keep of a field that it is not asked to keep: its number in a list that grows. */
const EXCESS_FIELD_BYTES = 16;

export class Message {
  /** Missing once nothing more is asked of it, so that what it keeps can be freed. */
  handler: MessageHandler | undefined;
  phase = 0;
  /** The fields that the handler may have kept, and their size. */
  #fields = 0;
  #headerBytes = 0;
  #excessFields = 0;
  #envelopeBytes = 0;
  /** True if the header is larger than the application wants it. */
  isExcess = false;
  wantsBody = true;
  /** The reply to all further steps, once the message has failed or its end is decided. */
  reply: StepReply | undefined;
  /** True if the message has failed and is let through. */
  isRescued = false;
  /** True once the MTA knows what happens to the message. */
  isTold = false;

  /** @param reply set if the message has failed already */
  constructor(handler: MessageHandler | undefined, reply?: "tempfail") {
    this.handler = handler;
    this.reply = reply;
  }

  /** True while it matters what still comes. */
  get isOpen(): boolean {
    return this.reply === undefined || this.isRescued;
  }

  /** Memory that the handler may hold. */
  get heldBytes(): number {
    const kept = this.#headerBytes + this.#fields * FIELD_OVERHEAD_BYTES;
    return this.#envelopeBytes + kept + this.#excessFields * EXCESS_FIELD_BYTES;
  }

  /** Counts the strings of MAIL, which the handler may keep. */
  addSender(strings: readonly string[]): void {
    if (this.handler !== undefined) this.#envelopeBytes = strings.reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * Counts a field.
   *
   * @param bytes its size in the message
   * @returns the problem with which the header becomes too large
   */
  addField(bytes: number, maxHeaderBytes: number): string | undefined {
    const wasExcess = this.isExcess;
    const isLong = this.#headerBytes + bytes > maxHeaderBytes;
    this.isExcess ||= isLong || this.#fields === MAX_FIELDS;
    if (this.isExcess) this.#excessFields++;
    if (wasExcess) return undefined;
    if (this.isExcess) return `header over ${isLong ? `${maxHeaderBytes} bytes` : `${MAX_FIELDS} fields`}`;
    this.#fields++;
    this.#headerBytes += bytes;
    return undefined;
  }

  /**
   * Tells the handler that nothing more comes.
   *
   * @param hasFailed true if that is a fault of ours
   * @param failed called with what the handler throws
   */
  abort(hasFailed: boolean, failed: (error: unknown) => void): void {
    try {
      this.handler?.abort?.(hasFailed);
    } catch (error) {
      failed(error);
    }
  }

  /** Lets go of the handler and all that it keeps. */
  release(): void {
    this.handler = undefined;
    this.#envelopeBytes = 0;
    this.#fields = 0;
    this.#headerBytes = 0;
    this.#excessFields = 0;
  }
}
