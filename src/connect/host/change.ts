/** Plans a change of Postfix's files, and makes it as a whole or not at all. */
import type { Config } from "../../config/parameters.ts";
import { runPostfix } from "../../postfix/run.ts";
import { join } from "../../process/builtins.ts";
import { EXIT, Failure } from "../../process/exit.ts";
import { serviceUnits } from "../logical-lines.ts";
import { type Found, PARTS, type PartName, planParts, suggestedParts, withParts } from "../parts.ts";
import { parseSecondPass } from "../snippets.ts";
import { missingServices, takeOutFile, takeOutOfMainCf, takeOutOfMasterCf } from "../take-out.ts";
import { findWiring, type Wiring } from "../wiring.ts";
import {
  discontent,
  reloadPostfix,
  requireAnswers,
  requireFreePort,
  requireMilters,
  requireWayBack,
} from "./checks.ts";
import { decidingProcesses, drain, filesBetween, waitForEnd } from "./drain.ts";
import { readFacts } from "./facts.ts";
import { FILE_NAMES, type Files, readFiles } from "./files.ts";
import { OF_THIS_HOST, type Traces } from "./filters.ts";
import { goneMilters, silentOnes } from "./gone-milters.ts";
import { readSnippets } from "./package-snippets.ts";
import { daemonUser, type Prober } from "./probe.ts";
import { readRecord, type SetupRecord } from "./record.ts";
import { ignoringSignals, replaceFiles, takingBack } from "./transaction.ts";
import { unitSockets } from "./unit-sockets.ts";
import { WorkingCopy } from "./working-copy.ts";

