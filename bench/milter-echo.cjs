/**
 * The floor of a milter in Node: it agrees on the same steps as postvouch, reads each packet's length and command, and
 * keeps nothing. Where an answer is due it gives the same one always, at the end of a message with one field to insert.
 *
 *     node milter-echo.cjs PORT [verify|sign]
 *
 * With `verify` or `sign` it also does what no program can leave out: SHA-256 of the body as it comes, and one RSA operation
 * of 2,048 bits at the end, in the same process.
 */
"use strict";
const net = require("node:net");
const { createHash, generateKeyPairSync, sign, verify } = require("node:crypto");

const [port, floor] = process.argv.slice(2);

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const DATA = Buffer.from("from: the signed header of a message, about as long as they are\r\n".repeat(10));
const SIGNATURE = sign("sha256", DATA, privateKey);

/** Version 6; fields are added and changed, messages held; no replies but to the ends of header and body. */
const OPTIONS = Buffer.from("0000000d4f0000000600000031001bf180", "hex");
const CONTINUE = Buffer.from("0000000163", "hex");
const FIELD = Buffer.from(
  `\0\0\0\0Authentication-Results\0 mx.example.org;\n\tspf=pass (192.0.2.1 is permitted) smtp.mailfrom=example.com;\n\tdkim=pass (2048-bit key) header.d=example.com header.s=sel header.a=rsa-sha256 header.b=abcdefgh;\n\tdmarc=pass (p=none dis=none) header.from=example.com\0`,
);
const END = Buffer.concat([Buffer.alloc(5), FIELD, CONTINUE]);
END.writeUInt32BE(FIELD.length + 1);
END[4] = "i".charCodeAt(0);

const [OPTNEG, EOH, BODY, EOB, QUIT] = Buffer.from("ONBEQ");

function serve(socket) {
  let head = Buffer.alloc(0);
  let left = 0;
  let command = 0;
  let hash;
  const take = (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (left > 0) {
        const end = Math.min(chunk.length, at + left);
        if (floor !== undefined && command === BODY)
          hash = (hash ?? createHash("sha256")).update(chunk.subarray(at, end));
        left -= end - at;
        at = end;
        continue;
      }
      if (chunk.length - at < 5) {
        head = chunk.subarray(at);
        return;
      }
      left = chunk.readUInt32BE(at) - 1;
      command = chunk[at + 4];
      at += 5;
      answer();
    }
  };
  const answer = () => {
    if (command === OPTNEG) socket.write(OPTIONS);
    else if (command === EOH) socket.write(CONTINUE);
    else if (command === EOB) finish();
    else if (command === QUIT) socket.end();
  };
  const finish = () => {
    hash?.digest();
    hash = undefined;
    if (floor === "sign") {
      sign("sha256", DATA, privateKey, () => socket.write(END));
      return;
    }
    if (floor === "verify" && !verify("sha256", DATA, publicKey, SIGNATURE)) throw new Error("Cannot verify");
    socket.write(END);
  };
  socket.on("data", (chunk) => {
    const whole = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    head = Buffer.alloc(0);
    take(whole);
  });
  socket.on("error", () => {});
}

net.createServer({ noDelay: true }, serve).listen(Number(port), "127.0.0.1");
