/** What lies in deploy/ is what the programs that read it accept. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
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
test.skipIf(systemd !== undefined)(`systemd finds the unit sound and its exposure below 2.0 ${systemd ?? ""}`, () => {
  const unit = join(DEPLOY, "systemd/postvouch.service");
  const verify = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
  // The program is not installed under /opt here; nothing else may be said.
  expect(verify.stderr.split("\n").filter((line) => line !== "" && !line.includes("is not executable"))).toEqual([]);
  const security = spawnSync("systemd-analyze", ["security", "--offline=true", "--threshold=20", unit], {
    encoding: "utf8",
  });
  expect(security.status).toBe(0);
});
