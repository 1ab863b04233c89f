/** setup's files are those of before, or those of after, whatever fails and wherever it is killed. */
import { appendFileSync, chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Change } from "../../src/connect/host/change.ts";
import { filesBetween } from "../../src/connect/host/drain.ts";
import { beginReplacing, endReplacing } from "../../src/connect/host/record.ts";
import { commit, prepare, replacements } from "../../src/connect/host/replace.ts";
import { recover, replaceFiles, takingBack } from "../../src/connect/host/transaction.ts";
import { EXIT, Failure } from "../../src/process/exit.ts";
import { postfixConfig, settleConfig, type TemporaryDirectory } from "../helpers/postfix-config.ts";
import { missingRoot } from "../helpers/postfix-server.ts";
import { requirePrograms, runProgram, skipReason } from "../helpers/requires.ts";
import { apply, everything, put, undo } from "./planning.ts";

const missing = requirePrograms("postconf", "mount") ?? missingRoot();
const noDisk = missing ?? missingMount();

/** A main.cf with a classic sender map. */
const CANONICAL = "mydestination =\nmyhostname = mail.example.org\nsender_canonical_maps = tcp:127.0.0.1:10001\n";

/** The part after which a run is killed. */
const STEPS = ["prepare", "begin", "one file", "two files", "all files", "end"] as const;

/** Goes as far as a step, as a run does that is killed then. */
function killedAt(
  step: (typeof STEPS)[number],
  { configDir, now, made, record, parts, before, silentMilters }: Change,
): void {
  const files = replacements(configDir, now, made);
  const next = parts.length === 0 ? undefined : { parts, before, made, silentMilters };
  prepare(files);
  if (step === "prepare") return;
  beginReplacing(configDir, record, next, { files });
  if (step === "begin") return;
  commit(files.slice(0, { "one file": 1, "two files": 2 }[step as string] ?? files.length));
  if (step === "end") endReplacing(configDir);
}

