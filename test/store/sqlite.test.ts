import { chmodSync, statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { temporaryDirectory } from "../helpers/postfix-config.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";

const DAY_SECONDS = 86_400;
const ALIAS = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
const noSqlite3 = requirePrograms("sqlite3");

/** Runs SQL in a process of its own, with a program of another make. */
function sqlite3(path: string, sql: string): string {
  return runProgram("sqlite3", [path, sql]);
}

describe("the SQLite store", () => {
  test("gives back what it was given, by whatever bytes", async () => {
    using directory = temporaryDirectory();
    const store = await openSqliteStore(`${directory.path}/a.db`, Date.now);
    const address = Array.from({ length: 255 }, (_, code) => String.fromCharCode(code + 1)).join("");
    await store.put(ALIAS, address, 60);
    expect(await store.get(ALIAS)).toBe(address);
    expect(await store.get(ALIAS.replace("0", "1"))).toBeUndefined();
    await store.close();
  });

  test("keeps it over a restart and shows it to a second daemon at once", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    const [first, second] = [await openSqliteStore(path, Date.now), await openSqliteStore(path, Date.now)];
    await first.put(ALIAS, "a@b.test", 60);
    expect(await second.get(ALIAS)).toBe("a@b.test");
    await Promise.all([first.put(ALIAS, "c@b.test", 60), second.put(ALIAS.toLowerCase(), "d@b.test", 60)]);
    await first.close();
    await second.close();
    const third = await openSqliteStore(path, Date.now);
    expect([await third.get(ALIAS), await third.get(ALIAS.toLowerCase())]).toEqual(["c@b.test", "d@b.test"]);
    await third.close();
  });

  test("keeps what came in just before it closed", async () => {
    using directory = temporaryDirectory();
    const store = await openSqliteStore(`${directory.path}/a.db`, Date.now);
    const written = store.put(ALIAS, "a@b.test", 60);
    await Promise.resolve();
    await store.close();
    await written;
    const again = await openSqliteStore(`${directory.path}/a.db`, Date.now);
    expect(await again.get(ALIAS)).toBe("a@b.test");
    await again.close();
  });

  test("forgets an address when its time is over, and not before; a second put renews it", async () => {
    using directory = temporaryDirectory();
    let nowSeconds = 1_700_000_000;
    const store = await openSqliteStore(`${directory.path}/a.db`, () => nowSeconds * 1000);
    await store.put("A", "a@b.test", 22 * DAY_SECONDS);
    await store.put("B", "b@b.test", 22 * DAY_SECONDS);
    nowSeconds += 21 * DAY_SECONDS;
    await store.put("B", "b@b.test", 22 * DAY_SECONDS);
    nowSeconds += DAY_SECONDS - 1;
    expect([await store.get("A"), await store.get("B")]).toEqual(["a@b.test", "b@b.test"]);
    nowSeconds += 3602; // the hour that rows live on, so that not every mail writes
    expect([await store.get("A"), await store.get("B")]).toEqual([undefined, "b@b.test"]);
    await store.close();
  });

  test("deletes expired rows, all of them, and no others", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    let nowMs = 1_700_000_000_000;
    const store = await openSqliteStore(path, () => nowMs);
    await Promise.all(Array.from({ length: 1200 }, (_, index) => store.put(`OLD${index}`, "a@b.test", 60)));
    await store.put("NEW", "a@b.test", 22 * DAY_SECONDS);
    await store.close();
    nowMs += DAY_SECONDS * 1000;
    const again = await openSqliteStore(path, () => nowMs);
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(path, { readOnly: true });
    const count = database.prepare("SELECT count(*) AS count FROM kv");
    await expect.poll(() => count.get()?.count, { timeout: 10_000 }).toBe(1);
    expect(await again.get("NEW")).toBe("a@b.test");
    database.close();
    await again.close();
  });

  test("rejects while another process holds the file, and goes on when it no longer does", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    const store = await openSqliteStore(path, Date.now);
    const { DatabaseSync } = await import("node:sqlite");
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    await expect(store.put("A", "a@b.test", 60)).rejects.toThrow("Cannot store address: database is locked");
    other.exec("COMMIT");
    other.close();
    await store.put("A", "a@b.test", 60);
    expect(await store.get("A")).toBe("a@b.test");
    await store.close();
  });

  test("makes a file that nobody else can read", async () => {
    using directory = temporaryDirectory();
    const store = await openSqliteStore(`${directory.path}/a.db`, Date.now);
    await store.put("A", "a@b.test", 60);
    expect(statSync(`${directory.path}/a.db`).mode & 0o777).toBe(0o600);
    expect(statSync(`${directory.path}/a.db-wal`).mode & 0o777).toBe(0o600);
    await store.close();
  });

  test.each([
    { name: "a directory that is not there", path: "none/a.db", reason: "ENOENT" },
    { name: "a directory", path: "", reason: "EISDIR" },
    { name: "a file of another kind", path: "main.cf", reason: "not a database" },
  ])("refuses $name", async ({ path, reason }) => {
    using directory = temporaryDirectory();
    directory.write("main.cf", `# ${"x".repeat(8192)}`);
    chmodSync(`${directory.path}/main.cf`, 0o644);
    const opening = openSqliteStore(`${directory.path}/${path}`, Date.now);
    await expect(opening).rejects.toThrow(/^Cannot open store ".*": /);
    await expect(opening).rejects.toThrow(reason);
  });
});

describe.skipIf(noSqlite3 !== undefined)(`postsrsd 2's own database ${noSqlite3 ?? ""}`, () => {
  test("is taken over as it is, expired rows apart", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    const inDays = (days: number) => Math.floor(Date.now() / 1000) + days * DAY_SECONDS;
    sqlite3(
      path,
      `CREATE TABLE kv (k TEXT NOT NULL UNIQUE ON CONFLICT REPLACE, v TEXT NOT NULL, lt INTEGER NOT NULL);
       CREATE INDEX ltidx ON kv (lt);
       INSERT INTO kv VALUES ('${ALIAS}@1', 'long.local.part@b.test', ${inDays(3)});
       INSERT INTO kv VALUES ('GONE@1', 'old@b.test', ${inDays(-1)});
       INSERT INTO kv VALUES ('BYTES@1', CAST(x'6be4736540622e74657374' AS TEXT), ${inDays(3)});`,
    );
    const store = await openSqliteStore(path, Date.now);
    expect(await store.get(ALIAS)).toBe("long.local.part@b.test");
    expect(await store.get("GONE")).toBeUndefined();
    expect(await store.get("BYTES")).toBe("k\xe4se@b.test");
    await store.close();
  });

  test("is what it finds when it takes ours over", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    const store = await openSqliteStore(path, Date.now);
    await store.put(ALIAS, "k\xe4se@b.test", 60);
    await store.close();
    expect(sqlite3(path, `SELECT v, typeof(k), typeof(v), typeof(lt) FROM kv WHERE k = '${ALIAS}@1'`)).toBe(
      "k\xe4se@b.test|text|text|integer\n",
    );
  });
});
