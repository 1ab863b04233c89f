/**
 * A program that speaks SMTP inside a namespace, where the tests themselves are not: `[host, port, command…]` as JSON on
 * standard input, the replies as a JSON array on standard output, the greeting first. Text is latin1 bytes.
 */
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { buffer } from "node:stream/consumers";

const [host = "", port = "", ...commands] = JSON.parse((await buffer(process.stdin)).toString("latin1")) as string[];
const socket = connect({ host, port: Number(port) }).setEncoding("latin1");
socket.setTimeout(30_000, () => socket.destroy(new Error("Cannot read a reply: none in 30 s")));
const replies: string[] = [];
let reply = "";
let command: string | undefined;
for await (const line of createInterface({ input: socket })) {
  reply += reply === "" ? line : `\n${line}`;
  // "250-" says that more lines follow (RFC 5321 section 4.2.1).
  if (line.charAt(3) === "-") continue;
  replies.push(reply);
  reply = "";
  const previous = command;
  command = commands.shift();
  // Without "354" the server takes no message, and its lines would be commands.
  if (previous === "DATA" && !line.startsWith("354")) command = commands.shift();
  if (command === undefined) break;
  socket.write(`${command}\r\n`, "latin1");
}
socket.destroy();
process.stdout.write(JSON.stringify(replies), "latin1");
