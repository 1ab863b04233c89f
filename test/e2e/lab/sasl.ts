/**
 * A program that says yes to every password, as Postfix asks Dovecot (Dovecot's authentication protocol 1.1): `node sasl.ts
 * LOG PORT`, on 127.0.0.1. It makes the file LOG once it listens. PLAIN alone, whose response is `\0user\0password`.
 */
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const GREETING = ["VERSION\t1\t1", "MECH\tPLAIN\tplaintext", "SPID\t1", "CUID\t1", "COOKIE\tc", "DONE", ""].join("\n");

const server = createServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.write(GREETING);
  createInterface({ input: socket }).on("line", (line) => {
    const [command, id, , ...parameters] = line.split("\t");
    if (command !== "AUTH") return;
    const response = parameters.find((one) => one.startsWith("resp="))?.slice("resp=".length) ?? "";
    const [, user = ""] = Buffer.from(response, "base64").toString("latin1").split("\0");
    socket.write(`OK\t${id}\tuser=${user}\n`);
  });
});
const [log = "", port] = process.argv.slice(2);
server.listen(Number(port), "127.0.0.1", () => writeFileSync(log, "listening\n"));
