/** What is known of a message that has begun. */
import type { MessageHandler, StepReply } from "./application.ts";

export class Message {
  /** Missing if the message has failed from the beginning. */
  readonly handler: MessageHandler | undefined;
  phase = 0;
  /** Size of the fields that the handler may have kept. */
  headerBytes = 0;
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
}
