/** Sends bytes to a service and collects its replies. */
import { ProtocolError, type RequestService } from "../../src/net/session.ts";

export interface Conversation {
  /** What the service sent, one entry for each request. Latin1. */
  readonly replies: readonly string[];
  /** Whether the service hangs up: the peer broke the protocol, or ended it. */
  readonly isClosed: boolean;
}

/**
 * Plays a client's packets (latin1) to a service without a socket, as net/connection.ts does with one.
 *
 * @param ends the client closes its half after the last packet
 */
export async function converse<Request>(
  service: RequestService<Request>,
  packets: Iterable<string>,
  ends = false,
): Promise<Conversation> {
  const decoder = service.createDecoder();
  const replies: string[] = [];
  const answerAll = async (): Promise<void> => {
    for (let request = decoder.next(); request !== undefined; request = decoder.next()) {
      const reply = service.answer(request);
      replies.push(typeof reply === "string" ? reply : await reply);
    }
  };
  try {
    for (const packet of packets) {
      decoder.feed(packet);
      await answerAll();
    }
    if (ends) decoder.end();
    await answerAll();
    return { replies, isClosed: ends };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { replies: error.reply === "" ? replies : [...replies, error.reply], isClosed: true };
  }
}
