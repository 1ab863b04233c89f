/** Tests commands when something around them is wrong: folders, disks, permissions, other files. */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { freePorts, postvouch, RunningDaemon, scratch } from "../helpers/daemon.ts";
import { missingRoot } from "../helpers/postfix-server.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";

const MAIN = join(import.meta.dirname, "../../src/main.js");

const SETUP = join(import.meta.dirname, "../../src/setup/setup.ts");

const NO_STACK = /^\s+at .*:\d+:\d+/m;
const NOBODY = 65_534;

/** A configuration whose listeners are all off, but for what `more` opens. */
function config(dir: ReturnType<typeof scratch>, more = ""): string {
  const off = ["tcptable.forward", "tcptable.reverse", "socketmap.listen", "policy.listen", "metrics.listen"]
    .filter((key) => !more.includes(key))
    .map((key) => `${key} = []\n`)
    .join("");
  return dir.write(
    "p.toml",
    `hostname = "mx.example"\nsrs.domain = "x.example"\nstate_dir = "${dir.path}/state"\n${off}${more}`,
    0o644,
  );
}

describe("check-config", () => {
  test.each([
    ["below a file", "file/s", "a part of its path is no directory"],
    ["below a link that leads to itself", "loop/s", "too many symbolic links"],
    ["in a folder that is not there", "none/s", "its directory does not exist"],
    ["under a name that is too long", `${"n".repeat(300)}/s`, "a name in its path is too long"],
  ])("foresees that no file can be made %s", (_name, name, reason) => {
    using dir = scratch();
    dir.write("file", "");
    symlinkSync("loop", join(dir.path, "loop"));
    const path = join(dir.path, name);
    const socket = path.length < 100 ? `socketmap.listen = ["unix:${path}"]\n` : "";
    const file = config(dir, `${socket}srs.store.url = "sqlite:${path}"\n`);
    const { status, stderr } = postvouch(["check-config", "--config", file]);
    expect({ status, stderr }).toEqual({ status: 78, stderr: expect.not.stringMatching(NO_STACK) });
    expect(stderr).toContain(`srs.store.url: Cannot make "${path}": ${reason}`);
    if (socket !== "") expect(stderr).toContain(`socketmap.listen: Cannot make "${path}": ${reason}`);
  });

  test("foresees a store that is no file", () => {
    using dir = scratch();
    const { status, stderr } = postvouch(["check-config", "--config", config(dir, `srs.store.url = "sqlite:/tmp"\n`)]);
    expect(status).toBe(78);
    expect(stderr).toContain('srs.store.url: Cannot open store "/tmp": it is a directory');
  });

  test.each([
    ["sqlite", "none/h.db", 'Cannot make "PATH": its directory does not exist'],
    ["sqlite", "folder", 'Cannot open history "PATH": it is a directory'],
    ["opendmarc", "fifo", 'Cannot open history "PATH": not a regular file'],
  ])("foresees that a history cannot be kept in %s:%s", (kind, name, problem) => {
    using dir = scratch();
    const path = join(dir.path, name);
    mkdirSync(join(dir.path, "folder"));
    runProgram("mkfifo", [join(dir.path, "fifo")]);
    const toml = `[dmarc]\nhistory = "${kind}:${path}"\n[milter]\nlisten = ["127.0.0.1:8891"]\n`;
    const { status, stderr } = postvouch(["check-config", "--config", config(dir, toml)]);
    expect({ status, stderr }).toEqual({ status: 78, stderr: expect.not.stringMatching(NO_STACK) });
    expect(stderr).toContain(`dmarc.history: ${problem.replace("PATH", path)}\n`);
  });

  test.each([
    ["", "milter.listen is empty"],
    ['[milter]\nlisten = ["127.0.0.1:8891"]\n[dmarc]\nverify = false\n', "dmarc.verify is false"],
  ])("warns of a history that gets nothing: %j", (more, reason) => {
    using dir = scratch();
    const toml = `${more}${more.includes("[dmarc]") ? "" : "[dmarc]\n"}history = "sqlite:${dir.path}/h.db"\n`;
    const { status, stderr } = postvouch(["check-config", "--config", config(dir, toml)]);
    expect(status).toBe(0);
    expect(stderr).toContain(`warning: dmarc.history: nothing is kept, because ${reason}\n`);
  });

  test.skipIf(missingRoot() !== undefined)("as another user names a socket in a folder that it may not enter", () => {
    using dir = scratch();
    chmodSync(dir.path, 0o755);
    mkdirSync(`${dir.path}/closed`, { mode: 0o700 });
    const file = config(dir, `socketmap.listen = ["unix:${dir.path}/closed/s"]\n`);
    const { status, stderr } = postvouch(["check-config", "--config", file], { uid: NOBODY });
    expect({ status, stderr }).toEqual({ status: 78, stderr: expect.not.stringMatching(NO_STACK) });
    expect(stderr).toContain(`Cannot make "${dir.path}/closed/s": no permission to write its directory`);
  });

  test.each(["check-config", "serve"])("%s shows a piece of a line that is no TOML, however long", (command) => {
    using dir = scratch();
    const file = dir.write("p.toml", `hostname = "mx.example"\n${"#".repeat(5)}\n${"\0".repeat(1_000_000)}`);
    const { status, stderr } = postvouch([command, "--config", file]);
    expect(status).toBe(78);
    expect(stderr).toContain("p.toml:3:1: not valid TOML");
    expect(stderr.length).toBeLessThan(1_000);
    const long = dir.write("long.toml", `hostname = "${"m".repeat(500)}" wrong`);
    const [, shown = "", caret = ""] = postvouch([command, "--config", long]).stderr.split("\n");
    expect(shown.slice(caret.indexOf("^"))).toMatch(/^wrong/);
  });
});

