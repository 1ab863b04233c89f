/** Tests that the programs which read the files in deploy/ accept them. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../src/config/parse.ts";
import { blocks, commandsOf } from "./e2e/lab/pages.ts";
import { scratch } from "./helpers/daemon.ts";
import { idleMetrics } from "./helpers/observed.ts";
import { requirePrograms } from "./helpers/requires.ts";

const DEPLOY = join(import.meta.dirname, "../deploy");

const promtool = requirePrograms("promtool");
test.skipIf(promtool !== undefined)(`promtool accepts the alert rules ${promtool ?? ""}`, () => {
  const { status, stdout } = spawnSync("promtool", ["check", "rules", join(DEPLOY, "prometheus/postvouch.rules.yml")], {
    encoding: "utf8",
  });
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining("17 rules found") });
});

describe.skipIf(promtool !== undefined)(`the tests of the alert rules ${promtool ?? ""}`, () => {
  const directory = join(DEPLOY, "prometheus");
  const rules = readFileSync(join(directory, "postvouch.rules.yml"), "utf8");
  const tests = readFileSync(join(directory, "postvouch.test.yml"), "utf8");

  test("pass, and fail without what they test", () => {
    const run = (cwd: string) => spawnSync("promtool", ["test", "rules", "postvouch.test.yml"], { cwd }).status;
    expect(run(directory)).toBe(0);
    using dir = scratch();
    dir.write("postvouch.test.yml", tests);
    dir.write("postvouch.rules.yml", rules.replaceAll("expr: ", "expr: 0 * "));
    expect(run(dir.path)).not.toBe(0);
  });

  test("have each rule fire and not fire", () => {
    const names = [...rules.matchAll(/alert: (\w+)/g)].map((match) => match[1] ?? "");
    const cases = [...tests.matchAll(/alertname="(\w+)".*\n.*\n +exp_samples: \[(.*)\]/g)];
    const seen = (name: string, fires: boolean): boolean =>
      cases.some(([, alert, samples]) => alert === name && (samples !== "") === fires);
    expect(names.filter((name) => !seen(name, true))).toEqual([]);
    expect(names.filter((name) => !seen(name, false))).toEqual([]);
  });

  test("know every metric that the rules name", async () => {
    const { body } = await idleMetrics({ storeUp: () => true, dkimKeys: () => new Map([["signing", 1]]) }).scrape();
    const named = [...rules.matchAll(/\b((?:postvouch|process)_\w+)\b/g)].map((match) => match[1] ?? "");
    expect(named.filter((name) => !body.includes(`# TYPE ${name} `))).toEqual([]);
  });
});

const systemd = requirePrograms("systemd-analyze");

/** What systemd has to say about units, but that nothing is installed under /opt and /usr/local here. */
function verify(...units: string[]): string[] {
  const { stderr } = spawnSync("systemd-analyze", ["verify", ...units], { encoding: "utf8" });
  return stderr.split("\n").filter((line) => line !== "" && !line.includes("is not executable"));
}

/** Highest exposure that `systemd-analyze security` may find, in tenths. A unit without any of these limits has 9.6. */
const MAX_EXPOSURE = 13;

/** Whether systemd finds this unit's exposure low enough. */
function isClosed(unit: string): boolean {
  const args = ["security", "--offline=true", `--threshold=${MAX_EXPOSURE}`, unit];
  return spawnSync("systemd-analyze", args).status === 0;
}

