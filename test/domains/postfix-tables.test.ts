import { beforeEach, describe, expect, test } from "vitest";
import { lookupName } from "../../src/domains/name.ts";
import { FRESH_MS, KEEP_MS, STALE_MS } from "../../src/domains/postfix-table.ts";
import { PostfixTables } from "../../src/domains/postfix-tables.ts";
import type { OwnDomainsEvent } from "../../src/domains/source.ts";
import type { TableAnswer } from "../../src/postfix/postmap.ts";

const TABLE = "mysql:/domains.cf";
const down: TableAnswer = { status: "failed", reason: "server is down", wrong: false };

let timeMs = 1_000_000;
let domains: Set<string>;
let isDown: boolean;
let asked: string[];
let events: OwnDomainsEvent[];
let lookups: PostfixTables;

beforeEach(() => {
  timeMs = 1_000_000;
  domains = new Set(["a.test"]);
  isDown = false;
  asked = [];
  events = [];
  const ask = async (_table: string, keys: readonly string[]): Promise<TableAnswer> => {
    asked.push(...keys);
    return isDown ? down : { status: "answered", found: new Set(keys.filter((key) => domains.has(key))) };
  };
  lookups = new PostfixTables(ask, { onEvent: (event) => events.push(event), timeMs: () => timeMs });
});

function find(domain: string): boolean | Promise<boolean> {
  const name = lookupName(Buffer.from(domain).toString("latin1"));
  if (name === undefined) throw new Error(`Cannot test "${domain}": no domain`);
  return lookups.find(TABLE, name, (spelling) => [spelling]);
}

/** Lets questions that nobody waits for come to their end. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("PostfixTables", () => {
  test("asks once and then knows, what is not there as well", async () => {
    expect([await find("a.test"), await find("b.test")]).toEqual([true, false]);
    timeMs += FRESH_MS - 1;
    expect([find("a.test"), find("b.test")]).toEqual([true, false]);
    expect(asked).toEqual(["a.test", "b.test"]);
  });

  test("answers from an older answer at once and asks behind its back", async () => {
    expect(await find("b.test")).toBe(false);
    domains.add("b.test");
    timeMs += FRESH_MS;
    expect(find("b.test")).toBe(false);
    await settle();
    expect(find("b.test")).toBe(true);
    expect(asked).toEqual(["b.test", "b.test"]);
  });

  test("asks and waits when the answer is too old for that", async () => {
    expect(await find("b.test")).toBe(false);
    domains.add("b.test");
    timeMs += STALE_MS;
    expect(await find("b.test")).toBe(true);
  });

  test("goes on with what it knew while the table does not answer, and asks every few seconds only", async () => {
    await find("a.test");
    isDown = true;
    timeMs += STALE_MS;
    expect(await find("a.test")).toBe(true);
    expect(find("a.test")).toBe(true);
    expect(asked).toHaveLength(2);
    timeMs += 5_000;
    expect(await find("a.test")).toBe(true);
    expect(asked).toHaveLength(3);
  });

  test("rejects when the table does not answer and nothing is known", async () => {
    isDown = true;
    await expect(find("a.test")).rejects.toThrow(`Cannot ask "${TABLE}" for own domains: server is down`);
    isDown = false;
    expect(await find("a.test")).toBe(true);
  });

  test("does not believe for ever what nobody confirms", async () => {
    await find("a.test");
    isDown = true;
    timeMs += KEEP_MS;
    await expect(find("a.test")).rejects.toThrow("server is down");
  });

  test("asks again after a reload, but still knows when the table is down then", async () => {
    await find("a.test");
    domains.delete("a.test");
    timeMs += 1;
    lookups.distrust();
    expect(await find("a.test")).toBe(false);
    timeMs += 1;
    lookups.distrust();
    isDown = true;
    expect(await find("a.test")).toBe(false);
  });

  test("tells once that a table is down and once that it answers again", async () => {
    isDown = true;
    await Promise.allSettled([find("a.test"), find("b.test")]);
    await Promise.allSettled([find("c.test")]);
    isDown = false;
    await Promise.all([find("a.test"), find("b.test")]);
    expect(events).toEqual([
      { type: "failed", source: TABLE, reason: "server is down" },
      { type: "recovered", source: TABLE },
    ]);
  });

  test.each(["bücher.test", "xn--bcher-kva.test"])("finds %s in either spelling", async (domain) => {
    domains.add("bücher.test");
    expect(await find(domain)).toBe(true);
    expect(asked).toEqual(["xn--bcher-kva.test", "bücher.test"]);
  });

  test("takes a table that cannot read U-labels for one that has none", async () => {
    const narrow = async (_table: string, keys: readonly string[]): Promise<TableAnswer> =>
      keys.includes("bücher.test") ? down : { status: "answered", found: new Set() };
    lookups = new PostfixTables(narrow, { onEvent: (event) => events.push(event), timeMs: () => timeMs });
    expect(await find("bücher.test")).toBe(false);
    expect(events).toEqual([]);
  });

  test("counts the domains that it found, and says when the table last answered", async () => {
    const table = lookups.table(TABLE);
    expect(table.lastAnswerMs).toBeUndefined();
    await Promise.all(["a.test", "b.test"].map(find));
    expect(table.countFound()).toBe(1);
    expect(table.lastAnswerMs).toBe(timeMs);
  });
});
