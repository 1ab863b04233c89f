/** Tests a checkout without its packages, its build or its runtime: it names the command to run first. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePorts, Peer, type Ran, RunningDaemon, scratch } from "../helpers/daemon.ts";
import { OLD_NODE } from "../helpers/old-node.ts";

const ROOT = join(import.meta.dirname, "../..");
const NO_STACK = /^\s+at /m;
const UNAVAILABLE = 69;
const NPM_TEST = { timeout: 60_000 };
/** npm may have to fetch the packages. */
const NPM_CI = { timeout: 180_000 };

/** What git has of the program, without what npm and the build make. */
function checkout(): ReturnType<typeof scratch> {
  const dir = scratch();
  for (const path of ["package.json", "package-lock.json", "tsconfig.json", "scripts", "src", "dist/main.js"])
    cpSync(join(ROOT, path), join(dir.path, path), { recursive: true });
  return dir;
}

/** @param nodes folders that come first on the search path */
function run(dir: { path: string }, command: readonly string[], ...nodes: string[]): Ran {
  const [program = "", ...args] = command;
  const path = (process.env.PATH ?? "").split(":").filter((entry) => !entry.includes("node_modules"));
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: dir.path,
    encoding: "utf8",
    env: { ...process.env, PATH: [...nodes, ...path].join(":"), npm_config_cache: join(dir.path, "npm") },
  });
  return { status, stdout, stderr };
}

const OLD_PROBLEM = /^postvouch: Cannot run on Node\.js [\d.]+: want 24 or newer, which "npm ci" brings along/m;
const NEW_NODE = dirname(process.execPath);

