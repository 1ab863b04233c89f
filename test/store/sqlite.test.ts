import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import type { AddressStore } from "../../src/srs/seams.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { freePorts, Peer, RunningDaemon, scratch } from "../helpers/daemon.ts";
import { temporaryDirectory } from "../helpers/postfix-config.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";

const DAY_SECONDS = 86_400;
const ALIAS = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
const noSqlite3 = requirePrograms("sqlite3");

/** What a store told by its hooks, the newest last. */
const told: string[] = [];

beforeEach(() => {
  told.length = 0;
});

function openStore(path: string, timeMs: () => number = Date.now): Promise<AddressStore> {
  const hooks = {
    onFailed: (reason: string) => told.push(`failed: ${reason}`),
    onRecovered: () => told.push("recovered"),
    onLost: (problem: string) => told.push(`lost: ${problem}`),
  };
  return openSqliteStore(path, hooks, timeMs);
}

/** Runs SQL in a process of its own, with a program of another make. */
function sqlite3(path: string, sql: string): string {
  return runProgram("sqlite3", [path, sql]);
}

interface Lock extends Disposable {
  release(): void;
}

/** Another process that writes to the file and does not come to an end. */
async function locked(path: string): Promise<Lock> {
  const script = `import sqlite3, sys
d = sqlite3.connect(sys.argv[1], isolation_level=None)
d.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
`;
  const child = spawn("python3", ["-c", script, path], { stdio: ["pipe", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return { release: () => child.stdin.end(), [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

/** A closed store that has the address backup@b.test of the key A. */
async function makeBackup(path: string): Promise<void> {
  const backup = await openStore(path);
  await backup.put("A", "backup@b.test", 60);
  await backup.close();
}

function removeAll(path: string): void {
  for (const name of [path, `${path}-wal`, `${path}-shm`]) rmSync(name, { force: true });
}

function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

describe("the SQLite store", () => {
  test("gives back what it was given, by whatever bytes", async () => {
    using directory = temporaryDirectory();
    const store = await openStore(`${directory.path}/a.db`);
    const address = Array.from({ length: 255 }, (_, code) => String.fromCharCode(code + 1)).join("");
    await store.put(ALIAS, address, 60);
    expect(await store.get(ALIAS)).toBe(address);
    expect(await store.get(ALIAS.replace("0", "1"))).toBeUndefined();
    await store.close();
  });

  test("keeps it over a restart and shows it to a second daemon at once", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    const [first, second] = [await openStore(path), await openStore(path)];
    await first.put(ALIAS, "a@b.test", 60);
    expect(await second.get(ALIAS)).toBe("a@b.test");
    await Promise.all([first.put(ALIAS, "c@b.test", 60), second.put(ALIAS.toLowerCase(), "d@b.test", 60)]);
    await first.close();
    await second.close();
    const third = await openStore(path);
    expect([await third.get(ALIAS), await third.get(ALIAS.toLowerCase())]).toEqual(["c@b.test", "d@b.test"]);
    await third.close();
  });

  test("keeps what came in just before it closed", async () => {
    using directory = temporaryDirectory();
    const store = await openStore(`${directory.path}/a.db`);
    const written = store.put(ALIAS, "a@b.test", 60);
    await Promise.resolve();
    await store.close();
    await written;
    const again = await openStore(`${directory.path}/a.db`);
    expect(await again.get(ALIAS)).toBe("a@b.test");
    await again.close();
  });

  test("forgets an address when its time is over, and not before; a second put renews it", async () => {
    using directory = temporaryDirectory();
    let nowSeconds = 1_700_000_000;
    const store = await openStore(`${directory.path}/a.db`, () => nowSeconds * 1000);
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
    const store = await openStore(path, () => nowMs);
    await Promise.all(Array.from({ length: 1200 }, (_, index) => store.put(`OLD${index}`, "a@b.test", 60)));
    await store.put("NEW", "a@b.test", 22 * DAY_SECONDS);
    await store.close();
    nowMs += DAY_SECONDS * 1000;
    const again = await openStore(path, () => nowMs);
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
    const store = await openStore(path);
    using other = await locked(path);
    await expect(store.put("A", "a@b.test", 60)).rejects.toThrow("Cannot store address: database is locked");
    await expect(store.put("B", "b@b.test", 60)).rejects.toThrow("Cannot store address: database is locked");
    expect(told).toEqual(["failed: database is locked"]);
    other.release();
    await store.put("A", "a@b.test", 60);
    expect(await store.get("A")).toBe("a@b.test");
    expect(told).toEqual(["failed: database is locked", "recovered"]);
    await store.close();
  });

  test("while another process holds the file, nobody else waits, and a write goes on when it is let go", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    const store = await openStore(path);
    await store.put("KEPT", "kept@b.test", 60);
    using other = await locked(path);
    const waiting = store.put("A", "a@b.test", 60);
    let longestMs = 0;
    let lastMs = performance.now();
    const ticking = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 1);
    const startedMs = performance.now();
    expect(await store.get("KEPT")).toBe("kept@b.test");
    await store.put("KEPT", "kept@b.test", 60);
    expect(performance.now() - startedMs).toBeLessThan(400);
    await new Promise((resolve) => setTimeout(resolve, 500));
    clearInterval(ticking);
    expect(longestMs).toBeLessThan(150);
    other.release();
    await waiting;
    expect(await store.get("A")).toBe("a@b.test");
    expect(told).toEqual([]);
    await store.close();
  });

  test.each([
    { name: "removed", change: (path: string) => removeAll(path) },
    { name: "removed without its log", change: (path: string) => rmSync(path) },
    { name: "moved away", change: (path: string) => renameSync(path, `${path}.old`) },
    { name: "replaced by an empty one", change: (path: string) => replace(path, "") },
  ])("opens the file anew when it is $name, and says so", async ({ change }) => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    const store = await openStore(path);
    await store.put("OLD", "old@b.test", 60);
    change(path);
    await store.put("NEW", "new@b.test", 60);
    expect(told).toEqual([`lost: "${path}" was removed or replaced: what it held is gone`]);
    expect([await store.get("OLD"), await store.get("NEW")]).toEqual([undefined, "new@b.test"]);
    expect(told).toHaveLength(1);
    await store.close();
    const again = await openStore(path);
    expect(await again.get("NEW")).toBe("new@b.test");
    await again.close();
  });

  test("loses nothing when the log of changes alone is removed", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    const store = await openStore(path);
    await store.put("OLD", "old@b.test", 60);
    rmSync(`${path}-wal`);
    rmSync(`${path}-shm`);
    await store.put("NEW", "new@b.test", 60);
    expect([await store.get("OLD"), await store.get("NEW")]).toEqual(["old@b.test", "new@b.test"]);
    expect(told).toEqual([]);
    await store.close();
    const again = await openStore(path);
    expect([await again.get("OLD"), await again.get("NEW")]).toEqual(["old@b.test", "new@b.test"]);
    await again.close();
  });

  test("reads what a file holds that was put in its place", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    await makeBackup(`${directory.path}/backup.db`);
    const store = await openStore(path);
    await store.put("A", "a@b.test", 60);
    removeAll(path);
    renameSync(`${directory.path}/backup.db`, path);
    expect(await store.get("A")).toBe("backup@b.test");
    await store.close();
  });

  test("reads a file that was put in its place alone, not the log of changes of the one before", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    await makeBackup(`${directory.path}/backup.db`);
    const store = await openStore(path);
    const keys = Array.from({ length: 500 }, (_, i) => `KEY${i}`);
    await Promise.all(["A", ...keys].map((key) => store.put(key, "a@b.test", 60)));
    renameSync(`${directory.path}/backup.db`, path);
    expect(await store.get("A")).toBe("backup@b.test");
    await store.put("NEW", "new@b.test", 60);
    expect(await Promise.all(keys.map((key) => store.get(key)))).toEqual(keys.map(() => undefined));
    await store.close();
    const again = await openStore(path);
    expect([await again.get("A"), await again.get("NEW")]).toEqual(["backup@b.test", "new@b.test"]);
    await again.close();
    expect(told).toEqual([`lost: "${path}" was removed or replaced: what it held is gone`]);
  });

  test("leaves all that it held in a file that was moved away", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    const store = await openStore(path);
    await store.put("OLD", "old@b.test", 60);
    renameSync(path, `${path}.old`);
    expect(await store.get("OLD")).toBeUndefined();
    renameSync(`${path}.old`, path);
    expect(await store.get("OLD")).toBe("old@b.test");
    await store.close();
  });

  test("rejects while its directory is gone, and goes on when it is back", async () => {
    using directory = temporaryDirectory();
    mkdirSync(`${directory.path}/state`);
    const path = `${directory.path}/state/a.db`;
    const store = await openStore(path);
    rmSync(`${directory.path}/state`, { recursive: true });
    await expect(store.put("A", "a@b.test", 60)).rejects.toThrow(/^Cannot store address: ENOENT/);
    await expect(store.get("A")).rejects.toThrow(/^Cannot read address: ENOENT/);
    mkdirSync(`${directory.path}/state`);
    await store.put("A", "a@b.test", 60);
    expect(await store.get("A")).toBe("a@b.test");
    expect(told).toEqual([
      `lost: "${path}" was removed or replaced: what it held is gone`,
      expect.stringMatching(/^failed: ENOENT/),
      "recovered",
    ]);
    await store.close();
  });

  test("leaves no thread, timer or descriptor behind", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    await (await openStore(path)).close();
    const before = readdirSync("/proc/self/fd").length;
    for (let i = 0; i < 5; i += 1) {
      const store = await openStore(path);
      await store.put("A", "a@b.test", 60);
      await store.close();
      await expect(openStore(directory.path)).rejects.toThrow("it is a directory");
    }
    expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
    expect(process.getActiveResourcesInfo()).not.toContain("MessagePort");
  });

  test("opens or says why not, however few descriptors are left", () => {
    using directory = temporaryDirectory();
    const script = `import { closeSync, openSync } from "node:fs";
import { openSqliteStore } from "${new URL("../../src/store/sqlite.ts", import.meta.url).href}";
const hooks = { onFailed() {}, onRecovered() {}, onLost() {} };
const open = () => openSqliteStore("${directory.path}/a.db", hooks, Date.now);
await (await open()).close();
const filled = [];
try {
  for (;;) filled.push(openSync("/dev/null"));
} catch {}
let refused = 0;
for (let left = 0; left < 16; left++) {
  try {
    await (await open()).close();
  } catch (error) {
    if (!error.message.startsWith('Cannot open store "${directory.path}/a.db": ')) throw error;
    refused++;
  }
  closeSync(filled.pop());
}
await (await open()).close();
console.log(refused > 0 && refused < 16);
`;
    writeFileSync(`${directory.path}/few.mjs`, script);
    const inFew = 'ulimit -n 100; exec "$0" "$1"';
    expect(runProgram("sh", ["-c", inFew, process.execPath, `${directory.path}/few.mjs`])).toBe("true\n");
  });

  test("makes a file that nobody else can read", async () => {
    using directory = temporaryDirectory();
    const store = await openStore(`${directory.path}/a.db`);
    await store.put("A", "a@b.test", 60);
    expect(statSync(`${directory.path}/a.db`).mode & 0o777).toBe(0o600);
    expect(statSync(`${directory.path}/a.db-wal`).mode & 0o777).toBe(0o600);
    await store.close();
  });

  test.each([
    { name: "a directory that is not there", path: "none/a.db", reason: "its directory does not exist" },
    { name: "a directory", path: "", reason: "it is a directory" },
    { name: "a FIFO, without waiting for its reader", path: "fifo", reason: "not a regular file" },
    { name: "a device", path: "zero", reason: "not a regular file" },
    { name: "a file of another kind", path: "main.cf", reason: "not a database" },
  ])("refuses $name", async ({ path, reason }) => {
    using directory = temporaryDirectory();
    directory.write("main.cf", `# ${"x".repeat(8192)}`);
    chmodSync(`${directory.path}/main.cf`, 0o644);
    runProgram("mkfifo", [`${directory.path}/fifo`]);
    symlinkSync("/dev/zero", `${directory.path}/zero`);
    const opening = openStore(`${directory.path}/${path}`);
    await expect(opening).rejects.toThrow(/^Cannot open store ".*": /);
    await expect(opening).rejects.toThrow(reason);
  });
});