describe.skipIf(missing !== undefined)(`replacing Postfix's files ${missing ?? ""}`, { timeout: 60_000 }, () => {
  let files: TemporaryDirectory;
  let before: string[];
  let planned: Change;
  let undone: Change;
  let after: string[];

  const reset = (texts: readonly string[]): void => {
    for (const name of readdirSync(files.path)) runProgram("rm", [join(files.path, name)]);
    for (const text of texts) {
      const [name = ""] = text.split(" ", 1);
      writeFileSync(join(files.path, name), text.slice(name.length + 1), "latin1");
    }
  };

  beforeAll(async () => {
    files = postfixConfig("relayhost = x.test\n");
    files.write("master.cf", "smtp inet n - y - - smtpd\n");
    before = everything(files.path);
    planned = await put(apply(files.path, ["forward-only", "policy"]));
    after = everything(files.path);
    undone = await undo(files.path);
  });
  afterAll(() => files?.[Symbol.dispose]());

  describe.each([
    ["--apply", () => ({ change: planned, from: before, to: after })],
    ["--undo", () => ({ change: undone, from: after, to: before })],
  ] as const)("for %s", (_, situation) => {
    test.each(STEPS)("and killed after the step: %s", async (step) => {
      const { change, from, to } = situation();
      reset(from);
      killedAt(step, change);
      const isBegun = step !== "prepare" && step !== "end";
      if (isBegun)
        await expect(recover(files.path, false)).rejects.toThrow(/was interrupted .*"postvouch setup --undo"/);
      const said = await recover(files.path, true);
      expect(said ?? "").toMatch(isBegun ? /interrupted while it replaced .*main\.cf.*; the files are put back/ : /^$/);
      const visible = (texts: readonly string[]): string[] =>
        texts.filter((text) => !/^\S*(?:postvouch-(?:old|new)|json\.\w+) /.test(text));
      expect(visible(everything(files.path))).toEqual(visible(step === "end" ? to : from));
      if (step === "end") return;
      // What was left lying does not get in the way, and goes.
      await replaceFiles(change, change.parts.length === 0 ? undefined : change, async () => {});
      expect(everything(files.path)).toEqual(to);
    });

    test("and a check that fails", async () => {
      const { change, from } = situation();
      reset(from);
      const inode = statSync(join(files.path, "main.cf")).ino;
      const check = async (): Promise<void> => {
        expect(readFileSync(join(files.path, "main.cf"), "latin1")).toBe(change.made["main.cf"]);
        throw new Error("no");
      };
      await expect(replaceFiles(change, change, check)).rejects.toThrow("no");
      expect(everything(files.path)).toEqual(from);
      expect(statSync(join(files.path, "main.cf")).ino).toBe(inode);
    });

    test("and a file that was edited while it was killed", async () => {
      const { change, from } = situation();
      reset(from);
      killedAt("two files", change);
      appendFileSync(join(files.path, "main.cf"), "relayhost = y.test\n");
      const edited = readFileSync(join(files.path, "main.cf"), "latin1");
      await expect(recover(files.path, true)).rejects.toThrow(/Cannot put back ".*main\.cf": it was edited meanwhile/);
      expect(readFileSync(join(files.path, "main.cf"), "latin1")).toBe(edited);
    });

    test("and the old link gone", async () => {
      const { change, from } = situation();
      reset(from);
      killedAt("all files", change);
      runProgram("sh", ["-c", `rm -f ${files.path}/*.postvouch-old`]);
      await recover(files.path, true);
      expect(everything(files.path)).toEqual(from);
    });

    test.skipIf(noDisk !== undefined)(`and a disk that gets full at any point ${noDisk ?? ""}`, async () => {
      const { change, from, to } = situation();
      using disk = tmpfs("160k");
      const onDisk: Change = { ...change, configDir: disk.path };
      const outcomes: string[] = [];
      for (let freePages = 0; freePages <= 14; freePages += 1) {
        disk.fill(from, freePages);
        const outcome = await replaceFiles(onDisk, change.parts.length === 0 ? undefined : change, async () => {}).then(
          () => "done",
          (error: unknown) => String(error),
        );
        outcomes.push(outcome);
        const left = everything(disk.path).filter((text) => !text.startsWith("fill "));
        expect([freePages, left]).toEqual([freePages, outcome === "done" ? to : from]);
      }
      expect(outcomes[0]).toMatch(/Cannot write ".*": no space left on the disk/);
      expect(outcomes.at(-1)).toBe("done");
    });
  });

  describe.skipIf(noDisk !== undefined)(`in two steps ${noDisk ?? ""}`, () => {
    /** Makes the first step on a disk, and fails at the second. */
    const failAtSecond = async (disk: Disk, isFull: boolean): Promise<{ readonly lines: readonly string[] }> => {
      disk.fill([`main.cf ${CANONICAL}`, "master.cf smtp inet n - y - - smtpd\n"], 30);
      const change = await apply(disk.path, ["forward-only"]);
      const made = (await filesBetween(disk.path, change.now, change.made))?.files ?? change.now;
      const first = { ...change, made };
      const between = { ...change, made };
      await replaceFiles(first, between, async () => {});
      settleConfig(disk.path);
      if (isFull) disk.fillUp();
      const second = { ...change, now: made, record: between };
      const fail = async (): Promise<void> => {
        throw new Failure(EXIT.notDone, ["no"]);
      };
      return takingBack(first, between, () => replaceFiles(second, change, fail)).then(
        () => ({ lines: [] }),
        (error: Failure) => error,
      );
    };
    const filesOf = (disk: Disk): string[] => everything(disk.path).filter((text) => !text.startsWith("fill"));

    test("the first is taken back with the second", async () => {
      using disk = tmpfs("400k");
      expect((await failAtSecond(disk, false)).lines[0]).toBe("no");
      expect(filesOf(disk)).toEqual([`main.cf ${CANONICAL}`, "master.cf smtp inet n - y - - smtpd\n"]);
    });

    test.each(["--apply", "--undo"])("a full disk leaves the first, and %s goes on", async (how) => {
      using disk = tmpfs("400k");
      const { lines } = await failAtSecond(disk, true);
      expect(lines[0]).toMatch(/^Cannot write ".*": no space left on the disk/);
      expect(lines.at(-1)).toMatch(/^the first of two steps is in place: .* the same command again goes on/);
      expect(lines.join("\n")).not.toContain("nothing is changed");
      runProgram("sh", ["-c", `rm ${disk.path}/fill*`]);
      await put(how === "--undo" ? undo(disk.path) : apply(disk.path, ["forward-only"]));
      const mainCf = readFileSync(join(disk.path, "main.cf"), "latin1");
      if (how === "--undo") expect(mainCf).toBe(CANONICAL);
      else expect(mainCf).not.toMatch(/^sender_canonical_maps/m);
      expect(mainCf.includes(":forward-transport")).toBe(how === "--apply");
    });
  });

  test("keeps owner and mode", async () => {
    reset(before);
    const path = join(files.path, "main.cf");
    chmodSync(path, 0o640);
    runProgram("chown", ["1:2", path]);
    await replaceFiles(planned, planned, async () => {});
    const { mode, uid, gid } = statSync(path);
    expect({ mode: mode & 0o777, uid, gid }).toEqual({ mode: 0o640, uid: 1, gid: 2 });
  });

  test("refuses a record that it did not write", async () => {
    reset(before);
    files.write("postvouch-setup.json", '{"version": 2}');
    await expect(apply(files.path, ["classic"])).rejects.toThrow(
      /Cannot read ".*postvouch-setup\.json": it is not what setup wrote: got version 2, want 1/,
    );
  });
});

/** Why no small disk can be made here, such as in a container. */
function missingMount(): string | undefined {
  try {
    tmpfs("4k")[Symbol.dispose]();
    return undefined;
  } catch {
    return skipReason("Cannot run: want the right to mount a tmpfs");
  }
}

interface Disk extends Disposable {
  readonly path: string;
  /** Writes files, and then fills the disk up to a number of free pages. */
  fill(texts: readonly string[], freePages: number): void;
  /** Leaves no page free. */
  fillUp(): void;
}

const PAGE = 4096;

function tmpfs(size: string): Disk {
  const directory = postfixConfig("");
  runProgram("mount", ["-t", "tmpfs", "-o", `size=${size}`, "none", directory.path]);
  return {
    path: directory.path,
    fill(texts, freePages) {
      for (const name of readdirSync(directory.path)) runProgram("rm", [join(directory.path, name)]);
      for (const text of texts) {
        const [name = ""] = text.split(" ", 1);
        writeFileSync(join(directory.path, name), text.slice(name.length + 1), "latin1");
      }
      const free = Number(runProgram("stat", ["-f", "-c", "%f", directory.path]));
      writeFileSync(join(directory.path, "fill"), Buffer.alloc(Math.max(0, free - freePages) * PAGE));
    },
    fillUp() {
      const free = Number(runProgram("stat", ["-f", "-c", "%f", directory.path]));
      writeFileSync(join(directory.path, "fill-up"), Buffer.alloc(free * PAGE));
    },
    [Symbol.dispose]() {
      runProgram("umount", [directory.path]);
      directory[Symbol.dispose]();
    },
  };
}
