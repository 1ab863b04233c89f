/** What docs/dmarc-reports.md shows is so. test/e2e/dmarc-reports.test.ts runs its set-up behind a real Postfix. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/parse.ts";
import { createDisposer } from "../../src/dmarc/disposition.ts";
import { historyBlock } from "../../src/dmarc/history.ts";
import { aggregateReport } from "../../src/dmarc/report.ts";
import { reportRow } from "../../src/dmarc/report-row.ts";
import { blocks } from "../e2e/lab/pages.ts";
import { scratch } from "../helpers/daemon.ts";
import { historyMessage } from "../history/messages.ts";
import { DEFAULT_SETTINGS } from "./fixtures.ts";

const PAGE = "dmarc-reports.md";
const TEXT = readFileSync(new URL(`../../docs/${PAGE}`, import.meta.url), "utf8");

test.each(blocks(PAGE, "# DMARC reports", "toml"))("Its configuration is one", (toml) => {
  expect(parseConfig(toml, "p.toml").problems).toEqual([]);
});

test("Its record is what is written of such messages", async () => {
  const message = await historyMessage("a@example.com", {
    senderDomain: "bounce.example.net",
    identifiers: ["spf=pass bounce.example.net"],
  });
  const reported = reportRow(message);
  if (reported === undefined) throw new Error("nothing is reported");
  const xml = aggregateReport({
    organization: "x",
    email: "a@b.example",
    id: "1",
    beginSeconds: 0,
    endSeconds: 1,
    policy: reported.policy,
    errors: [],
    generator: "x",
    rows: [{ ...reported.row, count: 2 }],
  });
  const [shown = ""] = blocks(PAGE, "## How to read a report", "xml");
  expect(xml).toContain(`</policy_published>\n${shown}</feedback>\n`);
});

describe("Its table of reasons", () => {
  const rows = [...TEXT.matchAll(/^\| `(\w+)` \| (.*?) \| (.*) \|$/gm)].map(([, type, comment]) => ({ type, comment }));

  test("has those of the code", async () => {
    expect(rows).toHaveLength(5);
    const sources = ["dmarc/disposition.ts", "authentication/incoming.ts"].map((name) =>
      readFileSync(new URL(`../../src/${name}`, import.meta.url), "utf8"),
    );
    const written = [...sources.join("").matchAll(/type: "(\w+)", comment: "(.*?)"/g)];
    expect(rows).toEqual(expect.arrayContaining(written.map(([, type, comment]) => ({ type, comment }))));
    expect(written).toHaveLength(rows.length);
  });

  test("has the one for mail that is not rejected", async () => {
    const { verdict } = await historyMessage("a@example.com", { identifiers: [] });
    const circumstances = { listId: "", senderDomain: "", sealer: undefined };
    expect(rows).toContainEqual(createDisposer(DEFAULT_SETTINGS).dispose(verdict, circumstances).override);
  });
});

test("Its line for opendmarc-import moves the file away, and hands all of it over", async () => {
  using dir = scratch();
  const block = historyBlock(await historyMessage("a@example.com")) ?? "";
  dir.write("opendmarc.dat", block);
  dir.write("opendmarc-import", `#!/bin/sh\ncat > ${dir.path}/imported\n`, 0o755);
  const heading = "## From opendmarc-import and opendmarc-reports";
  const [command = ""] = blocks(PAGE, heading, "sh", { "/var/lib/postvouch": dir.path });
  const env = { ...process.env, PATH: `${dir.path}:${process.env.PATH}` };
  expect(spawnSync("sh", ["-e", "-c", command], { env }).status).toBe(0);
  expect(readFileSync(join(dir.path, "imported"), "utf8")).toBe(block);
  expect(existsSync(join(dir.path, "opendmarc.dat"))).toBe(false);
});

test("It tells to enable a timer that is there", () => {
  const commands = blocks(PAGE, "## Set up", "sh").join("");
  const [, timer = ""] = /^systemctl enable --now (\S+)$/m.exec(commands) ?? [];
  expect(existsSync(new URL(`../../deploy/systemd/${timer}`, import.meta.url))).toBe(true);
});
