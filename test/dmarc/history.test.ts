/** OpenDMARC's HistoryFile: what the real one writes, and what the real opendmarc-import makes of ours. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createDisposer, type DmarcSettings } from "../../src/dmarc/disposition.ts";
import { type HistoryMessage, historyBlock } from "../../src/dmarc/history.ts";
import { MARIADB_PROGRAMS, startMariaDb } from "../helpers/mariadb.ts";
import { programPath, requirePrograms, skipReason } from "../helpers/requires.ts";
import { DEFAULT_SETTINGS, type DmarcZone, evaluate } from "./fixtures.ts";

const TAGS = "p=reject; sp=quarantine; np=none; adkim=s; aspf=r; pct=50";
const ZONE: DmarcZone = {
  "_dmarc.example.com": [`v=DMARC1; ${TAGS}; rua=mailto:a@example.com,mailto:b@example.net!10m`],
  "_dmarc.q.example": ["v=DMARC1; p=quarantine"],
  "_dmarc.n.example": ["v=DMARC1; p=none; rua=mailto:r@n.example"],
  "sub.example.com": { A: ["192.0.2.1"] },
};

/** The messages that OpenDMARC was given. */
const MESSAGES: readonly (readonly [from: string, ...identifiers: string[]])[] = [
  ["example.com", "dkim=pass example.com sel", "dkim=fail example.net b", "spf=softfail example.net"],
  ["example.com", "spf=pass example.net"],
  ["q.example", "dkim=temperror q.example sel"],
  ["n.example", "dkim=permerror n.example", "spf=fail n.example"],
  ["sub.example.com", "spf=pass bounce.example.com"],
  ["nothing.example", "dkim=neutral x.example a", "dkim=policy y.example c", "spf=neutral x.example"],
];

async function message(
  from: string,
  identifiers: readonly string[],
  queueId: string,
  settings: Partial<DmarcSettings> = {},
): Promise<HistoryMessage> {
  const verdict = await evaluate(`x@${from}`, ZONE, identifiers);
  const { dispose } = createDisposer({ ...DEFAULT_SETTINGS, ...settings });
  return {
    verdict,
    disposition: dispose(verdict, { listId: "", senderDomain: "example.org", sealer: undefined }),
    clientAddress: "192.0.2.1",
    senderDomain: "example.org",
    queueId,
    reporter: "mx.example.org",
    receivedSeconds: 1_795_683_782.5,
    isReport: false,
  };
}

function blocks(text: string): string[] {
  return text.split(/^(?=job )/m);
}

/** Recorded from OpenDMARC 1.4.2-2+b1 (Debian 12); queue ids, reporter and client are those of our messages. */
const RECORDED = blocks(readFileSync(new URL("../testdata/dmarc/opendmarc-history.txt", import.meta.url), "utf8"));

describe("Against the blocks that OpenDMARC wrote,", () => {
  const ours = async (index: number): Promise<string | undefined> => {
    const [from = "", ...identifiers] = MESSAGES[index] ?? [];
    return historyBlock(await message(from, identifiers, `A${index + 1}`));
  };

  test.each([0, 1, 3, 5])("block %d is the same, but for the historic pct", async (index) => {
    expect(await ours(index)).toBe(RECORDED[index]?.replace("pct 50", "pct 100"));
  });

  test("a temporary error leaves none, because it is no failure", async () => {
    expect(await ours(2)).toBeUndefined();
  });

  test("a name below has the policy of its organization, which OpenDMARC finds by a list only", async () => {
    const block = (await ours(4)) ?? "";
    expect(block).toContain("\nfrom sub.example.com\n");
    expect(block).toContain("\npdomain example.com\npolicy 15\n");
    expect(block).toContain("\nalign_dkim 5\nalign_spf 4\n");
  });
});

test("Text of strangers begins no new line or word", async () => {
  const block = historyBlock(
    await message(
      "example.com",
      ["dkim=fail a\nb.example x\ty"].map((text) => text.replace(/[\n\t]/g, "\x01")),
      "A1",
    ),
  );
  expect(block).toContain("\ndkim a?b.example x?y 7\n");
});

test("Text of strangers that is longer than a name is left out", async () => {
  const long = "&".repeat(7900);
  const given = await message("example.com", [`dkim=permerror ${long} s1`, `dkim=permerror x.example ${long}`], "A1");
  const block = historyBlock({ ...given, senderDomain: long }) ?? "";
  expect(block).not.toContain("\ndkim ");
  expect(block).toContain("\nmfrom -\n");
  expect(block.length).toBeLessThan(1000);
});

test.each([
  ["reject", { reject: true }, "example.com", 0],
  ["hold", { quarantine: "hold" }, "q.example", 4],
  ["accept", {}, "q.example", 2],
] as const)("The action %s", async (_name, settings, from, code) => {
  expect(historyBlock(await message(from, [], "A1", settings))).toContain(`\naction ${code}\n`);
});

const SCHEMA = "/usr/share/dbconfig-common/data/opendmarc/install/mysql";
const missing = requirePrograms("opendmarc-import", ...MARIADB_PROGRAMS) ?? missingModules();

function missingModules(): string | undefined {
  try {
    execFileSync("perl", ["-MSwitch", "-MJSON", "-MDBD::mysql", "-e", "1"], { stdio: "ignore" });
    return undefined;
  } catch {
    return skipReason("Cannot run: perl has no Switch, JSON or DBD::mysql");
  }
}

test.skipIf(missing)(`opendmarc-import takes our blocks ${missing ?? ""}`, async () => {
  const directory = mkdtempSync(join(tmpdir(), "postvouch-history-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(directory, { recursive: true }));
  const database = stack.use(await startMariaDb(directory));
  database.sql(readFileSync(SCHEMA, "utf8"));
  database.sql("CREATE USER i@localhost IDENTIFIED BY 'p'; GRANT ALL ON opendmarc.* TO i@localhost");
  const ours = await Promise.all(
    MESSAGES.map(async ([from, ...identifiers], index) =>
      historyBlock(await message(from, identifiers, `A${index + 1}`)),
    ),
  );
  const program = programPath("opendmarc-import") ?? "";
  const output = execFileSync(program, ["--dbhost=localhost", "--dbname=opendmarc", "--dbuser=i", "--dbpasswd=p"], {
    input: ours.join(""),
    env: { ...process.env, MYSQL_UNIX_PORT: database.socket },
    encoding: "utf8",
    stdio: ["pipe", "pipe", "inherit"],
  });
  expect(output).toBe("");
  const table = database.sql(`
    SELECT jobid, f.name, p.name, policy, disp, spf, align_spf, align_dkim, sigcount
    FROM opendmarc.messages m JOIN opendmarc.domains f ON f.id = from_domain JOIN opendmarc.domains p ON p.id = policy_domain
    ORDER BY jobid`);
  expect(table.trim().split("\n").slice(1)).toEqual([
    "A1\texample.com\texample.com\t15\t2\t2\t5\t4\t2",
    "A2\texample.com\texample.com\t16\t2\t0\t5\t5\t0",
    "A4\tn.example\tn.example\t18\t2\t7\t5\t5\t1",
    "A5\tsub.example.com\texample.com\t15\t2\t0\t4\t5\t0",
    "A6\tnothing.example\tnothing.example\t14\t2\t3\t0\t0\t2",
  ]);
  expect(database.sql("SELECT repuri FROM opendmarc.requests WHERE repuri LIKE '%b@%'")).toContain(
    "mailto:a@example.com,mailto:b@example.net!10m",
  );
});
