/** Sends queries over TCP. */
import { createConnection, type Socket } from "node:net";
import { encodeQuery, isReplyTo } from "./message.ts";
import type { MessageIds } from "./message-ids.ts";
import type { ServerAddress } from "./server-address.ts";
import type { PendingQuery, ReplyListener } from "./udp.ts";

const NONE_TAKEN: ReadonlyMap<number, unknown> = new Map();

/** Sends one query over a new TCP connection. A length precedes each message (RFC 1035 section 4.2.2, RFC 7766). */
export function askOverTcp(
  { host, port }: ServerAddress,
  question: Buffer,
  edns: boolean,
  ids: MessageIds,
  listener: ReplyListener,
): PendingQuery {
  const id = ids.next(NONE_TAKEN);
  const query = encodeQuery(id, question, edns);
  const socket = createConnection({ host, port, noDelay: true });
  let isOver = false;
  const end = () => {
    isOver = true;
    socket.destroy();
  };
  const fail = (detail: string) => {
    if (isOver) return;
    end();
    listener.onFailure(detail);
  };

  socket.unref();
  socket.on("error", (error) => fail(error.message));
  socket.on("close", () => fail("connection closed before the reply"));
  onFirstMessage(socket, (message) => {
    if (isOver) return;
    if (!isReplyTo(message, id, question)) return fail("not a reply to the query");
    end();
    listener.onReply(message);
  });
  // Sent in one write, because some servers cannot read a length that arrives alone.
  const prefixed = Buffer.allocUnsafe(query.length + 2);
  prefixed.writeUInt16BE(query.length, 0);
  prefixed.set(query, 2);
  socket.write(prefixed);
  return { cancel: end };
}

/** Calls `onMessage` with the first message, however the stream is split. Holds at most that message and one chunk. */
function onFirstMessage(socket: Socket, onMessage: (message: Buffer) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let end: number | undefined;
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < 2) return;
    end ??= 2 + (chunks.length === 1 ? chunk : Buffer.concat(chunks)).readUInt16BE(0);
    if (bytes >= end) onMessage(Buffer.concat(chunks, bytes).subarray(2, end));
  });
}
