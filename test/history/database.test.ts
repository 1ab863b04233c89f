/** The database of results: its limits, its days, and the deliveries. */
import { describe, expect, test } from "vitest";
import { HistoryDatabase } from "../../src/history/database.ts";
import { type Entry, entryOf } from "../../src/history/entry.ts";
import { scratch } from "../helpers/daemon.ts";
import { DAY, historyMessage } from "./messages.ts";

const MIB = 1024 ** 2;

async function entries(count: number, day = DAY): Promise<Entry[]> {
  const entry = entryOf(await historyMessage("a@example.com"));
  if (!("kind" in entry)) throw new TypeError("want a message that is reported");
  return Array.from({ length: count }, (_, i) => ({
    ...entry,
    day,
    kind: JSON.stringify({ ...(JSON.parse(entry.kind) as object), envelopeFrom: `d${i}.example` }),
  }));
}

test("Kinds and policies beyond those of a day are counted, those known go on", async () => {
  using dir = scratch();
  using database = new HistoryDatabase(`${dir.path}/h.db`, "create", { kindsPerDay: 3, policiesPerDay: 2, bytes: MIB });
  const five = await entries(5);
  database.add([...five, ...five]);
  const [known] = five;
  if (known === undefined || !("kind" in known)) throw new TypeError("want an entry");
  database.add(["b.example", "c.example"].map((domain) => ({ ...known, domain })));
  database.add(await entries(1, DAY + 1));
  expect(database.policies(DAY).map(({ messages, kinds }) => [messages, kinds])).toEqual([[6, 3]]);
  expect(database.untold(DAY)).toEqual(new Map([["full", 6]]));
  expect(database.policies(DAY + 1).map(({ messages }) => messages)).toEqual([1]);
});

test("The limits of a day hold over a restart", async () => {
  using dir = scratch();
  const limits = { kindsPerDay: 2, policiesPerDay: 2, bytes: MIB };
  for (let run = 0; run < 2; run++) {
    using database = new HistoryDatabase(`${dir.path}/h.db`, "create", limits);
    database.add(await entries(3));
  }
  using database = new HistoryDatabase(`${dir.path}/h.db`, "existing", limits);
  expect(database.policies(DAY).map(({ messages, kinds }) => [messages, kinds])).toEqual([[4, 2]]);
});

test("A full file loses its oldest day, and never today's", async () => {
  using dir = scratch();
  using database = new HistoryDatabase(`${dir.path}/h.db`, "create", {
    kindsPerDay: 1e6,
    policiesPerDay: 10,
    bytes: MIB / 4,
  });
  for (const day of [DAY, DAY + 1]) database.add(await entries(300, day));
  database.add(await entries(450, DAY + 2));
  const left = [DAY, DAY + 1, DAY + 2].map((day) => database.policies(day)[0]?.kinds ?? 0);
  expect(left[0]).toBe(0);
  expect(left[2]).toBe(450);
  // Full of today alone, it counts what is new, and what is known goes on.
  const many = await entries(5_000, DAY + 2);
  database.add(many);
  expect(database.policies(DAY + 2)[0]?.messages).toBe(900);
  expect(database.untold(DAY + 2)).toEqual(new Map([["full", 4_550]]));
});

test("A file that one day has filled takes the next day at once, and deliveries always", async () => {
  using dir = scratch();
  const limits = { kindsPerDay: 1e6, policiesPerDay: 10, bytes: MIB / 2 };
  using database = new HistoryDatabase(`${dir.path}/h.db`, "create", limits);
  for (let part = 0; part < 40; part++) database.add((await entries(2_000)).slice(50 * part, 50 * (part + 1)));
  expect(database.untold(DAY).get("full")).toBeGreaterThan(0);
  const about = { day: DAY, address: "a@b.example", domain: "b.example", seconds: 1 };
  for (let i = 0; i < 200; i++) expect(database.claim({ ...about, report: `r${i}` }, 0)).toBe(true);
  database.settle({ ...about, report: "r1", state: "sent", problem: "" });
  database.add(await entries(100, DAY + 1));
  expect(database.policies(DAY)).toEqual([]);
  expect(database.policies(DAY + 1)[0]?.kinds).toBe(100);
  // What comes late is of no newer day, and drops none.
  database.add(await entries(10, DAY));
  expect(database.policies(DAY + 1)[0]?.kinds).toBe(100);
});

