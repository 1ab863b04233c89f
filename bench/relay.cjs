/**
 * Node's floor for a check that has to ask: a fixed answer for each request, after one DNS server has replied to a
 * query or two about the sender's domain. What a Node server can do at most that keeps and understands nothing.
 *
 *     node relay.cjs QUERIES DNS-PORT PORT
 */
"use strict";
const dgram = require("node:dgram");
const net = require("node:net");

const [queries, dnsPort, port] = process.argv.slice(2).map(Number);

const ANSWER =
  "action=PREPEND Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.1; helo=mail.d1.example.net; envelope-from=user1@d1.example.net; receiver=<UNKNOWN>\n\n";

const dns = dgram.createSocket("udp4");
const waiting = new Map();
let lastId = 0;

/** A query for the TXT records of `name`, without an id. */
function encode(name) {
  const query = Buffer.alloc(12 + name.length + 6);
  query[2] = 1; // RD
  query[5] = 1; // QDCOUNT
  let at = 12;
  for (const label of name.split(".")) {
    query[at] = label.length;
    query.write(label, at + 1, "latin1");
    at += 1 + label.length;
  }
  query[at + 2] = 16; // TXT
  query[at + 4] = 1; // IN
  return query;
}

function ask(name, onReply) {
  const query = encode(name);
  lastId = (lastId + 1) & 0xffff;
  query.writeUInt16BE(lastId, 0);
  waiting.set(lastId, onReply);
  dns.send(query);
}

function answer(socket, request) {
  const at = request.indexOf("@", request.indexOf("\nsender="));
  const name = request.slice(at + 1, request.indexOf("\n", at));
  let left = queries;
  const next = () => {
    left -= 1;
    if (left < 0) socket.write(ANSWER, "latin1");
    else ask(left === 0 ? name : `mail.${name}`, next);
  };
  next();
}

dns.on("message", (reply) => {
  const id = reply.readUInt16BE(0);
  const onReply = waiting.get(id);
  waiting.delete(id);
  onReply?.();
});
dns.connect(dnsPort, "127.0.0.1", () => {
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    // The load generator sends one request at a time, and each fits into one packet.
    socket.on("data", (chunk) => answer(socket, chunk.toString("latin1")));
  });
  server.listen({ port, host: "127.0.0.1", backlog: 4096 });
});