describe("serve", () => {
  test("says of a store without its folder what check-config says", () => {
    using dir = scratch();
    const file = config(dir, `srs.store.url = "sqlite:${dir.path}/none/db"\n`);
    const { status, stderr } = postvouch(["serve", "--config", file]);
    expect({ status, stderr }).toEqual({
      status: 69,
      stderr: `postvouch: srs.store.url: Cannot open store "${dir.path}/none/db": its directory does not exist\n`,
    });
  });

  test("names the program that has a port, also when that is a Node.js", async () => {
    using dir = scratch();
    const [port] = await freePorts(1);
    const file = config(dir, `metrics.listen = ["127.0.0.1:${port}"]\n`);
    await using first = new RunningDaemon(["--config", file]);
    await first.said("listening");
    const { status, stderr } = postvouch(["serve", "--config", file]);
    expect(status).toBe(69);
    expect(stderr).toContain(`: node ${MAIN}, pid ${first.child.pid};`);
  });

  test.skipIf(missingRoot() !== undefined).each([
    [0o755, 73, "Cannot create"],
    [0o700, 78, "Cannot use"],
  ])("as another user names the state_dir that it may not write, mode %o", (mode, code, says) => {
    using dir = scratch();
    chmodSync(dir.path, 0o755);
    mkdirSync(`${dir.path}/state`, { mode });
    const { status, stderr } = postvouch(["serve", "--config", config(dir)], { uid: NOBODY });
    expect(status).toBe(code);
    expect(stderr).toContain(`${says} "${dir.path}/state/srs.secrets": no permission`);
  });

  test.skipIf(missingRoot() !== undefined)(
    "takes secrets that it may read from a state_dir that it may not write",
    () => {
      using dir = scratch();
      chmodSync(dir.path, 0o755);
      for (const name of ["state", "checkout", "checkout/src"]) mkdirSync(`${dir.path}/${name}`);
      dir.write("state/srs.secrets", "tops3cr3t\n", 0o644);
      dir.write("checkout/src/main.js", "", 0o644);
      chownSync(`${dir.path}/checkout`, NOBODY, NOBODY);
      const around = { configFile: config(dir), packageDir: `${dir.path}/checkout` };
      const script = `const { readSetup } = await import(${JSON.stringify(SETUP)});
      console.log((await readSetup(${JSON.stringify(around)}, "create")).secretsFile);`;
      const ran = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
        ...{ uid: NOBODY, gid: NOBODY, encoding: "utf8" },
      });
      expect(ran.stdout).toBe(`${dir.path}/state/srs.secrets\n`);
    },
  );

  test("runs with every listener off, also after a reload, until it is stopped", async () => {
    using dir = scratch();
    const [port] = await freePorts(1);
    const file = config(dir);
    await using daemon = new RunningDaemon(["--config", file]);
    await daemon.said("starting");
    config(dir, `metrics.listen = ["127.0.0.1:${port}"]\n`);
    daemon.signal("SIGHUP");
    await daemon.said("listening");
    config(dir);
    daemon.signal("SIGHUP");
    await daemon.said("result=ok", 2);
    daemon.signal("SIGHUP");
    await daemon.said("result=ok", 3);
    daemon.signal("SIGTERM");
    expect(await daemon.exited).toBe(0);
    expect(daemon.output).not.toContain("top-level await");
  });

  const missing = requirePrograms("unshare") ?? missingRoot();
  test.skipIf(missing !== undefined)("leaves nothing behind on a full disk where it makes the secret", () => {
    using dir = scratch();
    const file = config(dir);
    const script = `mkdir state && mount -t tmpfs -o size=4k none state && head -c 4096 /dev/zero >state/fill &&
      "$1" "$2" serve --config "$3"; echo "$?"; ls state`;
    const { stdout, stderr } = spawnSync(
      "unshare",
      ["--mount", "sh", "-c", script, "sh", process.execPath, MAIN, file],
      { cwd: dir.path, encoding: "utf8" },
    );
    expect(stderr).toContain(`Cannot create "${dir.path}/state/srs.secrets": no space left on the disk`);
    expect(stdout).toBe("73\nfill\n");
  });
});