describe("a checkout as git gives it", () => {
  const cases = [
    {
      name: "dist/main.js on an old Node.js",
      command: ["node", "dist/main.js", "serve"],
      old: true,
      says: OLD_PROBLEM,
    },
    { name: "dist/main.js", command: ["node", "dist/main.js", "serve"], says: /: run "npm run build" first$/m },
    { name: "npm start on an old Node.js", command: ["npm", "start"], old: true, says: OLD_PROBLEM },
    {
      name: "npm start",
      command: ["npm", "start"],
      says: /^postvouch: Cannot find the package "[^"]+": run "npm ci" first$/m,
    },
  ];
  test.each(cases)("says what to run first: $name", NPM_TEST, ({ command, old = false, says }) => {
    if (old && OLD_NODE === undefined) return;
    using dir = checkout();
    const { status, stderr } = run(dir, command, old ? dirname(OLD_NODE ?? "") : NEW_NODE);
    expect({ status, stderr }).toEqual({ status: UNAVAILABLE, stderr: expect.stringMatching(says) });
    expect(stderr).not.toMatch(NO_STACK);
  });

  test("has its npx say so too, and work after the build", NPM_TEST, () => {
    using dir = checkout();
    const npx = ["npx", "--offline", "postvouch", "--version"];
    expect(run(dir, npx, NEW_NODE)).toMatchObject({
      status: UNAVAILABLE,
      stderr: expect.stringContaining('run "npm run build" first'),
    });
    build(dir);
    expect(run(dir, npx, NEW_NODE)).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});

describe("a checkout after npm ci --ignore-scripts", () => {
  const dir = scratch();
  const main = join(dir.path, "dist/main.js");
  // The cache of who runs the tests, so that nothing is fetched that is there.
  const { npm_config_cache: cache } = process.env;
  const withCache = ["env", ...(cache === undefined ? ["-u", "npm_config_cache"] : [`npm_config_cache=${cache}`])];
  const npm = (...args: string[]) =>
    run(dir, [...withCache, "npm", ...args, "--prefer-offline", "--no-audit", "--no-fund"], NEW_NODE);
  beforeAll(() => {
    for (const name of ["package.json", "package-lock.json"]) cpSync(join(ROOT, name), join(dir.path, name));
    expect(npm("ci", "--ignore-scripts", "--omit=dev")).toMatchObject({ status: 0 });
    const build = ["node", join(ROOT, "scripts/build.ts"), join(dir.path, "dist")];
    expect(run(dir, build, NEW_NODE)).toMatchObject({ status: 0, stderr: "" });
  }, NPM_CI.timeout);
  afterAll(() => dir[Symbol.dispose]());

  test("runs the built daemon on Node.js 24", async () => {
    expect(existsSync(join(dir.path, "node_modules/node/bin/node"))).toBe(false);
    const [forward = 0, policy = 0, metrics = 0] = await freePorts(3);
    const config = dir.write(
      "p.toml",
      `hostname = "mx.example"
state_dir = "${dir.path}/state"
srs.domain = "srs.home.arpa"
srs.store.url = "sqlite:${dir.path}/store"
dns.servers = ["127.0.0.1:9"]
tcptable.forward = ["127.0.0.1:${forward}"]
tcptable.reverse = []
socketmap.listen = []
policy.listen = ["127.0.0.1:${policy}"]
metrics.listen = ["127.0.0.1:${metrics}"]
`,
    );
    await using daemon = new RunningDaemon(["--config", config], {}, main);
    await daemon.said("info listening", 3);
    using peer = new Peer(forward);
    expect(await peer.ask("get bob@elsewhere.example\n")).toMatch(/^200 SRS0=.*@srs\.home\.arpa\n$/);
    using smtpd = new Peer(policy);
    const request =
      "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\nhelo_name=[192.0.2.1]\n";
    expect(await smtpd.ask(`${request}sender=\nrecipient=b@x.example\n\n`, "\n\n")).toMatch(
      /^action=PREPEND Received-SPF: /,
    );
    expect(await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()).toContain("postvouch_build_info");
  });

  test("runs the commands on Node.js 24", NPM_TEST, () => {
    dir.write("srs.secrets", "tops3cr3t\n");
    const sqlite = `[srs.store]\nurl = "sqlite:${dir.path}/addresses"\n`;
    dir.write("c.toml", `hostname = "mx.example"\nstate_dir = "${dir.path}"\n[srs]\ndomain = "x.example"\n${sqlite}`);
    const postvouch = (...args: string[]): Ran =>
      run(dir, ["node", "dist/main.js", ...args, "--config", "c.toml"], NEW_NODE);
    expect(postvouch("check-config")).toMatchObject({ status: 0, stdout: expect.stringContaining("c.toml: ok") });
    // Through the thread of the store, and back.
    const long = `${"a".repeat(60)}@elsewhere.example`;
    const { status, stdout } = postvouch("srs", "forward", long);
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^SRS0=.*@x\.example\n$/) });
    expect(postvouch("srs", "reverse", stdout.trim())).toMatchObject({ status: 0, stdout: `${long}\n` });
  });

  test.skipIf(OLD_NODE === undefined)(
    "names the runtime that an old Node.js lacks, and has it after npm rebuild",
    NPM_CI,
    () => {
      const { status, stderr } = run(dir, [OLD_NODE ?? "", main, "serve"]);
      expect({ status, stderr }).toEqual({
        status: UNAVAILABLE,
        stderr: expect.stringMatching(
          /^postvouch: Cannot run on Node\.js [\d.]+: want 24 or newer, and ".*\/node_modules\/node\/bin\/node" is missing: run "npm rebuild node" in \/.* to have it\n$/,
        ),
      });
      expect(npm("rebuild", "node")).toMatchObject({ status: 0 });
      expect(run(dir, [OLD_NODE ?? "", main, "--version"])).toMatchObject({ status: 0, stderr: "" });
    },
  );
});

