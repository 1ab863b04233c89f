/** `postvouch setup` with a daemon and a running Postfix: what it asks, what it refuses, and what it leaves behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PART_NAMES } from "../../src/connect/parts.ts";
import { freePorts, postvouch, type Ran, RunningDaemon, scratch } from "../helpers/daemon.ts";
import { settleConfig } from "../helpers/postfix-config.ts";
import { missingRoot, type PostfixServer, startPostfix } from "../helpers/postfix-server.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";

const missing = requirePrograms("postfix", "postmap", "flock") ?? missingRoot();

const MAIN = join(import.meta.dirname, "../../src/main.js");
const NOBODY = 65_534;

/** Limit for a run that starts many of Postfix's commands, on a machine with other work. */
const SETUP_MS = 100_000;
const NO_STACK = /^\s+at .*:\d+:\d+/m;

describe("the command line of setup", () => {
  test.each([
    { args: ["forward"], says: 'setup: want classic, forward-only, bounces-only, policy or milter, got "forward"' },
    { args: ["clasic"], says: "(is classic meant?)" },
    { args: ["classic", "forward-only"], says: "setup: classic and forward-only exclude each other" },
    { args: ["--apply", "--undo"], says: "setup: want --apply or --undo, got both" },
    { args: ["--applyy"], says: "(is --apply meant?)" },
  ])("is refused with 64: $args", ({ args, says }) => {
    const { status, stdout, stderr } = postvouch(["setup", ...args]);
    expect({ status, stdout }).toEqual({ status: 64, stdout: "" });
    expect(stderr).toContain(says);
  });
});

test("the help of setup names each part", () => {
  const { stdout } = postvouch(["help", "setup"]);
  expect(PART_NAMES.filter((name) => !stdout.includes(`\n  ${name} `))).toEqual([]);
});

