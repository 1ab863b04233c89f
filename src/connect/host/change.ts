/** Plans a change of Postfix's files, and makes it as a whole or not at all. */
import type { Config } from "../../config/parameters.ts";
import { runPostfix } from "../../postfix/run.ts";
import { join } from "../../process/builtins.ts";
import { EXIT, Failure } from "../../process/exit.ts";
import type { Ground } from "../ground.ts";
import { PARTS, type PartName, planParts, suggestedParts, withParts } from "../parts.ts";
import { takeOutFile, takeOutOfMainCf, takeOutOfMasterCf } from "../take-out.ts";
import { findWiring, type Wiring } from "../wiring.ts";
import { reloadPostfix, requireAnswers, requireContent, requireFreePort, requireWayBack } from "./checks.ts";
import { readFacts } from "./facts.ts";
import { FILE_NAMES, type Files, readFiles } from "./files.ts";
import { readSnippets } from "./package-snippets.ts";
import { daemonUser, type Prober } from "./probe.ts";
import { beginReplacing, cancelReplacing, endReplacing, readRecord, type SetupRecord } from "./record.ts";
import { commit, forget, prepare, putBack, replacements } from "./replace.ts";
import { unitSockets } from "./unit-sockets.ts";
import { WorkingCopy } from "./working-copy.ts";

/** What of ours a plan needs. */
export interface Settings {
  readonly config: Config;
  readonly srsDomain: string;
  readonly packageDir: string;
}

export interface Change {
  readonly configDir: string;
  readonly now: Files;
  /** The files without us. */
  readonly before: Files;
  /** The files as they will be. */
  readonly made: Files;
  readonly record: SetupRecord | undefined;
  /** The parts that are in place afterwards. */
  readonly parts: readonly PartName[];
  readonly notes: readonly string[];
  /** `undefined` if nothing of ours stays. */
  readonly wiring: Wiring | undefined;
}

/**
 * The directory of main.cf: that of $MAIL_CONFIG, or of the build.
 *
 * @throws {Failure} when there is no Postfix, or it cannot read its main.cf
 */
export async function findConfigDir(): Promise<string> {
  const run = await runPostfix("postconf", ["-h", "config_directory"], "", {});
  if (run.status === "failed") throw new Failure(EXIT.config, [run.reason]);
  if (run.exitCode === 0) return run.stdout.trim();
  throw new Failure(EXIT.config, [`Cannot read Postfix's configuration: ${run.stderr.trim().replaceAll("\n", "; ")}`]);
}

/**
 * Puts back what a run that was interrupted had begun.
 *
 * @param isWriting false: only tells of it
 * @returns what was put back
 * @throws {Failure} when it cannot be put back, or may not
 */
export async function recover(configDir: string, isWriting: boolean): Promise<string[]> {
  const { pending } = readRecord(configDir);
  if (pending === undefined) return [];
  const names = pending.files.map(({ name }) => name).join(", ");
  const what = `an earlier run was interrupted while it replaced ${names} in "${configDir}"`;
  if (!isWriting) {
    throw new Failure(EXIT.notDone, [
      `${what}, or is still at work; "postvouch setup --undo" puts back what was before`,
    ]);
  }
  putBack(pending);
  cancelReplacing(configDir);
  return [`${what}; the files are put back`];
}

/**
 * Plans to have parts in place, beside those that are.
 *
 * @param named none: those that are in place, else those that the configuration suggests
 * @throws {Failure} naming every problem
 */
export async function planApply(configDir: string, named: readonly PartName[], settings: Settings): Promise<Change> {
  const { now, before, record } = takeOutOurs(configDir);
  return planOnTop({ configDir, now, before, record }, settings, (ground) =>
    named.length > 0 || record === undefined
      ? withParts(record?.parts ?? [], named.length > 0 ? named : suggestedParts(ground))
      : record.parts,
  );
}

/**
 * Plans to take parts out.
 *
 * @param named none: all
 * @throws {Failure} naming every problem
 */
export async function planUndo(
  configDir: string,
  named: readonly PartName[],
  settings: () => Promise<Settings>,
): Promise<Change> {
  const { now, before, record } = takeOutOurs(configDir);
  const inPlace = record?.parts ?? [];
  if (record === undefined) {
    throw new Failure(EXIT.notDone, [`Cannot undo: nothing in "${configDir}" was put in by postvouch setup`]);
  }
  const absent = named.filter((name) => !inPlace.includes(name));
  if (absent.length > 0) {
    throw new Failure(EXIT.notDone, [`Cannot undo ${absent.join(", ")}: in place are ${inPlace.join(", ")}`]);
  }
  const left = named.length === 0 ? [] : inPlace.filter((name) => !named.includes(name));
  const gone = inPlace.filter((name) => !left.includes(name));
  const change = { configDir, now, before, record };
  if (left.length > 0) return planOnTop(change, await settings(), () => left);
  return { ...change, made: before, parts: [], notes: notesOfUndo(gone), wiring: undefined };
}

function notesOfUndo(gone: readonly PartName[]): string[] {
  if (!gone.some((name) => PARTS[name].group === "srs") || gone.includes("bounces-only")) return [];
  return [
    'bounces to addresses that were signed in the last 22 days no longer come back through us; "postvouch setup bounces-only --apply" lets them in',
  ];
}

type Start = Pick<Change, "configDir" | "now" | "before" | "record">;