describe.skipIf(systemd !== undefined)(`systemd ${systemd ?? ""}`, () => {
  const directory = join(DEPLOY, "systemd");
  const service = join(directory, "postvouch.service");
  const sockets = readdirSync(directory)
    .filter((name) => name.endsWith(".socket"))
    .map((name) => join(directory, name));

  test("finds the units sound, the service alone and with its sockets", () => {
    expect(sockets).toHaveLength(2);
    expect(verify(service)).toEqual([]);
    expect(verify(service, ...sockets)).toEqual([]);
  });

  test("finds the reports and their timer sound, as closed as the service, and due after the end of a day", () => {
    const [report, timer] = ["postvouch-report.service", "postvouch-report.timer"].map((name) => join(directory, name));
    if (report === undefined || timer === undefined) throw new Error("no units");
    expect(verify(report, timer)).toEqual([]);
    expect(isClosed(report)).toBe(true);
    const calendar = /^OnCalendar=(.*)$/m.exec(readFileSync(timer, "utf8"))?.[1] ?? "";
    const { stdout } = spawnSync("systemd-analyze", ["calendar", calendar], { encoding: "utf8", env: { TZ: "UTC" } });
    expect(stdout).toContain("Normalized form: *-*-* 00:15:00 UTC");
    using dir = scratch();
    const broken = readFileSync(timer, "utf8").replace("OnCalendar=", "OnCalender=");
    expect(verify(dir.write("postvouch-report.timer", broken)).join()).toContain("OnCalender");
  });

  test("finds the exposure of the service at 1.3 at most, and more without one of its limits", () => {
    expect(isClosed(service)).toBe(true);
    using dir = scratch();
    const open = readFileSync(service, "utf8").replace("PrivateMounts=yes\n", "").replace("PrivateDevices=yes\n", "");
    expect(isClosed(dir.write("postvouch.service", open))).toBe(false);
  });
});

test.skipIf(systemd !== undefined).each([
  { page: "install.md", heading: "# Install", dropInLines: 2 },
  { page: "from-postsrsd.md", heading: "## The day of the change", dropInLines: 0 },
])(`systemd takes the drop-in and the check of docs/$page ${systemd ?? ""}`, ({ page, heading, dropInLines }) => {
  using dir = scratch();
  const commands = blocks(page, heading, "sh").flatMap(commandsOf);
  const dropIn = commands.filter((line) => line.includes("postvouch.service.d"));
  expect(dropIn).toHaveLength(dropInLines);
  for (const line of dropIn) spawnSync("sh", ["-c", line.replaceAll("/etc/systemd/system", dir.path)]);
  copyFileSync(join(DEPLOY, "systemd/postvouch.service"), join(dir.path, "postvouch.service"));
  const check = commands.find((line) => line.startsWith("systemd-run ")) ?? "";
  const properties = [...check.matchAll(/ -p (\S+)/g)].map((match) => match[1] ?? "");
  expect(properties).toContain("StateDirectory=postvouch");
  const start = check.slice(check.indexOf(" /usr/")).trim();
  const transient = ["[Service]", "Type=exec", ...properties, `ExecStart=${start}`, ""].join("\n");
  const units = [join(dir.path, "postvouch.service"), dir.write("check.service", transient)];
  expect(verify(...units)).toEqual([]);
  // It reads both: what it does not know it says.
  mkdirSync(join(dir.path, "postvouch.service.d"), { recursive: true });
  dir.write("postvouch.service.d/secrets.conf", "[Service]\nLoadCredentials=x:/y\n");
  expect(verify(...units).join()).toContain("LoadCredentials");
});

test("docs/install.md makes a secret for root alone, and leaves the umask of the shell as it was", () => {
  using dir = scratch();
  dir.write("postvouch", `#!/bin/sh\nexec ${process.execPath} ${join(DEPLOY, "../src/main.js")} "$@"\n`, 0o755);
  const commands = blocks("install.md", "# Install", "sh", { "/etc/postvouch": dir.path }).flatMap(commandsOf);
  const make = commands.find((line) => line.includes("postvouch srs secret")) ?? "";
  const env = { ...process.env, PATH: `${dir.path}:${process.env.PATH}` };
  const { stdout } = spawnSync("sh", ["-c", `umask 022\n${make}\numask`], { encoding: "utf8", env });
  expect(stdout.trim()).toMatch(/^0?022$/);
  expect(statSync(join(dir.path, "srs.secrets")).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(dir.path, "srs.secrets"), "utf8")).toMatch(/^[\w-]{32}\n$/);
});

test("docs/install.md leaves a configuration behind that check-config takes", () => {
  using dir = scratch();
  const commands = blocks("install.md", "# Install", "sh", { "/etc/postvouch": dir.path }).flatMap(commandsOf);
  const writing = commands.filter((line) => /\b(?:cp|cat|printf|tee)\b.*postvouch\.toml/.test(line));
  expect(writing).not.toEqual([]);
  for (const line of writing) spawnSync("sh", ["-c", line], { cwd: join(DEPLOY, "..") });
  expect(parseConfig(readFileSync(join(dir.path, "postvouch.toml"), "utf8"), "postvouch.toml").problems).toEqual([]);
});
