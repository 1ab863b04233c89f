/** An SMTP server that takes mail and keeps it, with faults on demand. */
import { createServer, type Socket } from "node:net";

export interface Taken {
  readonly sender: string;
  readonly recipient: string;
  /** The message as it came, dots unstuffed. Latin1. */
  readonly message: string;
}

/** A reply in place of the usual one; "close" closes the connection, "hang" says nothing. */
export type Fault = (command: string) => string | "close" | "hang" | undefined;

export interface SmtpSink extends AsyncDisposable {
  readonly port: number;
  readonly taken: Taken[];
  readonly commands: string[];
  /** Number of connections so far. */
  connections: number;
  fault: Fault;
}

export async function startSmtpSink(fault: Fault = () => undefined): Promise<SmtpSink> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    sink.connections++;
    converse(socket, sink);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const sink: SmtpSink = {
    port: typeof address === "object" && address !== null ? address.port : 0,
    taken: [],
    commands: [],
    connections: 0,
    fault,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return sink;
}

function converse(socket: Socket, sink: SmtpSink): void {
  let pending = "";
  let sender = "";
  let recipient = "";
  let isData = false;
  const reply = (command: string, usual: string): void => {
    const text = sink.fault(command) ?? usual;
    if (text === "close") socket.destroy();
    else if (text !== "hang") socket.write(`${text}\r\n`);
  };
  reply("connect", "220 sink ESMTP");
  socket.on("data", (chunk) => {
    pending += chunk.toString("latin1");
    for (;;) {
      const end = isData ? pending.indexOf("\r\n.\r\n") : pending.indexOf("\r\n");
      if (end === -1) return;
      const text = pending.slice(0, isData ? end + 2 : end);
      pending = pending.slice(end + (isData ? 5 : 2));
      if (isData) {
        isData = false;
        const refusal = sink.fault("message");
        if (refusal === undefined) sink.taken.push({ sender, recipient, message: text.replace(/^\.\./gm, ".") });
        reply("message", "250 2.0.0 Ok: queued as 4711");
        continue;
      }
      sink.commands.push(text);
      if (/^MAIL/i.test(text)) sender = /<(.*?)>/.exec(text)?.[1] ?? "";
      if (/^RCPT/i.test(text)) recipient = /<(.*)>/.exec(text)?.[1] ?? "";
      isData = /^DATA/i.test(text) && sink.fault(text) === undefined;
      reply(
        text,
        /^EHLO/i.test(text)
          ? "250-sink\r\n250-SIZE 10000000\r\n250 8BITMIME"
          : /^DATA/i.test(text)
            ? "354 go on"
            : "250 ok",
      );
    }
  });
}