describe.skipIf(missing !== undefined)(`setup of a running Postfix ${missing ?? ""}`, { timeout: 300_000 }, () => {
  let dir: ReturnType<typeof scratch>;
  let config: string;
  let ports: readonly number[];
  let postfix: PostfixServer;
  let daemon: RunningDaemon;
  let before: string[];

  beforeAll(async () => {
    dir = scratch();
    ports = await freePorts(6);
    config = dir.write("p.toml", toml("srs.home.test"));
    daemon = new RunningDaemon(["--config", config]);
    await daemon.said("listener=milter.listen");
    postfix = await startPostfix(() => "mydestination = home.test\nlocal_transport = discard\n");
    // One that can be made to fail, or to wait.
    const programs = join(postfix.configDir, "programs");
    mkdirSync(programs);
    for (const name of readdirSync("/usr/lib/postfix/sbin"))
      symlinkSync(`/usr/lib/postfix/sbin/${name}`, join(programs, name));
    rmSync(join(programs, "postfix-script"));
    writeFileSync(join(programs, "postfix-script"), SCRIPT, { mode: 0o755 });
    runProgram("postconf", ["-c", postfix.configDir, "-e", `daemon_directory = ${programs}`]);
    before = files();
  });
  afterAll(async () => {
    await postfix?.[Symbol.asyncDispose]();
    await daemon?.[Symbol.asyncDispose]();
    dir?.[Symbol.dispose]();
  });
  beforeEach(() => {
    for (const name of ["refuse", "say", "wait", "waiting"])
      rmSync(join(postfix.configDir, "queue", name), { force: true });
    if (files().join() !== before.join()) run("--undo");
    expect(files()).toEqual(before);
  });

  function toml(srsDomain: string, more = ""): string {
    const [forward, reverse, socketmap, policy, second, milter] = ports;
    return `hostname = "mx.home.test"
state_dir = "${dir.path}"
[srs]
domain = "${srsDomain}"
forward_transport = "srs:[127.0.0.1]:${second}"
[tcptable]
forward = ["127.0.0.1:${forward}"]
reverse = ["127.0.0.1:${reverse}"]
[socketmap]
listen = ["127.0.0.1:${socketmap}"]
[policy]
listen = ["127.0.0.1:${policy}"]
[milter]
listen = ["127.0.0.1:${milter}"]
[metrics]
listen = []
${more}`;
  }

  /** The files that count, and the names of all. */
  function files(): string[] {
    const names = readdirSync(postfix.configDir).sort();
    return [...names, ...["main.cf", "master.cf"].map((name) => readFileSync(join(postfix.configDir, name), "latin1"))];
  }

  const env = (): Record<string, string> => ({ MAIL_CONFIG: postfix.configDir });
  const run = (...args: readonly string[]): Ran => {
    settleConfig(postfix.configDir);
    return postvouch(["setup", "--config", config, ...args], { env: env(), timeoutMs: SETUP_MS });
  };

  /** In the queue directory, since postfix-script runs there. */
  const tell = (word: string): void => writeFileSync(join(postfix.configDir, "queue", word), "");

  /** Starts a run that waits in `postfix check` after the files were replaced. */
  async function startWaiting(...args: readonly string[]): Promise<ChildProcess> {
    tell("wait");
    const child = spawn(process.execPath, [MAIN, "setup", "--config", config, ...args], {
      env: { ...process.env, ...env() },
      stdio: ["ignore", "pipe", "pipe"],
    });
    await expect.poll(() => existsSync(join(postfix.configDir, "queue", "waiting")), { timeout: 100_000 }).toBe(true);
    return child;
  }

  test("shows the change, makes it, does nothing a second time, and takes it back", async () => {
    const shown = run("forward-only", "policy");
    expect(shown).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("\n+recipient_canonical_maps = pipemap:"),
    });
    expect(shown.stderr).toContain("--apply would put in place: forward-only, policy");
    expect(files()).toEqual(before);
    const applied = run("forward-only", "policy", "--apply");
    expect(applied).toMatchObject({ status: 0, stdout: shown.stdout });
    expect(applied.stderr).toContain("Postfix has read its files again");
    const once = files();
    expect(run("--apply")).toMatchObject({
      status: 0,
      stdout: "",
      stderr: "postvouch: nothing to change: forward-only, policy is in place\n",
    });
    expect(files()).toEqual(once);
    const [address = ""] = postvouch(["srs", "forward", "--config", config, "bob@elsewhere.test"]).stdout.split("\n");
    expect(await postfix.rcptReplies(["user@home.test", address])).toEqual([
      expect.stringMatching(/^250 /),
      expect.stringMatching(/^250 /),
    ]);
    const undone = run("--undo");
    expect(undone).toMatchObject({ status: 0, stdout: expect.stringContaining("\n-recipient_canonical_maps = ") });
    expect(undone.stderr).toContain('"postvouch setup bounces-only --apply"');
    expect(files()).toEqual(before);
    expect(run("--undo")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("was put in by postvouch setup"),
    });
  });

  test("connects the milter too, and takes it out again", async () => {
    const applied = run("forward-only", "milter", "--apply");
    expect(applied).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("\n+smtpd_milters = { inet:127.0.0.1:"),
    });
    expect(run("--apply").stderr).toContain("nothing to change: forward-only, milter is in place");
    // Postfix has asked it before the reply, else that would be 451.
    expect(await postfix.rcptReplies(["user@home.test"])).toEqual([expect.stringMatching(/^250 /)]);
    const { status, stderr } = run("milter", "--undo");
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringContaining("done: forward-only is in place"),
    });
    expect(run("--undo").stderr).toContain("done: nothing of ours is in place");
    expect(files()).toEqual(before);
  });

  test.each([
    {
      what: "no daemon",
      change: () =>
        [2, 3, 5].reduce(
          (text, port) => text.replace(`127.0.0.1:${ports[port]}`, `127.0.0.1:${port}`),
          toml("srs.home.test"),
        ),
    },
    { what: "a daemon with another domain", change: () => toml("srs.other.test") },
  ])("changes nothing with $what", ({ what, change }) => {
    const other = dir.write("other.toml", change());
    const { status, stderr } = postvouch(["setup", "forward-only", "policy", "milter", "--apply", "--config", other], {
      env: env(),
    });
    expect({ status, files: files() }).toEqual({ status: 1, files: before });
    if (what === "no daemon") {
      expect(stderr).toMatch(
        /Cannot use the map forward at inet:127\.0\.0\.1:2: .*Connection refused.*start postvouch/,
      );
      expect(stderr).toMatch(/Cannot use the policy service at inet:127\.0\.0\.1:3: .*ECONNREFUSED/);
      expect(stderr).toMatch(/Cannot use the milter at inet:127\.0\.0\.1:5: .*ECONNREFUSED/);
    } else expect(stderr).toMatch(/got "SRS0=.*@srs\.home\.test", want an address of srs\.other\.test/);
    expect(stderr).not.toMatch(NO_STACK);
  });

  test.each([
    ["classic", "main.cf"],
    // The smtpd of this Postfix is on loopback alone, and gets a name too.
    ["milter", "master.cf, main.cf"],
  ])("puts every byte back when postfix check fails: %s", (part, changed) => {
    tell("refuse");
    const { status, stderr } = run(part, "--apply");
    expect(stderr).toContain("postfix check: postfix/postfix-script: fatal: I do not like it");
    expect(stderr).toContain(`nothing is changed: ${changed} as before`);
    expect({ status, files: files() }).toEqual({ status: 1, files: before });
  });

  test.each([
    ["post-install: one\n  Error: no such user\n", "postfix check: Error: no such user"],
    ["one\ntwo\n\nthree\nfour\n", "postfix check: two; three; four"],
  ])("says why postfix check failed, in whatever words: %j", (text, wanted) => {
    tell("refuse");
    writeFileSync(join(postfix.configDir, "queue", "say"), text);
    expect(run("classic", "--apply").stderr).toContain(wanted);
  });

  test("changes nothing when another program has the port of the second pass", async () => {
    const server = createServer().listen(ports[4], "127.0.0.1");
    await once(server, "listening");
    // postvouch() blocks this process, and with it the server, but the kernel takes the connection.
    const { status, stderr } = run("forward-only", "--apply");
    await new Promise((resolve) => server.close(resolve));
    expect(stderr).toMatch(/Cannot use port \d+ for the second pass: .*, pid \d+ has it/);
    expect({ status, files: files() }).toEqual({ status: 1, files: before });
  });

  test("is named by the next run after kill -9 in the middle, and undone", async () => {
    const child = await startWaiting("forward-only", "--apply");
    child.kill("SIGKILL");
    await once(child, "close");
    rmSync(join(postfix.configDir, "queue", "wait"));
    expect(files()).not.toEqual(before);
    const plain = run();
    expect(plain).toMatchObject({ status: 1, stdout: "" });
    expect(plain.stderr).toMatch(/an earlier run was interrupted while it replaced .*main\.cf.*setup --undo/);
    const { status, stderr } = run("--undo");
    expect(stderr).toContain("the files are put back");
    expect({ status, files: files() }).toEqual({ status: 0, files: before });
    expect(run("classic", "--apply").status).toBe(0);
  });

  test("goes on after kill -9 where --apply is called again", async () => {
    const child = await startWaiting("classic", "--apply");
    child.kill("SIGKILL");
    await once(child, "close");
    rmSync(join(postfix.configDir, "queue", "wait"));
    const { status, stderr } = run("policy", "--apply");
    expect(stderr).toContain("the files are put back");
    expect({ status, list: stderr }).toEqual({ status: 0, list: expect.stringContaining("done: policy is in place") });
  });

  test("lets nobody in while it is at work, and is not stopped by SIGTERM", async () => {
    const child = await startWaiting("classic", "--apply");
    const second = run("policy", "--apply");
    expect(second).toMatchObject({ status: 1, stderr: expect.stringContaining("another postvouch setup is at work") });
    expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining("or is still at work") });
    child.kill("SIGTERM");
    child.kill("SIGINT");
    rmSync(join(postfix.configDir, "queue", "wait"));
    const [status] = (await once(child, "close")) as [number];
    expect(status).toBe(0);
    expect(run("policy", "--apply").stderr).toContain("done: classic, policy is in place");
  });

  test("wants root to write, and none to look", () => {
    for (const path of [dir.path, postfix.configDir]) runProgram("chmod", ["755", path]);
    runProgram("chmod", ["644", config]);
    const asNobody = (...args: readonly string[]): Ran =>
      postvouch(["setup", "policy", "--config", config, ...args], { env: env(), uid: NOBODY });
    expect(asNobody()).toMatchObject({ status: 0, stdout: expect.stringContaining("+smtpd_recipient_restrictions") });
    expect(asNobody("--apply")).toMatchObject({
      status: 77,
      stderr: expect.stringContaining("no permission; want root"),
    });
    expect(files()).toEqual(before);
  });

  test.each([
    { what: "its configuration", write: ["bad.toml", "[srs]\ndomian = 1\n"], says: "domian" },
    {
      what: "Postfix's",
      write: ["main.cf", "compatibility_level = nonsense\nmyhostname = $nosuch{\n"],
      says: "Cannot read",
    },
  ])("ends with 78 and names what is wrong with $what", ({ write: [name = "", text = ""], says }) => {
    using other = scratch();
    other.write("main.cf", "");
    other.write("master.cf", "");
    const path = other.write(name, text);
    const args = name === "main.cf" ? config : path;
    const { status, stderr } = postvouch(["setup", "--config", args], { env: { MAIL_CONFIG: other.path } });
    expect({ status, stderr }).toEqual({ status: 78, stderr: expect.stringContaining(says) });
    expect(stderr).not.toMatch(NO_STACK);
  });

  test("ends with 78 where Postfix has no main.cf, or trouble of its own", () => {
    using empty = scratch();
    const { status, stderr } = postvouch(["setup"], { env: { MAIL_CONFIG: empty.path } });
    expect({ status, stderr }).toEqual({
      status: 78,
      stderr: expect.stringMatching(/Cannot read .*main\.cf: No such file/),
    });
    writeFileSync(join(postfix.configDir, "queue", "refuse"), "always");
    const refused = run("policy", "--apply");
    expect(refused).toMatchObject({ status: 78, stderr: expect.stringContaining("trouble of its own; mend it first") });
    expect(files()).toEqual(before);
  });
});