describe("any command", () => {
  test.each([[["srs", "secret"]], [["help"]], [["help", "config"]], [["--version"]]])(
    "%j says with 73 that its output cannot be written",
    (args) => {
      const full = openSync("/dev/full", "w");
      const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
        stdio: ["ignore", full, "pipe"],
        encoding: "utf8",
      });
      closeSync(full);
      expect({ status, stderr }).toEqual({
        status: 73,
        stderr: "postvouch: Cannot write standard output: no space left on the disk\n",
      });
    },
  );

  test("is silent when its reader goes away", () => {
    const { stdout, stderr } = spawnSync(
      "sh",
      ["-c", '"$1" "$2" help config | head -n 1', "sh", process.execPath, MAIN],
      {
        encoding: "utf8",
      },
    );
    expect({ stdout, stderr }).toEqual({ stdout: 'hostname = ""\n', stderr: "" });
  });
});

describe("spf", () => {
  const trial = ["--record", "v=spf1 -all", "--domain", "new.example"];

  test.skipIf(missingRoot() !== undefined)("needs no secrets: who may not read them can ask too", () => {
    using dir = scratch();
    chmodSync(dir.path, 0o755);
    mkdirSync(`${dir.path}/state`, { mode: 0o700 });
    dir.write("state/srs.secrets", "tops3cr3t\n");
    const args = ["spf", "--config", config(dir), "--ip", "192.0.2.1", ...trial];
    const { status, stdout, stderr } = postvouch(args, { uid: NOBODY });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("MAIL FROM: fail by -all (new.example)");
  });

  test("shows UTF-8 as it was given", () => {
    using dir = scratch();
    const args = ["spf", "--config", config(dir), "--ip", "192.0.2.1", "--sender", "j\u00f6e@new.example", ...trial];
    expect(postvouch(args).stdout).toContain('envelope-from="j\u00f6e@new.example"');
    expect(JSON.parse(postvouch([...args, "--json"]).stdout)).toMatchObject({
      receivedSpf: expect.stringContaining('envelope-from="j\u00f6e@new.example"'),
    });
  });

  test.each(["ip4:192.0.2.0/24 -all", "", "spf1 a -all", "V=SPF2.0 -all"])(
    "says of a record that is none that it is none: %j",
    (record) => {
      using dir = scratch();
      const args = ["--ip", "192.0.2.1", "--record", record, "--domain", "new.example"];
      const { status, stdout, stderr } = postvouch(["spf", "--config", config(dir), ...args]);
      expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^MAIL FROM: none/) });
      const wish = 'it has to begin with "v=spf1" and a blank';
      expect(stderr).toBe(`postvouch: warning: "${record}" is no SPF record: ${wish}\n`);
    },
  );
});