test("A policy that changes its addresses keeps its messages, and gets the newest", async () => {
  using dir = scratch();
  using database = new HistoryDatabase(`${dir.path}/h.db`, "create");
  const [entry] = await entries(1);
  if (entry === undefined) throw new TypeError("want an entry");
  database.add([entry, { ...entry, rua: '["mailto:new@example.com"]' }]);
  const [policy] = database.policies(DAY);
  expect(policy).toMatchObject({ messages: 2, kinds: 1, rua: ["mailto:new@example.com"] });
});

test("Days before one are pruned with all that belongs to them", async () => {
  using dir = scratch();
  using database = new HistoryDatabase(`${dir.path}/h.db`, "create");
  for (const day of [DAY - 1, DAY]) database.add([...(await entries(3, day)), { day, untold: "no-rua" }]);
  const about = { report: "r", address: "a@b.example", domain: "b.example", seconds: 1 };
  for (const day of [DAY - 1, DAY]) database.claim({ ...about, day }, 0);
  database.prune(DAY);
  expect(database.policies(DAY - 1)).toEqual([]);
  expect(database.untold(DAY - 1).size).toBe(0);
  expect(database.stateOf({ ...about, day: DAY - 1 })).toBeUndefined();
  expect(database.kinds(1, { rows: 10, bytes: MIB }, 0)).toEqual({ rows: [], end: 0 });
  expect(database.policies(DAY)[0]?.kinds).toBe(3);
  expect(database.stateOf({ ...about, day: DAY })).toBe("sending");
});

describe("A delivery", () => {
  const about = { day: DAY, report: "r1", address: "a@b.example", domain: "b.example" };

  test("is taken on by one run, and again if it failed or the run died", () => {
    using dir = scratch();
    using database = new HistoryDatabase(`${dir.path}/h.db`, "create");
    using other = new HistoryDatabase(`${dir.path}/h.db`, "existing");
    expect(database.claim({ ...about, seconds: 100 }, 50)).toBe(true);
    expect(other.claim({ ...about, seconds: 110 }, 60)).toBe(false);
    expect(other.claim({ ...about, seconds: 200 }, 150)).toBe(true);
    database.settle({ ...about, seconds: 200, state: "failed", problem: "421" });
    expect(database.undelivered(DAY - 3, DAY + 1)).toEqual([{ day: DAY, domain: "b.example" }]);
    expect(other.claim({ ...about, seconds: 201 }, 150)).toBe(true);
    database.settle({ ...about, seconds: 202, state: "sent", problem: "" });
    expect(other.claim({ ...about, seconds: 9_999 }, 9_000)).toBe(false);
    expect(database.undelivered(DAY - 3, DAY + 1)).toEqual([]);
  });

  test("whose address could not be checked is still to be done, until it is forgotten", () => {
    using dir = scratch();
    using database = new HistoryDatabase(`${dir.path}/h.db`, "create");
    database.settle({ ...about, address: "mailto:a@b.example", seconds: 1, state: "unchecked", problem: "servfail" });
    expect(database.undelivered(DAY, DAY + 1)).toHaveLength(1);
    expect(database.undelivered(DAY - 3, DAY)).toEqual([]);
    database.forgetUnchecked(DAY, "r1");
    expect(database.undelivered(DAY, DAY + 1)).toEqual([]);
  });
});

test.each([
  ["missing/h.db", "there is no such file, or its directory is missing"],
  ["h.db", "there is no such file, or its directory is missing"],
])("A command refuses %s, which is not there, and makes nothing", (name, problem) => {
  using dir = scratch();
  const path = `${dir.path}/${name}`;
  expect(() => new HistoryDatabase(path, "existing")).toThrow(`Cannot open history "${path}": ${problem}`);
});
