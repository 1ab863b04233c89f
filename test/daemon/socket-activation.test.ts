/** Tests endpoints that systemd opens, with systemd's own systemd-socket-activate(1). */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { inheritedSockets } from "../../src/process/socket-activation.ts";
import { freePorts, Peer, postvouch, scratch } from "../helpers/daemon.ts";
import { requirePrograms } from "../helpers/requires.ts";

const MAIN = join(import.meta.dirname, "../../src/main.js");
const missing = requirePrograms("systemd-socket-activate");

test.each([
  { name: "none", environment: {}, sockets: {} },
  { name: "those of another process", environment: { LISTEN_PID: "8", LISTEN_FDS: "1" }, sockets: {} },
  { name: "a number that is none", environment: { LISTEN_PID: "7", LISTEN_FDS: "many" }, sockets: {} },
  {
    name: "two with names",
    environment: { LISTEN_PID: "7", LISTEN_FDS: "2", LISTEN_FDNAMES: "maps:policy" },
    sockets: { maps: [3], policy: [4] },
  },
  {
    name: "two of one name",
    environment: { LISTEN_PID: "7", LISTEN_FDS: "2", LISTEN_FDNAMES: "postvouch.socket:postvouch.socket" },
    sockets: { "postvouch.socket": [3, 4] },
  },
  { name: "one without a name", environment: { LISTEN_PID: "7", LISTEN_FDS: "1" }, sockets: { unknown: [3] } },
])("The environment hands over $name", ({ environment, sockets }) => {
  expect(Object.fromEntries(inheritedSockets(environment, 7))).toEqual(sockets);
});

/** Waits until `said()` holds `text`. */
async function until(said: () => string, text: string): Promise<void> {
  for (const deadline = Date.now() + 15_000; !said().includes(text); await delay(20)) {
    if (Date.now() > deadline) throw new Error(`Cannot find "${text}" in:\n${said()}`);
  }
}

/** Tells how many of `count` connections there are half a second later. */
async function connectedOf(count: number, port: number): Promise<number> {
  let connected = 0;
  const sockets = Array.from({ length: count }, () =>
    connect(port, "127.0.0.1", () => connected++).on("error", () => {}),
  );
  await delay(500);
  for (const socket of sockets) socket.destroy();
  return connected;
}