describe("a daemon whose packages go away, as while npm ci runs", () => {
  test.each(["tldts", "."])("reloads and answers: %s", async (gone) => {
    using dir = checkout();
    linkPackages(dir);
    const [port = 0] = await freePorts(1);
    const configure = (domain: string) =>
      dir.write(
        "p.toml",
        `state_dir = "${dir.path}/state"
srs.domain = "${domain}"
srs.own_domains.postfix_classes = false
dns.servers = ["127.0.0.1:9"]
socketmap.listen = []
policy.listen = []
metrics.listen = []
tcptable.reverse = []
tcptable.forward = ["127.0.0.1:${port}"]
`,
      );
    // A name that needs no list of public suffixes, then one that does.
    const args = ["--config", configure("srs.home.arpa")];
    await using daemon = new RunningDaemon(args, {}, join(dir.path, "src/main.js"));
    await daemon.said('is below \\"home.arpa\\"');
    rmSync(join(dir.path, "node_modules", gone), { recursive: true });
    configure("srs.mail.example.org");
    daemon.signal("SIGHUP");
    await daemon.said("info reload result=ok");
    await daemon.said('warn config warning="srs.domain: Cannot check \\"srs.mail.example.org\\": Cannot find package');
    using peer = new Peer(port);
    expect(await peer.ask("get bob@elsewhere.example\n")).toMatch(/^200 SRS0=.*@srs\.mail\.example\.org\n$/);
  });
});

/** Tells on standard error, at the end, which files of dist/ were loaded. */
const TRACER = `
const files = [];
process.getBuiltinModule("node:module").registerHooks({
  load(url, context, next) { files.push(url.split("/dist/").at(-1)); return next(url, context); },
});
process.on("exit", () => process.getBuiltinModule("node:fs").writeSync(2, files.join(" ") + "\\n"));`;

describe("npm run build", () => {
  test("puts what a small command loads into few files", NPM_TEST, () => {
    using dir = checkout();
    build(dir);
    const nothing = "[tcptable]\nforward = []\nreverse = []\n[socketmap]\nlisten = []\n[policy]\nlisten = []\n";
    dir.write("p.toml", `hostname = "mx.example"\nsrs.domain = "x.example"\nmetrics.listen = []\n${nothing}`);
    const tracer = `data:text/javascript,${encodeURIComponent(TRACER)}`;
    const loaded = (...args: string[]): string[] =>
      run(dir, ["node", "--import", tracer, "dist/main.js", ...args], NEW_NODE)
        .stderr.trim()
        .replace(/^.*\n/s, "")
        .split(" ");
    expect(loaded("--version")).toEqual(["main.js", "cli.js", "command-line.js"]);
    expect(loaded("srs", "secret").length).toBeLessThanOrEqual(5);
    expect(loaded("check-config", "--config", "p.toml").length).toBeLessThanOrEqual(6);
  });

  test("gives everybody what it makes, whatever the umask, and the main.js that git has", NPM_TEST, () => {
    using dir = checkout();
    build(dir);
    const modeOf = (name: string) => (statSync(join(dir.path, "dist", name)).mode & 0o777).toString(8);
    const closed = ["", ...readdirSync(join(dir.path, "dist"), { recursive: true, encoding: "utf8" })].filter(
      (name) => modeOf(name) !== (name === "main.js" || name === "" ? "755" : "644"),
    );
    expect(closed).toEqual([]);
    expect(readFileSync(join(dir.path, "dist/main.js"), "utf8")).toBe(readFileSync(join(ROOT, "dist/main.js"), "utf8"));
  });
});

/** Gives a checkout each package but the runtime, as a link of its own. */
function linkPackages(dir: { path: string }): void {
  mkdirSync(join(dir.path, "node_modules"));
  for (const name of readdirSync(join(ROOT, "node_modules")))
    if (name !== "node" && name !== ".bin")
      symlinkSync(join(ROOT, "node_modules", name), join(dir.path, "node_modules", name));
}

function build(dir: { path: string }): void {
  symlinkSync(join(ROOT, "node_modules"), join(dir.path, "node_modules"));
  const { status, stderr } = run(dir, ["sh", "-c", "umask 077 && npm run build"], NEW_NODE);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}