test.skipIf(noSqlite3 !== undefined)("A database of another program is refused by what is wrong with it", async () => {
  using directory = temporaryDirectory();
  const path = `${directory.path}/a.db`;
  sqlite3(path, "CREATE TABLE kv (k TEXT, value TEXT)");
  await expect(openStore(path)).rejects.toThrow(
    `Cannot open store "${path}": it is a database of another program (no such column: lt), want an empty one or postsrsd's`,
  );
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
    const store = await openStore(path);
    expect(await store.get(ALIAS)).toBe("long.local.part@b.test");
    expect(await store.get("GONE")).toBeUndefined();
    expect(await store.get("BYTES")).toBe("k\xe4se@b.test");
    await store.close();
  });

  test("is what it finds when it takes ours over", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/a.db`;
    const store = await openStore(path);
    await store.put(ALIAS, "k\xe4se@b.test", 60);
    await store.close();
    expect(sqlite3(path, `SELECT v, typeof(k), typeof(v), typeof(lt) FROM kv WHERE k = '${ALIAS}@1'`)).toBe(
      "k\xe4se@b.test|text|text|integer\n",
    );
  });
});

test("The daemon logs that the file was removed, and the bounce comes back after a restart", async () => {
  using dir = scratch();
  const [forward = 0, reverse = 0] = await freePorts(2);
  const path = `${dir.path}/a.db`;
  dir.write("secrets", "tops3cr3t\n");
  const config = dir.write(
    "p.toml",
    `hostname = "mx.example"
[srs]
domain = "srs.example"
secrets_file = "${dir.path}/secrets"
[srs.store]
url = "sqlite:${path}"
[tcptable]
forward = ["127.0.0.1:${forward}"]
reverse = ["127.0.0.1:${reverse}"]
[socketmap]
listen = []
[policy]
listen = []
[metrics]
listen = []
`,
  );
  const sender = `${"l".repeat(60)}@foreign.example`;
  await using first = new RunningDaemon(["--config", config]);
  await first.said("listening listener=tcptable.reverse");
  removeAll(path);
  using there = new Peer(forward);
  const answer = await there.ask(`get ${sender}\n`);
  expect(answer).toMatch(/^200 SRS0=....=..=1=[0-9A-V]{32}@srs\.example\n$/);
  await first.said(`error store state="lost what it held" problem="\\"${path}\\" was removed or replaced`);
  await first[Symbol.asyncDispose]();
  await using second = new RunningDaemon(["--config", config]);
  await second.said("listening listener=tcptable.reverse");
  using back = new Peer(reverse);
  expect(await back.ask(`get ${answer.slice(4)}`)).toBe(`200 ${sender}\n`);
});
