/** Every check with a wrong and a right set-up. The commands that mend are run, and the check has to be content then. */
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { type Result, runChecks } from "../../src/doctor/run.ts";
import { CHECKS } from "../../src/doctor/table.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { FORWARD_ONLY_CASES } from "./cases/forward-only.ts";
import { MAP_CASES } from "./cases/maps.ts";
import { MILTER_CASES } from "./cases/milter.ts";
import { NEIGHBOUR_CASES } from "./cases/neighbours.ts";
import { OUR_SET_UP_CASES } from "./cases/our-set-up.ts";
import { POLICY_CASES } from "./cases/policy.ts";
import { POSTFIX_CASES } from "./cases/postfix.ts";
import { SENDING_CASES } from "./cases/sending.ts";
import { SIGNING_CASES } from "./cases/signing.ts";
import { SPF_CASES } from "./cases/spf.ts";
import type { Case } from "./cases.ts";
import { factsOf, readFacts, type Situation } from "./facts.ts";

const missing = requirePrograms("postconf", "postmap");

const CASES: readonly Case[] = [
  ...OUR_SET_UP_CASES,
  ...POSTFIX_CASES,
  ...MAP_CASES,
  ...FORWARD_ONLY_CASES,
  ...POLICY_CASES,
  ...MILTER_CASES,
  ...SIGNING_CASES,
  ...NEIGHBOUR_CASES,
  ...SENDING_CASES,
  ...SPF_CASES,
];

const checksOf = (id: string) => CHECKS.filter((check) => check.id === id);

async function examine(id: string, situation: Situation): Promise<Result[]> {
  const { facts, files } = await factsOf(situation);
  using _ = files;
  return await runChecks(checksOf(id), facts);
}

/** Runs a command that mends, without the reload of a Postfix that does not run. */
function run(command: string, configDir: string): void {
  const { status, stderr } = spawnSync("sh", ["-euc", command.replaceAll(" && postfix reload", "")], {
    env: { PATH: `${process.env.PATH}:/usr/sbin`, MAIL_CONFIG: configDir },
    encoding: "utf8",
  });
  expect({ status, stderr: stderr.replaceAll(/^postconf: warning.*\n/gm, "") }).toEqual({ status: 0, stderr: "" });
}

test("every check has an id of its own, and a wrong and a right case", () => {
  const ids = CHECKS.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const found = (kind: "wrong" | "right") =>
    [...new Set(CASES.filter((one) => kind in one).map(({ id }) => id))].sort();
  expect(found("wrong")).toEqual(ids.toSorted());
  expect(found("right")).toEqual(ids.toSorted());
});

// At the same time, because each case waits for some runs of postconf.
describe.skipIf(missing !== undefined)(`checks ${missing ?? ""}`, { concurrent: true }, () => {
  test.each(CASES.filter((one) => "wrong" in one))(
    "$id: $name",
    async ({ id, wrong, says, mends, status = "error" }) => {
      const { facts, files } = await factsOf(wrong ?? {});
      using _ = files;
      const results = await runChecks(checksOf(id), facts);
      const found = results.find((result) => result.reason.includes(says ?? ""));
      expect(results).toContainEqual({
        id,
        status,
        reason: expect.stringContaining(says ?? ""),
        mend: expect.stringContaining(mends ?? ""),
      });
      for (const command of new Set(results.flatMap(({ mend }) => mend ?? []))) {
        const [, postconf] = /(?:^|: )(postconf -\w+ .*)$/.exec(command) ?? [];
        if (postconf === undefined || /postconf -n/.test(postconf) || postconf.includes("YOUR")) continue;
        run(postconf, files.path);
      }
      if (!/(?:^|: )postconf -[^n]/.test(found?.mend ?? "") || found?.mend?.includes("YOUR")) return;
      const after = await runChecks(checksOf(id), await readFacts(wrong ?? {}, files.path));
      expect(after.filter((result) => result.status === "error" || result.status === "warning")).toEqual([]);
    },
  );

  test.each(CASES.filter((one) => "right" in one))("$id is content with $name", async ({ id, right }) => {
    expect(await examine(id, right ?? {})).toEqual([{ id, status: "ok", reason: expect.any(String), mend: null }]);
  });

  test.each(CASES.filter((one) => "skips" in one))("$id is skipped: $name", async ({ id, skips, says }) => {
    const results = await examine(id, skips ?? {});
    expect(results).toContainEqual({ id, status: "skipped", reason: expect.stringContaining(says ?? ""), mend: null });
    expect(results.filter(({ status }) => status === "error")).toEqual([]);
  });

  test.each(CHECKS.map(({ id }) => id))("%s does not fail without Postfix", async (id) => {
    const results = await examine(id, { noPostfix: "Cannot run postconf: no such program, is Postfix installed?" });
    expect(results.filter(({ reason }) => reason.startsWith("Cannot check this"))).toEqual([]);
  });
});
