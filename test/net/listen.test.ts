import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, writeFileSync } from "node:fs";
import type { AddressInfo, NetConnectOpts, Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/net/endpoint.ts";
import { ListenError, listen } from "../../src/net/listen.ts";
import { freePort } from "../helpers/free-port.ts";
import { temporaryDirectory } from "../helpers/postfix-config.ts";

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function open(endpoint: Endpoint, socketMode = 0o660, isStatus = false): Promise<Server> {
  const server = await listen(endpoint, { name: "tcptable.forward", socketMode, isStatus });
  server.on("connection", (socket) => socket.destroy());
  servers.push(server);
  return server;
}

/** Leaves a socket file behind as a process does that is killed. */
function leaveStaleSocket(path: string): void {
  const script = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script, path]);
}

/** The owner is this process: the kernel shows it. */
const TAKEN = `another process has it \\(EADDRINUSE\\): .+, pid ${process.pid}`;

describe("A unix-domain socket", () => {
  test.each([0o600, 0o660, 0o666])("gets the mode that was asked for (%o)", async (mode) => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/socket`;
    await open({ type: "unix", path }, mode);
    expect(lstatSync(path).mode & 0o777).toBe(mode);
  });

  test("that nobody listens on any more is replaced", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/socket`;
    leaveStaleSocket(path);
    const before = lstatSync(path);
    await open({ type: "unix", path });
    expect(before.isSocket()).toBe(true);
    expect(lstatSync(path).isSocket()).toBe(true);
  });

  test("that somebody listens on is left to them", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/socket`;
    const first = await open({ type: "unix", path });
    await expect(open({ type: "unix", path })).rejects.toMatchObject({
      code: "EADDRINUSE",
      message: expect.stringMatching(`^Cannot listen on unix:${path} for tcptable.forward: ${TAKEN}$`),
    });
    expect(first.listening && existsSync(path)).toBe(true);
  });

  test("does not take the place of a file", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/notes`;
    writeFileSync(path, "keep");
    await expect(open({ type: "unix", path })).rejects.toThrow("the path exists and is no socket");
    expect(lstatSync(path).isFile()).toBe(true);
  });

  test("in a directory that does not exist is refused with that reason", async () => {
    await expect(open({ type: "unix", path: "/proc/nonexistent/socket" })).rejects.toThrow(
      "Cannot listen on unix:/proc/nonexistent/socket for tcptable.forward: its directory does not exist",
    );
  });

  test("of the status lets many wait, because one more would get an error", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/socket`;
    await open({ type: "unix", path }, 0o660, true);
    expect(connectedOf(40, { path })).toBe(40);
  });
});

describe("A port", () => {
  test("that is taken is refused by name, and the listener is named", async () => {
    const endpoint = { type: "inet", host: "127.0.0.1", port: await freePort() } as const;
    await open(endpoint);
    const refused = await open(endpoint).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ListenError);
    expect(refused).toMatchObject({
      code: "EADDRINUSE",
      listener: "tcptable.forward",
      message: expect.stringMatching(`^Cannot listen on 127.0.0.1:${endpoint.port} for tcptable.forward: ${TAKEN}$`),
    });
  });

  test("of all addresses is seen to be taken, too", async () => {
    const port = await freePort();
    await open({ type: "inet", host: "0.0.0.0", port });
    await expect(open({ type: "inet", host: "127.0.0.1", port })).rejects.toThrow(new RegExp(TAKEN));
  });

  test("below 1024 says who may have it", () => {
    const endpoint = { type: "inet", host: "127.0.0.1", port: 27 } as const;
    const error = new ListenError("tcptable.forward", endpoint, Object.assign(new Error("listen"), { code: "EACCES" }));
    expect(error.message).toMatch(/no permission \(EACCES\); ports below 1024 want root or CAP_NET_BIND_SERVICE$/);
  });

  test("of an address that is not ours is refused with that reason", async () => {
    await expect(open({ type: "inet", host: "192.0.2.1", port: 0 })).rejects.toMatchObject({ code: "EADDRNOTAVAIL" });
  });

  test("survives connections that cannot be accepted", async () => {
    const server = await open({ type: "inet", host: "127.0.0.1", port: 0 });
    for (let i = 0; i < 3; i++) server.emit("error", Object.assign(new Error("accept EMFILE"), { code: "EMFILE" }));
    expect(server.listening).toBe(true);
  });

  test.each([
    ["mail lets a fleet wait", false, 40],
    ["the status lets as many wait as a browser opens, and the kernel ignores others", true, 9],
  ])("of %s", async (_what, isStatus, waiting) => {
    const server = await open({ type: "inet", host: "127.0.0.1", port: 0 }, 0o660, isStatus);
    const { port } = server.address() as AddressInfo;
    // This process accepts none meanwhile, because spawnSync() stops its event loop.
    expect(connectedOf(40, { port, host: "127.0.0.1" })).toBe(waiting);
  });
});

/** Tells how many of `count` connections another process has half a second later. A client of a port asks again after a second. */
function connectedOf(count: number, where: NetConnectOpts): number {
  const script = `
    let connected = 0;
    for (let i = 0; i < ${count}; i++)
      require("node:net").connect(${JSON.stringify(where)}, () => connected++).on("error", () => {});
    setTimeout(() => process.exit(connected), 500);`;
  return spawnSync(process.execPath, ["-e", script]).status ?? -1;
}
