/** What lies in deploy/ is what the programs that read it accept. */
import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blocks, commandsOf } from "./e2e/lab/pages.ts";
import { scratch } from "./helpers/daemon.ts";
import { requirePrograms } from "./helpers/requires.ts";

const DEPLOY = join(import.meta.dirname, "../deploy");

const promtool = requirePrograms("promtool");
test.skipIf(promtool !== undefined)(`promtool accepts the alert rules ${promtool ?? ""}`, () => {
  const { status, stdout } = spawnSync("promtool", ["check", "rules", join(DEPLOY, "prometheus/postvouch.rules.yml")], {
    encoding: "utf8",
  });
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining("7 rules found") });
});

const systemd = requirePrograms("systemd-analyze");

/** What systemd has to say about units, but that nothing is installed under /opt and /usr/local here. */
function verify(...units: string[]): string[] {
  const { stderr } = spawnSync("systemd-analyze", ["verify", ...units], { encoding: "utf8" });
  return stderr.split("\n").filter((line) => line !== "" && !line.includes("is not executable"));
}

test.skipIf(systemd !== undefined)(`systemd finds the unit sound and its exposure below 2.0 ${systemd ?? ""}`, () => {
  const unit = join(DEPLOY, "systemd/postvouch.service");
  expect(verify(unit)).toEqual([]);
  const security = spawnSync("systemd-analyze", ["security", "--offline=true", "--threshold=20", unit], {
    encoding: "utf8",
  });
  expect(security.status).toBe(0);
});

test.skipIf(systemd !== undefined).each(["install.md", "from-postsrsd.md"])(
  `systemd takes the drop-in and the check of docs/%s ${systemd ?? ""}`,
  (page) => {
    using dir = scratch();
    const heading = page === "install.md" ? "# Install" : "## The day of the change";
    const commands = blocks(page, heading, "sh").flatMap(commandsOf);
    const dropIn = commands.filter((line) => line.includes("postvouch.service.d"));
    expect(dropIn).toHaveLength(2);
    for (const line of dropIn) spawnSync("sh", ["-c", line.replaceAll("/etc/systemd/system", dir.path)]);
    copyFileSync(join(DEPLOY, "systemd/postvouch.service"), join(dir.path, "postvouch.service"));
    const check = commands.find((line) => line.startsWith("systemd-run ")) ?? "";
    const properties = [...check.matchAll(/ -p (\S+)/g)].map((match) => match[1] ?? "");
    const start = check.slice(check.indexOf(" /usr/")).trim();
    const transient = ["[Service]", "Type=exec", ...properties, `ExecStart=${start}`, ""].join("\n");
    const units = [join(dir.path, "postvouch.service"), dir.write("check.service", transient)];
    expect(verify(...units)).toEqual([]);
    // It reads both: what it does not know it says.
    dir.write("postvouch.service.d/secrets.conf", "[Service]\nLoadCredentials=x:/y\n");
    expect(verify(...units).join()).toContain("LoadCredentials");
  },
);