/** What of ours a plan needs. */
export interface Settings {
  readonly config: Config;
  readonly srsDomain: string;
  readonly packageDir: string;
  /** Where to look for other milters. Default: on this host. */
  readonly traces?: Traces;
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
  /** The addresses of milters that are taken out, and that did not answer when we came. */
  readonly silentMilters?: readonly string[];
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

/** Tells if something of ours is in place. */
export function isInPlace(configDir: string): boolean {
  return readRecord(configDir).record !== undefined;
}

/**
 * Plans to have parts in place, beside those that are.
 *
 * @param named none: those that are in place, else those that the configuration suggests
 * @throws {Failure} naming every problem
 */
export async function planApply(configDir: string, named: readonly PartName[], settings: Settings): Promise<Change> {
  const { now, before, record } = takeOutOurs(configDir);
  return planOnTop({ configDir, now, before, record }, settings, (found) =>
    named.length > 0 || record === undefined
      ? withParts(record?.parts ?? [], named.length > 0 ? named : suggestedParts(found))
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
  const beforeUs = { mainCf: before["main.cf"] ?? "", masterCf: before["master.cf"] ?? "" };
  const missing = gone.includes("policy")
    ? missingServices(now["main.cf"] ?? "", beforeUs, record.before["master.cf"] ?? "")
    : [];
  if (missing.length > 0) {
    const names = missing.join(", ");
    const line = `Cannot undo policy: main.cf would name ${names} again, and master.cf has no such service any more`;
    throw new Failure(EXIT.notDone, [line]);
  }
  const change = { configDir, now, before, record };
  if (left.length > 0) return planOnTop(change, await settings(), () => left);
  return { ...change, made: before, parts: [], notes: notesOfUndo(gone), wiring: undefined };
}

function notesOfUndo(gone: readonly PartName[]): string[] {
  const unsigned = gone.includes("milter") ? ["mail is neither checked nor signed by our milter any more"] : [];
  if (!gone.some((name) => PARTS[name].group === "srs") || gone.includes("bounces-only")) return unsigned;
  return [
    ...unsigned,
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
  return `Cannot take our lines out of "${path}": ${what} was edited since; make it as setup wrote it, or as it was before, and try again`;
}

async function planOnTop(
  start: Start,
  { config, srsDomain, packageDir, traces = OF_THIS_HOST }: Settings,
  chooseParts: (found: Found) => readonly PartName[],
): Promise<Change> {
  using copy = new WorkingCopy(start.before, start.configDir);
  const facts = await readFacts(
    copy,
    [srsDomain, ...config["srs.former_domains"]].map((domain) => domain.toLowerCase()),
    traces,
  );
  const wiring = findWiring(config, srsDomain, facts, unitSockets());
  const found = { facts, wiring, snippets: readSnippets(packageDir) };
  const parts = chooseParts(found);
  if (parts.length === 0) {
    throw new Failure(EXIT.config, [
      "Cannot connect Postfix: every listener is off; want an endpoint in tcptable, socketmap, policy or milter",
    ]);
  }
  const plan = planParts(parts, found);
  if (plan.problems.length > 0) throw new Failure(EXIT.config, plan.problems);
  const made = await copy.make(plan);
  const { silent, isNew } = await findSilent(start, made, facts.expanded.get("queue_directory") ?? "");
  const notes = isNew.map(
    (address) => `the milter ${address}, which is taken out, does not answer now: --undo will not wait for it either`,
  );
  return { ...start, made, parts, notes: [...plan.notes, ...notes], silentMilters: silent, wiring };
}

/** Those of the milters that are taken out that do not answer. What an earlier run took out was asked then. */
async function findSilent(
  { before, record }: Start,
  made: Files,
  queueDirectory: string,
): Promise<{ readonly silent: readonly string[]; readonly isNew: readonly string[] }> {
  const gone = goneMilters(before, made);
  const past = record === undefined ? [] : goneMilters(record.before, record.made).map(({ address }) => address);
  const fresh = await silentOnes(
    gone.filter(({ address }) => !past.includes(address)),
    queueDirectory,
  );
  const isNew = fresh.map(({ address }) => address);
  const still = (record?.silentMilters ?? []).filter((address) => gone.some((one) => one.address === address));
  return { silent: [...still, ...isNew], isNew };
}

/**
 * Makes a change, and checks it. On any trouble every byte is put back.
 *
 * @param say is called with what was done
 * @throws {Failure} when it was not made
 */
export async function make(change: Change, say: (sentence: string) => void): Promise<void> {
  const { configDir, wiring, parts } = change;
  if (process.getuid?.() !== 0) {
    throw new Failure(EXIT.noPermission, [`Cannot change the files in "${configDir}": no permission; want root`]);
  }
  const prober = await proberFor(configDir);
  const trouble = await discontent(configDir);
  let signed: string | undefined;
  if (wiring !== undefined) {
    if (trouble !== undefined) {
      throw new Failure(EXIT.config, [
        "Cannot change a Postfix with trouble of its own; mend it first",
        ...trouble.lines,
      ]);
    }
    signed = await requireAnswers(parts, wiring, prober);
    if (parts.includes("forward-only") && !hasSecondPass(change, wiring)) await requireFreePort(wiring);
  }
  const silent = change.record?.silentMilters ?? [];
  for (const sentence of await requireMilters(change.now, change.made, prober.queueDirectory, silent)) say(sentence);
  let isReloading = false;
  const reload = async (): Promise<string> => {
    isReloading = true;
    return reloadPostfix(configDir);
  };
  const check = async (): Promise<void> => {
    // A way back is open too where Postfix had trouble before.
    const news = trouble === undefined ? await discontent(configDir) : undefined;
    if (news !== undefined) throw news;
    if (signed !== undefined) await requireWayBack(configDir, signed, prober);
    const isRunning = (await reload()) === "reloaded";
    say(isRunning ? "Postfix has read its files again" : "Postfix is not running; it reads its files when it starts");
  };
  using _ = ignoringSignals();
  try {
    await inSteps(change, prober.queueDirectory, { reload, check }, say);
  } catch (error) {
    if (isReloading) await reloadPostfix(configDir).catch(() => {});
    throw error;
  }
}

/** Makes a change in one step, or in two where a second pass comes or goes while mail flows. */
async function inSteps(
  change: Change,
  queueDirectory: string,
  { reload, check }: { readonly reload: () => Promise<string>; readonly check: () => Promise<void> },
  say: (sentence: string) => void,
): Promise<void> {
  const { configDir, now, before, made, parts, silentMilters, record } = change;
  const next = parts.length === 0 ? undefined : { parts, before, made, silentMilters };
  const between = await filesBetween(configDir, now, made);
  if (between === undefined) return replaceFiles(change, next, check);
  const { files, pass } = between;
  const recordBetween = {
    parts: pass === "comes" ? parts : (record?.parts ?? []),
    before,
    made: files,
    silentMilters: pass === "comes" ? silentMilters : record?.silentMilters,
  };
  const old = decidingProcesses(queueDirectory);
  const first = { ...change, made: files };
  await replaceFiles(first, recordBetween, async () => {
    const trouble = pass === "comes" ? await discontent(configDir) : undefined;
    if (trouble !== undefined) throw trouble;
    await reload();
  });
  await takingBack(first, recordBetween, async () => {
    await waitForEnd(old, queueDirectory);
    const waiting = pass === "comes" ? 0 : await drain(configDir, now["master.cf"] ?? "", Date.now);
    if (waiting > 0) say(`${waiting} messages still wait for the second pass, and leave unrewritten without it`);
    await replaceFiles({ configDir, now: files, made, record: recordBetween }, next, check);
  });
}

/** Tells if Postfix has the port of the second pass already. */
function hasSecondPass({ now }: Change, { forwardTransport }: Wiring): boolean {
  const port = parseSecondPass(forwardTransport)?.port;
  return serviceUnits(now["master.cf"] ?? "").some(
    ({ key }) => key === `${port}/inet` || key.endsWith(`:${port}/inet`),
  );
}

async function proberFor(configDir: string): Promise<Prober> {
  const ask = async (name: string): Promise<string> => {
    const run = await runPostfix("postconf", ["-xh", name], "", { configDir });
    return run.status === "ran" ? run.stdout.trim() : "";
  };
  const [queueDirectory, owner] = await Promise.all([ask("queue_directory"), ask("mail_owner")]);
  return { postfix: { configDir }, queueDirectory, daemonUser: await daemonUser(owner) };
}