/** @throws {Failure} naming the lines of ours that were edited */
function takeOutOurs(configDir: string): Omit<Start, "configDir"> {
  const now = readFiles(configDir);
  const { record } = readRecord(configDir);
  if (record === undefined) return { now, before: now, record };
  const versions = (name: (typeof FILE_NAMES)[number]) => ({
    before: record.before[name],
    made: record.made[name],
    now: now[name],
  });
  const taken = {
    "main.cf": takeOutOfMainCf(versions("main.cf")),
    "master.cf": takeOutOfMasterCf(versions("master.cf")),
    "srs-recipients.regexp": takeOutFile(versions("srs-recipients.regexp"), "srs-recipients.regexp"),
  };
  const before: Record<string, string | undefined> = {};
  const conflicts: string[] = [];
  for (const name of FILE_NAMES) {
    const result = taken[name];
    if (result.status === "merged") before[name] = result.text;
    else conflicts.push(...result.keys.map((key) => conflict(join(configDir, name), name, key)));
  }
  if (conflicts.length > 0) throw new Failure(EXIT.notDone, conflicts);
  return { now, before: before as unknown as Files, record };
}

function conflict(path: string, name: string, key: string): string {
  const what = key === name ? "it" : key.startsWith("#") ? `the line "${key}"` : key;
  return `Cannot take our lines out of "${path}": ${what} was edited since; make it as setup wrote it, or remove it, and try again`;
}

async function planOnTop(
  start: Start,
  { config, srsDomain, packageDir }: Settings,
  chooseParts: (ground: Ground) => readonly PartName[],
): Promise<Change> {
  using copy = new WorkingCopy(start.before, start.configDir);
  const facts = await readFacts(copy, [srsDomain.toLowerCase(), ...config["srs.former_domains"]]);
  const wiring = findWiring(config, srsDomain, facts, unitSockets());
  const ground = { facts, wiring, snippets: readSnippets(packageDir) };
  const parts = chooseParts(ground);
  if (parts.length === 0) {
    throw new Failure(EXIT.config, [
      "Cannot connect Postfix: every listener is off; want an endpoint in tcptable, socketmap or policy",
    ]);
  }
  const plan = planParts(parts, ground);
  if (plan.problems.length > 0) throw new Failure(EXIT.config, plan.problems);
  return { ...start, made: await copy.make(plan), parts, notes: plan.notes, wiring };
}

/**
 * Makes a change, and checks it. On any trouble every byte is put back.
 *
 * @param say is called with what was done
 * @throws {Failure} when it was not made
 */
export async function make(change: Change, say: (sentence: string) => void): Promise<void> {
  const { configDir, now, made, wiring, parts, record } = change;
  const prober = await proberFor(configDir);
  const wasContent = await requireContent(configDir).then(
    () => undefined,
    (error: unknown) => error,
  );
  let signed: string | undefined;
  if (wiring !== undefined) {
    if (wasContent !== undefined) throw asConfigFailure(wasContent);
    signed = await requireAnswers(parts, wiring, prober);
    if (parts.includes("forward-only") && record?.parts.includes("forward-only") !== true)
      await requireFreePort(wiring);
  }
  const files = replacements(configDir, now, made);
  const next = parts.length === 0 ? undefined : { parts, before: change.before, made };
  using _ = ignoringSignals();
  prepare(files);
  try {
    beginReplacing(configDir, record, next, { files });
  } catch (error) {
    forget(files);
    throw error;
  }
  let isReloading = false;
  try {
    commit(files);
    if (wasContent === undefined) await requireContent(configDir);
    if (signed !== undefined) await requireWayBack(made["main.cf"] ?? "", signed, prober);
    isReloading = true;
    const state = await reloadPostfix(configDir);
    say(
      state === "reloaded"
        ? "Postfix has read its files again"
        : "Postfix is not running; it reads its files when it starts",
    );
  } catch (error) {
    putBack({ files });
    cancelReplacing(configDir);
    if (isReloading) await reloadPostfix(configDir).catch(() => {});
    throw withLine(error, `nothing is changed: ${files.map(({ name }) => name).join(", ")} are as before`);
  }
  endReplacing(configDir);
  forget(files);
}

async function proberFor(configDir: string): Promise<Prober> {
  const ask = async (name: string): Promise<string> => {
    const run = await runPostfix("postconf", ["-xh", name], "", { configDir });
    return run.status === "ran" ? run.stdout.trim() : "";
  };
  const [queueDirectory, owner] = await Promise.all([ask("queue_directory"), ask("mail_owner")]);
  return { postfix: { configDir }, queueDirectory, daemonUser: await daemonUser(owner) };
}

function asConfigFailure(error: unknown): unknown {
  if (!(error instanceof Failure)) return error;
  return new Failure(EXIT.config, [`Cannot change a Postfix that is not content already: ${error.lines.join("; ")}`], {
    cause: error,
  });
}

function withLine(error: unknown, line: string): unknown {
  return error instanceof Failure ? new Failure(error.exitCode, [...error.lines, line], { cause: error }) : error;
}

/** Ctrl-C and the like wait until all files are replaced, or put back. */
function ignoringSignals(): Disposable {
  const ignore = (): void => {};
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, ignore);
  return {
    [Symbol.dispose]: () => {
      for (const name of names) process.off(name, ignore);
    },
  };
}
