/** Tests "Sockets for Postfix alone" of docs/install.md: a chrooted Postfix reaches them, other users do not. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { missingRoot, startPostfix } from "../helpers/postfix-server.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";

const ROOT = join(import.meta.dirname, "../..");
const UNITS = join(ROOT, "deploy/systemd");
const missing = requirePrograms("postfix", "systemd-socket-activate", "setpriv") ?? missingRoot();

test.each(["postvouch-sockets.toml", "postvouch-sockets.main.cf"])("docs/install.md shows %s as it is run", (name) => {
  expect(readFileSync(join(ROOT, "docs/install.md"), "utf8")).toContain(
    readFileSync(join(UNITS, name), "utf8").trimEnd(),
  );
});

/** The value of a key in a .socket unit. */
function key(unit: string, name: string): string {
  const [, value = ""] = new RegExp(`^${name}=(.+)$`, "m").exec(readFileSync(join(UNITS, unit), "utf8")) ?? [];
  return value;
}

describe.skipIf(missing !== undefined)(`Sockets in the queue directory ${missing ?? ""}`, () => {
  test.each([
    { chroot: true, name: "chrooted" },
    { chroot: false, name: "not chrooted" },
  ])("are reached by Postfix, $name, and by nobody else", async ({ chroot }) => {
    const mainCf = readFileSync(join(UNITS, "postvouch-sockets.main.cf"), "utf8");
    const extra = "mydestination = home.test\nlocal_transport = discard\n";
    await using postfix = await startPostfix(() => `${extra}${mainCf}`, { chroot });
    const queue = `${postfix.configDir}/queue`;
    const sockets = ["postvouch-maps.socket", "postvouch-policy.socket"].map((unit) => ({
      path: key(unit, "ListenStream").replace("/var/spool/postfix", queue),
      fd: key(unit, "FileDescriptorName"),
      mode: Number.parseInt(key(unit, "SocketMode"), 8),
      group: Number(runProgram("id", ["-g", key(unit, "SocketGroup")])),
    }));
    mkdirSync(`${queue}/postvouch`, { mode: 0o755 });
    const config = join(postfix.configDir, "postvouch.toml");
    const toml = readFileSync(join(UNITS, "postvouch-sockets.toml"), "utf8");
    const top = `hostname = "mx.home.test"\nstate_dir = "${postfix.configDir}/state"\n[metrics]\nlisten = []\n`;
    writeFileSync(config, `${top}[srs]\ndomain = "srs.home.test"\n${toml}`);
    const child = spawn("systemd-socket-activate", [
      ...sockets.flatMap(({ path }) => ["-l", path]),
      `--fdname=${sockets.map(({ fd }) => fd).join(":")}`,
      ...[process.execPath, join(ROOT, "src/main.js"), "serve", "--config", config],
    ]);
    let output = "";
    child.stderr.on("data", (bytes: Buffer) => (output += String(bytes)));
    try {
      while (output.split("Listening on").length <= sockets.length) await delay(10);
      for (const { path, mode, group } of sockets) {
        chownSync(path, 0, group);
        chmodSync(path, mode);
      }
      expect(await postfix.rcptReplies(["user@home.test"])).toEqual([expect.stringMatching(/^250 /)]);
      await expect.poll(() => output).toContain("info spf ");
      const map = "socketmap:unix:postvouch/maps:forward";
      expect(runProgram("postmap", ["-c", postfix.configDir, "-q", "a@elsewhere.test", map], { cwd: queue })).toMatch(
        /^SRS0=.*@srs\.home\.test\n$/,
      );
      const [maps] = sockets;
      expect(connectAs(NOBODY, maps?.group ?? 0, maps?.path ?? "")).toBe("");
      expect(connectAs(NOBODY, NOBODY, maps?.path ?? "")).toContain("PermissionError");
    } finally {
      child.kill("SIGKILL");
    }
  });
});

const NOBODY = 65_534;

const CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])";

/** What goes wrong when a user of this group connects. */
function connectAs(uid: number, gid: number, path: string): string {
  const user = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  return spawnSync("setpriv", [...user, "/usr/bin/python3", "-c", CONNECT, path], { encoding: "utf8" }).stderr;
}
