/** Links at the history's place: those of an admin are followed, those that the service's user planted are not. */
import { chmodSync, lchownSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { HistoryDatabase } from "../../src/history/database.ts";
import { entryOf } from "../../src/history/entry.ts";
import { openHistory } from "../../src/history/open.ts";
import { scratch } from "../helpers/daemon.ts";
import { historyMessage } from "./messages.ts";

const OTHER_UID = 65_534;
const isRoot = process.getuid?.() === 0;

/** A file of the user, which somebody has put a link to in the history's place. */
function linked(dir: string, uid: number | undefined): { path: string; target: string } {
  const [path, target] = [`${dir}/history`, `${dir}/target`];
  writeFileSync(target, "");
  chmodSync(target, 0o600);
  symlinkSync(target, path);
  if (uid !== undefined) lchownSync(path, uid, uid);
  return { path, target };
}

/** What was told of a message that is recorded there. */
async function record(text: "sqlite" | "opendmarc", path: string): Promise<string[]> {
  const told: string[] = [];
  const hooks = { onFailed: (problem: string) => void told.push(problem), onRecovered: () => {} };
  const history = await openHistory({ kind: text, path }, hooks);
  history.record(await historyMessage("a@example.com"));
  await history.close();
  return [...new Set(told)];
}

describe.each(["sqlite", "opendmarc"] as const)("The place of kind %s", (kind) => {
  test("may be a link of the user itself", async () => {
    using dir = scratch();
    const { path, target } = linked(dir.path, undefined);
    expect(await record(kind, path)).toEqual([]);
    expect(statSync(target).size).toBeGreaterThan(0);
  });

  test.skipIf(!isRoot)("may be no link of another user, and nothing is written where it leads", async () => {
    using dir = scratch();
    const { path, target } = linked(dir.path, OTHER_UID);
    const [problem] = await record(kind, path);
    expect(problem).toContain(`"${path}": it is a symbolic link of another user (uid 65534), which is not followed`);
    expect(readFileSync(target, "utf8")).toBe("");
  });
});

test.skipIf(!isRoot)("A command of root follows no link of another user either", () => {
  using dir = scratch();
  const { path, target } = linked(dir.path, OTHER_UID);
  expect(() => new HistoryDatabase(path, "existing")).toThrow("symbolic link of another user");
  expect(readFileSync(target, "utf8")).toBe("");
});

test.each(["-wal", "-shm", "-journal"])("A link in the place of %s of the file is not written through", async (end) => {
  using dir = scratch();
  const [path, target] = [`${dir.path}/h.db`, `${dir.path}/target`];
  writeFileSync(target, "precious");
  symlinkSync(target, `${path}${end}`);
  const entry = entryOf(await historyMessage("a@example.com"));
  try {
    using database = new HistoryDatabase(path, "create");
    database.add([entry]);
  } catch (error) {
    expect(String(error)).toMatch(/^Error: (?:Cannot open history|unable to open|disk I\/O)/);
  }
  expect(readFileSync(target, "utf8")).toBe("precious");
});
