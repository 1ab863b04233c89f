/**
 * Node's floor: a fixed answer for each request, on plain net.Socket. What a Node server can do at most.
 *
 *     node echo.cjs VARIANT tcp|socketmap|policy PORT|/unix/path [--busy MS] [--hang-up PORT]
 *
 * `buf` and `str` write a Buffer or a latin1 string; `onread` also reads into one shared buffer, which needs an
 * undocumented option on the server's side and is here only to show what that would be worth. With --busy it works for so many
 * milliseconds in each turn of the event loop: the floor of a server that always has something to do. With --hang-up it also
 * listens on that port, and closes each connection.
 */
"use strict";
const net = require("node:net");
const { rmSync } = require("node:fs");
const { parseArgs } = require("node:util");

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { busy: { type: "string" }, "hang-up": { type: "string" } },
});
const [variant, mode, where] = positionals;

const ANSWERS = {
  tcp: "200 SRS0=vmyz=2W=example.com=test@example.com\n",
  socketmap: "48:OK SRS0=vmyz=2W=example.com=user1234@example.com,",
  policy:
    "action=PREPEND Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.1; helo=mail.d1.example.net; envelope-from=user1@d1.example.net; receiver=<UNKNOWN>\n\n",
};
const text = ANSWERS[mode];
const bytes = Buffer.from(text, "latin1");
/** Crude on purpose: one of these for each request. */
const TERMINATOR = { tcp: "\n", socketmap: ",", policy: "\n\n" }[mode];

function countRequests(chunk) {
  let count = 0;
  for (let at = chunk.indexOf(TERMINATOR); at >= 0; at = chunk.indexOf(TERMINATOR, at + TERMINATOR.length)) count++;
  return count;
}

const WRITE = {
  str: (socket, count) => socket.write(count === 1 ? text : text.repeat(count), "latin1"),
  buf: (socket, count) => socket.write(count === 1 ? bytes : Buffer.concat(Array(count).fill(bytes))),
};

function serve(socket) {
  const write = WRITE[variant];
  socket.on("data", (chunk) => {
    const count = countRequests(chunk);
    if (count > 0) write(socket, count);
  });
  socket.on("error", () => {});
}

function serveOnread(accepted) {
  const handle = accepted._handle;
  accepted._handle = null;
  const socket = new net.Socket({
    handle,
    onread: {
      buffer: shared,
      callback(length, buffer) {
        const count = countRequests(buffer.subarray(0, length));
        if (count > 0) WRITE.str(socket, count);
        return true;
      },
    },
  });
  socket.on("error", () => {});
  socket.on("end", () => socket.end());
  socket.resume();
  socket.read(0);
}

function work() {
  const endMs = performance.now() + Number(values.busy);
  while (performance.now() < endMs);
  setImmediate(work);
}
if (values.busy !== undefined) work();

const shared = Buffer.allocUnsafeSlow(65_536);
const isOnread = variant === "onread";
const server = net.createServer({ pauseOnConnect: isOnread }, isOnread ? serveOnread : serve);
if (where.startsWith("/")) {
  rmSync(where, { force: true });
  server.listen({ path: where, backlog: 4096 });
} else {
  server.listen({ port: Number(where), host: "127.0.0.1", backlog: 4096 });
}
const hangUp = values["hang-up"];
if (hangUp !== undefined) {
  const server = net.createServer();
  // Closes connections before they are sockets, which costs least.
  server.maxConnections = 0;
  server.listen({ port: Number(hangUp), host: "127.0.0.1", backlog: 4096 });
}
