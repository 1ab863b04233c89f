/** Asks servers that answer well, badly or not at all. */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { askEndpoints } from "../../../src/doctor/gather/ask.ts";

/** A server that answers each first packet with `reply`; never without one. */
async function serving(reply: string | undefined, ask: (place: { host: string; port: number }) => Promise<unknown>) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    if (reply === "greet") socket.write("220 mail.example.org\r\n");
    else
      socket.once("data", () =>
        reply === "" ? socket.destroy() : reply !== undefined && socket.write(reply, "latin1"),
      );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  try {
    return await ask({ host: "127.0.0.1", port });
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

const KEY = "a b@x.example";

describe("tcp_table", () => {
  test.each([
    ["200 a%20b\n", { status: "found", value: "a b" }],
    ["500 no\n", { status: "not found" }],
    ["400 later%21\n", { status: "refused", reason: "later!" }],
    ["220 mail ESMTP\r\n", { status: "unreachable", reason: 'it speaks another protocol: "220 mail ESMTP"' }],
    ["", { status: "unreachable", reason: "the connection was closed without an answer" }],
  ])("answers %j", async (reply, answer) => {
    expect(await serving(reply, (place) => askEndpoints.tcpTable(place, KEY))).toEqual(answer);
  });
});

describe("socketmap", () => {
  test.each([
    ["6:OK a b,", { status: "found", value: "a b" }],
    ["9:NOTFOUND ,", { status: "not found" }],
    ["10:TEMP later,", { status: "refused", reason: "TEMP later" }],
    ["500 no\n", { status: "unreachable", reason: 'it speaks another protocol: "500 no"' }],
  ])("answers %j", async (reply, answer) => {
    expect(await serving(reply, (place) => askEndpoints.socketmap(place, "forward", KEY))).toEqual(answer);
  });
});

test.each([
  ["action=DUNNO\n\n", { status: "found", value: "DUNNO" }],
  ["nonsense and more\n", { status: "unreachable", reason: expect.stringContaining("another protocol") }],
])("a policy service answers %j", async (reply, answer) => {
  expect(await serving(reply, (place) => askEndpoints.policy(place))).toEqual(answer);
});

test("an SMTP server greets", async () => {
  expect(await serving("greet", (place) => askEndpoints.smtp(place))).toEqual({
    status: "found",
    value: "220 mail.example.org",
  });
});

test("what floods or says nothing is given up", async () => {
  const ask = (place: { host: string; port: number }) => askEndpoints.socketmap(place, "forward", KEY);
  const [flood, silence] = await Promise.all([
    serving(`99999999:${"x".repeat(200_000)}`, ask),
    serving(undefined, ask),
  ]);
  expect(flood).toMatchObject({ status: "unreachable" });
  expect(silence).toEqual({ status: "unreachable", reason: "no answer within 3000 ms" });
});

test("nothing listens there, and there is no such socket", async () => {
  expect(await askEndpoints.connect({ host: "127.0.0.1", port: 1 })).toMatchObject({ reason: "nothing listens there" });
  expect(await askEndpoints.connect({ host: "127.0.0.1", port: 70_000 })).toMatchObject({
    reason: "there is no such port",
  });
  expect(await askEndpoints.connect({ path: "/nonexistent/s" })).toMatchObject({ reason: "there is no such socket" });
});
