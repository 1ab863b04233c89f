/** What keeps results of DMARC, in both kinds: it never delays, and loses nothing that it could have written. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import type { HistoryMessage } from "../../src/dmarc/history.ts";
import { HistoryDatabase } from "../../src/history/database.ts";
import type { History } from "../../src/history/history.ts";
import { openHistory } from "../../src/history/open.ts";
import { parseHistoryPlace } from "../../src/history/place.ts";
import { scratch } from "../helpers/daemon.ts";
import { DAY, historyMessage, NOON_SECONDS } from "./messages.ts";

/** What the hooks told, the newest last. */
const told: string[] = [];
beforeEach(() => {
  told.length = 0;
});

async function open(text: string): Promise<History> {
  const place = parseHistoryPlace(text);
  if (place === undefined) throw new TypeError(`Cannot open "${text}"`);
  return await openHistory(place, {
    onFailed: (problem) => told.push(`failed: ${problem}`),
    onRecovered: (lost) => told.push(`recovered, ${lost} lost`),
  });
}

async function until(isTrue: () => boolean, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`Cannot wait any longer; told: ${told.join(" | ")}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Messages by domain, as a command reads them. */
function kept(path: string, day = DAY): string[] {
  using database = new HistoryDatabase(path, "existing");
  return [
    ...database.policies(day).map(({ policy, messages, kinds }) => `${policy.domain} ${messages} ${kinds}`),
    ...[...database.untold(day)].map(([reason, messages]) => `${reason} ${messages}`),
  ];
}

test.each([
  ["sqlite:/a/b.db", { kind: "sqlite", path: "/a/b.db" }],
  ["sqlite:///a/b.db", { kind: "sqlite", path: "/a/b.db" }],
  ["opendmarc:/var/spool/x", { kind: "opendmarc", path: "/var/spool/x" }],
  ["sqlite:b.db", undefined],
  ["sqlite:/a/", undefined],
  ["sqlite:", undefined],
  ["mysql:/a", undefined],
  ["opendmarc:/a\0b", undefined],
  ["/a/b.db", undefined],
])("The place %j is %j", (text, place) => {
  expect(parseHistoryPlace(text)).toEqual(place);
});

describe("The SQLite history", () => {
  test("counts equal messages of a day, and those that nobody is told of by their reason", async () => {
    using dir = scratch();
    const path = `${dir.path}/h.db`;
    const history = await open(`sqlite:${path}`);
    const messages = await Promise.all([
      historyMessage("a@example.com"),
      historyMessage("b@example.com"),
      historyMessage("a@example.com", { clientAddress: "2001:db8::1" }),
      historyMessage("a@example.net", { senderDomain: "\xff\n" }),
      historyMessage("a@silent.example"),
      historyMessage("a@nowhere.example"),
      historyMessage("a@broken.example"),
      historyMessage(""),
      historyMessage("a@example.com", { isReport: true }),
      historyMessage("a@example.com", { receivedSeconds: NOON_SECONDS + 86_400 }),
    ]);
    for (const message of messages) history.record(message);
    await history.close();
    expect(told).toEqual([]);
    expect(kept(path).sort()).toEqual([
      "example.com 3 2",
      "example.net 1 1",
      "no-author 1",
      "no-policy 1",
      "no-rua 1",
      "report 1",
      "temperror 1",
    ]);
    expect(kept(path, DAY + 1)).toEqual(["example.com 1 1"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    using database = new HistoryDatabase(path, "existing");
    const [policy] = database.policies(DAY);
    expect(policy?.rua).toEqual(["mailto:a@example.com"]);
    expect(policy?.faults).toEqual(['Cannot use tag "x": no tag of DMARC']);
    expect(
      database
        .kinds(policy?.id ?? 0, { rows: 10, bytes: 1e6 }, 0)
        .rows.map(({ count, sourceAddress }) => [count, sourceAddress]),
    ).toEqual([
      [2, "192.0.2.1"],
      [1, "2001:db8::1"],
    ]);
  });

  test("goes on with a file of an earlier run, beside a second daemon", async () => {
    using dir = scratch();
    const path = `${dir.path}/h.db`;
    const message = await historyMessage("a@example.com");
    const first = await open(`sqlite:${path}`);
    first.record(message);
    await first.close();
    const [second, third] = [await open(`sqlite:${path}`), await open(`sqlite:${path}`)];
    for (const history of [second, third, second]) history.record(message);
    await Promise.all([second.close(), third.close()]);
    expect(kept(path)).toEqual(["example.com 4 1"]);
    expect(told).toEqual([]);
  });

  test("waits for a file that another process has locked, blocks nobody, and counts once", {
    timeout: 40_000,
  }, async () => {
    using dir = scratch();
    const path = `${dir.path}/h.db`;
    const history = await open(`sqlite:${path}`);
    const message = await historyMessage("a@example.com");
    history.record(message);
    await until(() => statSync(path, { throwIfNoEntry: false }) !== undefined && kept(path).length === 1);
    const script = `import sqlite3, sys
d = sqlite3.connect(sys.argv[1], isolation_level=None)
d.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
`;
    const lock = spawn("python3", ["-c", script, path], { stdio: ["pipe", "pipe", "inherit"] });
    await new Promise((resolve) => lock.stdout.once("data", resolve));
    for (let i = 0; i < 1000; i++) history.record(message);
    let longestMs = 0;
    let lastMs = performance.now();
    await until(() => {
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
      return told.length > 0;
    });
    expect(told).toEqual(["failed: database is locked"]);
    // SQLite waits for five seconds, in its thread.
    expect(longestMs).toBeLessThan(3_000);
    lock.stdin.end();
    await until(() => told.length > 1);
    await history.close();
    expect(told).toEqual(["failed: database is locked", "recovered, 0 lost"]);
    expect(kept(path)).toEqual(["example.com 1001 1"]);
  });

  test("tells of a damaged file at once, without a message, and goes on when it is gone", {
    timeout: 40_000,
  }, async () => {
    using dir = scratch();
    const path = dir.write("h.db", "no database\n".repeat(1000));
    const history = await open(`sqlite:${path}`);
    await until(() => told.length > 0);
    expect(told).toEqual([`failed: Cannot open history "${path}": file is not a database`]);
    history.record(await historyMessage("a@example.com"));
    rmSync(path);
    await until(() => told.length > 1);
    expect(told[1]).toBe("recovered, 0 lost");
    await history.close();
    expect(kept(path)).toEqual(["example.com 1 1"]);
  });

  test("tells of a file that is damaged in the midst of it, and closes in time", { timeout: 20_000 }, async () => {
    using dir = scratch();
    const path = `${dir.path}/h.db`;
    const before = await open(`sqlite:${path}`);
    for (let i = 0; i < 500; i++) {
      before.record(
        await historyMessage("a@example.com", { clientAddress: `192.0.2.${i % 250}`, senderDomain: `d${i}.example` }),
      );
    }
    await before.close();
    const bytes = readFileSync(path);
    bytes.fill(0xff, 4096);
    writeFileSync(path, bytes);
    const history = await open(`sqlite:${path}`);
    history.record(await historyMessage("a@example.com"));
    await until(() => told.length > 0);
    expect(told[0]).toMatch(/malformed|not a database/);
    const startMs = performance.now();
    await history.close();
    expect(performance.now() - startMs).toBeLessThan(6_000);
  });

  test.each([
    ["a directory", (path: string) => mkdirSync(path), "it is a directory"],
    ["a FIFO", (path: string) => spawnSync("mkfifo", [path]), "not a regular file"],
    ["a database of a later layout", laterLayout, "layout 2, want 1"],
  ])("refuses %s", async (_what, make, problem) => {
    using dir = scratch();
    const path = `${dir.path}/h.db`;
    make(path);
    const history = await open(`sqlite:${path}`);
    await until(() => told.length > 0);
    expect(told).toEqual([`failed: Cannot open history "${path}": ${problem}`]);
    await history.close();
  });

  test("makes a file that was moved away anew", async () => {
    using dir = scratch();
    const path = `${dir.path}/h.db`;
    const message = await historyMessage("a@example.com");
    const history = await open(`sqlite:${path}`);
    history.record(message);
    await until(() => statSync(path, { throwIfNoEntry: false }) !== undefined && kept(path).length === 1);
    for (const end of ["", "-wal", "-shm"]) renameSync(`${path}${end}`, `${dir.path}/old.db${end}`);
    history.record(message);
    await history.close();
    expect(kept(path)).toEqual(["example.com 1 1"]);
    expect(kept(`${dir.path}/old.db`)).toEqual(["example.com 1 1"]);
  });

  test("goes on in a file that was put in its place, without the log of changes of the one before", async () => {
    using dir = scratch();
    const path = `${dir.path}/h.db`;
    const backup = await open(`sqlite:${dir.path}/backup.db`);
    backup.record(await historyMessage("a@example.net"));
    await backup.close();
    const message = await historyMessage("a@example.com");
    const history = await open(`sqlite:${path}`);
    history.record(message);
    await until(() => statSync(path, { throwIfNoEntry: false }) !== undefined && kept(path).length === 1);
    renameSync(path, `${dir.path}/old.db`);
    renameSync(`${dir.path}/backup.db`, path);
    history.record(message);
    await history.close();
    expect(kept(path).sort()).toEqual(["example.com 1 1", "example.net 1 1"]);
    expect(kept(`${dir.path}/old.db`)).toEqual(["example.com 1 1"]);
    expect(told).toEqual([]);
  });
});

function laterLayout(path: string): void {
  const script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA user_version = 2')";
  spawnSync("python3", ["-c", script, path]);
}

describe("The HistoryFile", () => {
  const blocks = (path: string): string[] => readFileSync(path, "utf8").split(/^(?=job )/m);

  test("gets a block for each message, readable for owner and group, and may be moved away", async () => {
    using dir = scratch();
    const path = `${dir.path}/opendmarc.dat`;
    const history = await open(`opendmarc:${path}`);
    const record = (message: HistoryMessage): void => history.record(message);
    record(await historyMessage("a@example.com", { queueId: "A1" }));
    record(await historyMessage("a@broken.example", { queueId: "A2" }));
    record(await historyMessage("a@example.com", { queueId: "A3", isReport: true }));
    record(await historyMessage("a@nowhere.example", { queueId: "A4\nspf 0" }));
    await until(() => statSync(path, { throwIfNoEntry: false })?.size !== undefined);
    await until(() => blocks(path).length === 2);
    expect(statSync(path).mode & 0o777 & ~0o640).toBe(0);
    renameSync(path, `${path}.old`);
    record(await historyMessage("a@example.net", { queueId: "A5" }));
    await history.close();
    expect(blocks(`${path}.old`).map((block) => block.split("\n")[0])).toEqual(["job A1", "job A4?spf?0"]);
    expect(blocks(path).map((block) => block.split("\n")[0])).toEqual(["job A5"]);
    expect(told).toEqual([]);
  });

  test.each([
    ["a FIFO", (path: string) => spawnSync("mkfifo", [path])],
    ["a directory", (path: string) => mkdirSync(path)],
  ])("is no %s", async (_what, make) => {
    using dir = scratch();
    const path = `${dir.path}/history`;
    make(path);
    const history = await open(`opendmarc:${path}`);
    history.record(await historyMessage("a@example.com"));
    await until(() => told.length > 0);
    expect(told[0]).toMatch(new RegExp(`^failed: Cannot write "${path}": `));
    await history.close();
  });

  test.skipIf(process.getuid?.() !== 0)(
    "holds no half block after the disk was full",
    { timeout: 30_000 },
    async () => {
      using dir = scratch();
      const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "postvouch-test", dir.path]);
      expect(mounted.status).toBe(0);
      try {
        const path = `${dir.path}/history`;
        const history = await open(`opendmarc:${path}`);
        const message = await historyMessage("a@example.com");
        for (let i = 0; i < 50; i++) history.record(message);
        await until(() => statSync(path, { throwIfNoEntry: false })?.size !== undefined);
        await until(() => blocks(path).length === 50);
        for (let i = 0; i < 400; i++) history.record(message);
        await until(() => told.length > 0);
        expect(told).toEqual([`failed: Cannot write "${path}": no space left on the disk`]);
        expect(new Set(blocks(path)).size).toBe(1);
        renameSync(path, `${dir.path}/old`);
        rmSync(`${dir.path}/old`);
        spawnSync("mount", ["-o", "remount,size=1m", dir.path]);
        await until(() => told.length > 1);
        expect(blocks(path)).toHaveLength(400);
        await history.close();
      } finally {
        spawnSync("umount", ["-l", dir.path]);
      }
    },
  );
});
