/** Hands messages to an SMTP server as other hosts do: one in each session, some sessions at a time. */
import { connect } from "node:net";
import { createInterface } from "node:readline";

export interface SmtpLoad {
  readonly port: number;
  /** The address to come from. */
  readonly localAddress: string;
  readonly heloName: string;
  readonly sender: string;
  readonly recipient: string;
  /** With CRLF, and no line that begins with a dot. */
  readonly message: string;
  readonly messages: number;
  readonly sessions: number;
}

/** @throws {Error} if a message is not taken */
export async function sendMessages(load: SmtpLoad): Promise<void> {
  let left = load.messages;
  const send = async (): Promise<void> => {
    while (left-- > 0) await sendOne(load);
  };
  await Promise.all(Array.from({ length: load.sessions }, send));
}

async function sendOne({ port, localAddress, heloName, sender, recipient, message }: SmtpLoad): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port, localAddress });
  const steps: readonly (readonly [reply: string, next: string])[] = [
    ["220", `EHLO ${heloName}`],
    ["250", `MAIL FROM:<${sender}>`],
    ["250", `RCPT TO:<${recipient}>`],
    ["250", "DATA"],
    ["354", `${message}\r\n.`],
    ["250", "QUIT"],
    ["221", ""],
  ];
  let at = 0;
  try {
    for await (const line of createInterface({ input: socket })) {
      if (line.charAt(3) === "-") continue;
      const [reply = "", next = ""] = steps[at++] ?? [];
      if (!line.startsWith(reply) || reply === "") throw new Error(`Cannot send to port ${port}: ${line}`);
      if (next === "") return;
      socket.write(`${next}\r\n`, "latin1");
    }
    throw new Error(`Cannot send to port ${port}: the server hung up`);
  } finally {
    socket.destroy();
  }
}