/** Postfix's own, but for `check`, which refuses ("refuse": what is ours; "always": all) or waits, as it is told. */
const SCRIPT = `#!/bin/sh
cd "$(postconf -c "$config_directory" -h queue_directory)"
if [ "$1" = check ]; then
  ours=$(grep -c '127.0.0.1:.*:forward\\|check_policy_service\\|connect_timeout=5s' "$config_directory/main.cf")
  if [ "$(cat refuse 2>/dev/null)" = always ] || { [ -e refuse ] && [ "$ours" != 0 ]; }; then
    if [ -e say ]; then cat say >&2; else echo "postfix/postfix-script: fatal: I do not like it" >&2; fi
    exit 1
  fi
  if [ "$ours" != 0 ]; then
    while [ -e wait ]; do touch waiting; sleep 0.1; done
  fi
fi
exec /usr/lib/postfix/sbin/postfix-script "$@"
`;

describe.skipIf(missing !== undefined)(`setup with sockets ${missing ?? ""}`, { timeout: 300_000 }, () => {
  test("asks them as the user of Postfix's daemons, in their chroot", async () => {
    await using postfix = await startPostfix(() => "mydestination = home.test\nlocal_transport = discard\n", {
      chroot: true,
    });
    const queue = join(postfix.configDir, "queue");
    mkdirSync(join(queue, "postvouch"));
    using dir = scratch();
    const settings = (mode: string): string => `hostname = "mx.home.test"
state_dir = "${dir.path}"
socket_mode = "${mode}"
[srs]
domain = "srs.home.test"
[tcptable]
forward = []
reverse = []
[socketmap]
listen = ["unix:${queue}/postvouch/maps"]
[policy]
listen = ["unix:${queue}/postvouch/policy"]
[metrics]
listen = []
`;
    const apply = (config: string): Ran =>
      postvouch(["setup", "classic", "policy", "--apply", "--config", config], {
        env: { MAIL_CONFIG: postfix.configDir },
        timeoutMs: SETUP_MS,
      });
    const before = readFileSync(join(postfix.configDir, "main.cf"), "latin1");
    const closed = dir.write("closed.toml", settings("0600"));
    {
      await using daemon = new RunningDaemon(["--config", closed]);
      await daemon.said("listener=policy.listen");
      const { status, stderr } = apply(closed);
      expect(status).toBe(1);
      expect(stderr).toMatch(/Cannot use the map forward at unix:postvouch\/maps: .*Permission denied/);
      expect(stderr).toMatch(/Cannot use the policy service at unix:postvouch\/policy: the user of .* may not write/);
      expect(readFileSync(join(postfix.configDir, "main.cf"), "latin1")).toBe(before);
    }
    const open = dir.write("open.toml", settings("0666"));
    await using daemon = new RunningDaemon(["--config", open]);
    await daemon.said("listener=policy.listen");
    expect(statSync(`${queue}/postvouch/maps`).isSocket()).toBe(true);
    expect(apply(open)).toMatchObject({ status: 0 });
    expect(await postfix.rcptReplies(["user@home.test"])).toEqual([expect.stringMatching(/^250 /)]);
  });
});