describe.skipIf(missing !== undefined)(`Sockets from systemd ${missing ?? ""}`, () => {
  test("are served, inet and unix, and stay over a reload", async () => {
    using dir = scratch();
    const [port = 0, other = 0] = await freePorts(2);
    dir.write("secrets", "tops3cr3t\n");
    const toml = (metrics: string) => `hostname = "mx.example"
[srs]
domain = "srs.example"
secrets_file = "${dir.path}/secrets"
[tcptable]
forward = ["fd:forward"]
reverse = []
[socketmap]
listen = ["fd:maps"]
[policy]
listen = []
[metrics]
listen = [${metrics}]
`;
    const config = dir.write("c.toml", toml(""));
    const child = spawn("systemd-socket-activate", [
      ...["-l", `127.0.0.1:${port}`, "-l", `${dir.path}/maps`, "--fdname=forward:maps"],
      ...[process.execPath, MAIN, "serve", "--config", config],
    ]);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => (output += String(bytes)));
    try {
      await until(() => output, "Listening on");
      // The first connection starts the daemon.
      using tcp = new Peer(port);
      expect(await tcp.ask("get alice@example.org\n")).toMatch(/^200 SRS0=/);
      using map = new Peer(`${dir.path}/maps`);
      expect(await map.ask("25:forward alice@example.org,", ",")).toContain("OK SRS0=");
      expect(output).toContain("listening listener=tcptable.forward endpoint=fd:forward");
      dir.write("c.toml", toml(`"127.0.0.1:${other}"`));
      child.kill("SIGHUP");
      await until(() => output, "reload result=ok");
      expect(await tcp.ask("get alice@example.org\n")).toMatch(/^200 SRS0=/);
      using again = new Peer(port);
      expect(await again.ask("get alice@example.org\n")).toMatch(/^200 SRS0=/);
      // As many may wait as at an endpoint of our own. Node.js would let 511 wait.
      child.kill("SIGSTOP");
      expect(await connectedOf(600, port)).toBe(600);
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("survive a reload that fails, and one that does without them", async () => {
    using dir = scratch();
    const [port = 0, forward = 0] = await freePorts(2);
    dir.write("secrets", "tops3cr3t\n");
    const toml = (endpoint: string, reverse = "") => `[srs]
domain = "srs.example"
secrets_file = "${dir.path}/secrets"
[tcptable]
forward = ["${endpoint}"]
reverse = [${reverse}]
[socketmap]
listen = ["fd:maps"]
[policy]
listen = []
[metrics]
listen = []
`;
    const config = dir.write("c.toml", toml(`127.0.0.1:${forward}`));
    const child = spawn("systemd-socket-activate", [
      ...["-l", `127.0.0.1:${port}`, "-l", `${dir.path}/maps`, "--fdname=forward:maps"],
      ...[process.execPath, MAIN, "serve", "--config", config],
    ]);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => (output += String(bytes)));
    const reload = async (text: string, result: string): Promise<void> => {
      dir.write("c.toml", text);
      output = "";
      child.kill("SIGHUP");
      await until(() => output, `reload result=${result}`);
    };
    try {
      await until(() => output, "Listening on");
      using first = new Peer(`${dir.path}/maps`);
      expect(await first.ask("25:forward alice@example.org,", ",")).toContain("OK SRS0=");
      await reload(toml("fd:forward", '"192.0.2.1:1"'), '"failed');
      await reload(toml("fd:forward"), "ok");
      using tcp = new Peer(port);
      expect(await tcp.ask("get alice@example.org\n")).toMatch(/^200 SRS0=/);
      await reload(toml(`127.0.0.1:${forward}`), "ok");
      await new Peer(port).closed;
      expect(await tcp.ask("get alice@example.org\n")).toMatch(/^200 SRS0=/);
      await reload(toml("fd:forward"), "ok");
      expect(output).toContain("listening listener=tcptable.forward endpoint=fd:forward");
      using again = new Peer(port);
      expect(await again.ask("get alice@example.org\n")).toMatch(/^200 SRS0=/);
      const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
      await reload(toml(`127.0.0.1:${forward}`), "ok");
      child.kill("SIGTERM");
      expect(await ended).toBe(0);
    } finally {
      child.kill("SIGKILL");
    }
  });

  test.each([
    { names: "other", sockets: 1, says: "systemd handed over no socket of that name" },
    { names: "forward:forward", sockets: 2, says: "systemd handed over 2 sockets of that name" },
  ])("named $names are refused where one named forward is wanted", async ({ names, sockets, says }) => {
    using dir = scratch();
    const ports = await freePorts(sockets);
    dir.write("secrets", "s\n");
    const config = dir.write(
      "c.toml",
      `[srs]\ndomain = "srs.example"\nsecrets_file = "${dir.path}/secrets"\n[tcptable]\nforward = ["fd:forward"]\nreverse = []\n[socketmap]\nlisten = []\n[policy]\nlisten = []\n[metrics]\nlisten = []\n`,
    );
    const child = spawn("systemd-socket-activate", [
      ...ports.flatMap((port) => ["-l", `127.0.0.1:${port}`]),
      ...[`--fdname=${names}`, process.execPath, MAIN, "serve", "--config", config],
    ]);
    let output = "";
    child.stderr.on("data", (bytes: Buffer) => (output += String(bytes)));
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    await until(() => output, "Listening on");
    using _first = new Peer(ports[0] ?? 0);
    expect(await ended).toBe(73);
    expect(output).toContain(`Cannot listen on fd:forward for tcptable.forward: ${says}`);
  });
});

test("An endpoint of systemd's that is wanted without systemd is named", () => {
  using dir = scratch();
  dir.write("secrets", "s\n");
  const config = dir.write(
    "c.toml",
    `[srs]\ndomain = "srs.example"\nsecrets_file = "${dir.path}/secrets"\n[policy]\nlisten = ["fd:policy"]\n`,
  );
  expect(postvouch(["check-config", "--config", config]).status).toBe(0);
  const { status, stderr } = postvouch(["serve", "--config", config]);
  expect({ status, stderr }).toEqual({ status: 73, stderr: expect.stringContaining("fd:policy for policy.listen") });
});

test("The socket units of deploy/ name what their configuration names", () => {
  const unit = (name: string): string => readFileSync(join(import.meta.dirname, "../../deploy/systemd", name), "utf8");
  const toml = unit("postvouch-sockets.toml");
  for (const name of ["postvouch-maps.socket", "postvouch-policy.socket"]) {
    const [, fd = ""] = /^FileDescriptorName=(.+)$/m.exec(unit(name)) ?? [];
    expect(toml).toContain(`"fd:${fd}"`);
  }
});
