/** The reports of a day: their parts, and their names. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { aggregateReport } from "../../src/dmarc/report.ts";
import { HistoryDatabase } from "../../src/history/database.ts";
import { type Entry, entryOf } from "../../src/history/entry.ts";
import { dayText, MAX_ROW_BYTES, MAX_ROWS, parseDay, reportsOf } from "../../src/reports/make.ts";
import { scratch } from "../helpers/daemon.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { DAY, historyMessage } from "../history/messages.ts";

const REPORTER = { organization: "x", from: "a@b.example", receiver: "b.example", generator: "postvouch" };
const SCHEMA = new URL("../testdata/dmarc/rfc9990.xsd", import.meta.url).pathname;
const missing = requirePrograms("xmllint");

test.skipIf(missing)(
  `A domain with very many records gets several reports, each valid ${missing ?? ""}`,
  { timeout: 60_000 },
  async () => {
    using dir = scratch();
    using database = new HistoryDatabase(`${dir.path}/h.db`, "create");
    const entry = entryOf(await historyMessage("a@example.com"));
    if ("untold" in entry) throw new TypeError("want a message that is reported");
    const row = JSON.parse(entry.kind) as object;
    const count = 2 * MAX_ROWS + 5;
    const entries = Array.from(
      { length: count },
      (_, i): Entry => ({ ...entry, kind: JSON.stringify({ ...row, envelopeFrom: `d${i}.example` }) }),
    );
    database.add(entries);
    database.add(entries.slice(100, 101));
    const [kept] = database.policies(DAY);
    if (kept === undefined) throw new TypeError("want a policy");
    const reports = [...reportsOf(database, DAY, kept, REPORTER)];
    expect(reports.map(({ rows }) => rows.length)).toEqual([MAX_ROWS, MAX_ROWS, 5]);
    expect(reports[0]?.rows[0]).toMatchObject({ count: 2, envelopeFrom: "d100.example" });
    expect(new Set(reports.flatMap(({ rows }) => rows.map(({ envelopeFrom }) => envelopeFrom))).size).toBe(count);
    expect(new Set(reports.map(({ id }) => id)).size).toBe(3);
    // A run that does it again uses the same names.
    expect([...reportsOf(database, DAY, kept, REPORTER)].map(({ id }) => id)).toEqual(reports.map(({ id }) => id));
    for (const report of reports) {
      const args = ["--noout", "--nonet", "--schema", SCHEMA, "-"];
      const { stderr } = spawnSync("xmllint", args, { input: aggregateReport(report), encoding: "utf8" });
      expect(stderr.trim()).toBe("- validates");
    }
  },
);

test("Records that are large, as earlier versions kept them, are split by their bytes", async () => {
  using dir = scratch();
  using database = new HistoryDatabase(`${dir.path}/h.db`, "create");
  const entry = entryOf(await historyMessage("a@example.com"));
  if ("untold" in entry) throw new TypeError("want a message that is reported");
  const row = JSON.parse(entry.kind) as object;
  const rowBytes = MAX_ROW_BYTES / 4;
  const kinds = Array.from({ length: 9 }, (_, i) =>
    JSON.stringify({ ...row, envelopeFrom: `${i}`.padEnd(rowBytes, "&") }),
  );
  database.add(kinds.map((kind) => ({ ...entry, kind })));
  const whole = JSON.stringify({ ...row, envelopeFrom: "".padEnd(2 * MAX_ROW_BYTES, "&") });
  database.add([{ ...entry, kind: whole }]);
  const [kept] = database.policies(DAY);
  if (kept === undefined) throw new TypeError("want a policy");
  const reports = [...reportsOf(database, DAY, kept, REPORTER)];
  // Four of a quarter and a bit are too many. What is too large by itself comes alone.
  expect(reports.map(({ rows }) => rows.length)).toEqual([1, 3, 3, 3]);
  expect(new Set(reports.map(({ id }) => id)).size).toBe(4);
  expect(new Set(reports.flatMap(({ rows }) => rows.map(({ envelopeFrom }) => envelopeFrom))).size).toBe(10);
});

test("Damaged rows are counted, and left out of the reports", async () => {
  using dir = scratch();
  const path = `${dir.path}/h.db`;
  using database = new HistoryDatabase(path, "create");
  const entry = entryOf(await historyMessage("a@example.com"));
  if ("untold" in entry) throw new TypeError("want a message that is reported");
  const row = JSON.parse(entry.kind) as object;
  const damaged = ["x", "null", "{}", JSON.stringify({ ...row, dkim: [{}] }), JSON.stringify({ ...row, spf: 1 })];
  database.add([...damaged, entry.kind].map((kind) => ({ ...entry, kind })));
  const bad = { ...entry, domain: "a.example", kind: "x" };
  database.add([bad, { ...entry, domain: "b.example", policy: "{}" }, { ...entry, domain: "c.example", rua: "{}" }]);
  const policies = database.policies(DAY);
  expect(policies.map(({ messages }) => messages)).toEqual([1, 6]);
  const reports = policies.flatMap((kept) => [...reportsOf(database, DAY, kept, REPORTER)]);
  expect(reports.map(({ rows }) => rows.length)).toEqual([1]);
  expect(database.unreadable).toBe(2 + 6);
});

test("A policy that changes within a day gets a report for each", async () => {
  using dir = scratch();
  using database = new HistoryDatabase(`${dir.path}/h.db`, "create");
  for (const p of ["none", "reject"]) {
    const zone = { "_dmarc.example.com": [`v=DMARC1; p=${p}; rua=mailto:a@example.com`] };
    database.add([entryOf(await historyMessage("a@example.com", { zone }))]);
  }
  const reports = database.policies(DAY).flatMap((kept) => [...reportsOf(database, DAY, kept, REPORTER)]);
  expect(reports.map(({ policy }) => policy.p)).toEqual(["none", "reject"]);
  expect(new Set(reports.map(({ id }) => id)).size).toBe(2);
});

test.each(["1970-01-01", "2026-11-25", "2028-02-29"])("%s is a day", (text) => {
  expect(dayText(parseDay(text) ?? -1)).toBe(text);
});

test.each(["", "2026-02-29", "2026-02-30", "2026-13-01", "2026-1-1", "2026-11-25T00:00:00Z", " 2026-11-25"])(
  "%j is no day",
  (text) => {
    expect(parseDay(text)).toBeUndefined();
  },
);
