/**
 * Puts a second pass in or takes it out while mail flows. Postfix's programs take a new main.cf over one after the other,
 * so canonical maps and the second pass are both there for a time: mail that one of them has not seen is rewritten by the
 * other, and neither rewrites what the other has.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runPostfix } from "../../postfix/run.ts";
import { parameterUnits, parameterValue, serviceUnits } from "../logical-lines.ts";
import { OF_TRANSPORT, TRANSPORTS } from "../second-pass.ts";
import type { Files } from "./files.ts";
import { WorkingCopy } from "./working-copy.ts";

/** Longest wait, and time between two looks, in milliseconds. */
const DRAIN_MS = 30_000;
const LOOK_MS = 250;

const SENDERS = "sender_canonical_maps";

/** Parameters of main.cf by name, the last of each. */
function parametersOf(mainCf: string | undefined): Map<string, string> {
  return new Map(parameterUnits(mainCf ?? "").map(({ key, text }) => [key, parameterValue(text)]));
}

/** The files for the time between, and which way it goes. */
export interface Between {
  readonly files: Files;
  readonly pass: "comes" | "goes";
}

/**
 * Finds the files for the time between.
 *
 * @returns `undefined` if no second pass comes or goes, or nothing else rewrites
 */
export async function filesBetween(configDir: string, now: Files, made: Files): Promise<Between | undefined> {
  const [present, future] = [parametersOf(now["main.cf"]), parametersOf(made["main.cf"])];
  const hasPass = (parameters: ReadonlyMap<string, string>): boolean =>
    (parameters.get(TRANSPORTS) ?? "").includes(":forward-transport");
  if (hasPass(present) === hasPass(future) || present.get(SENDERS) === future.get(SENDERS)) return undefined;
  const pass = hasPass(future) ? "comes" : "goes";
  const rewriting = pass === "comes" ? present : future;
  if ((rewriting.get(SENDERS) ?? "") === "") return undefined;
  const isKept = (name: string): boolean =>
    pass === "comes" ? OF_SENDERS.test(name) : name === TRANSPORTS || OF_TRANSPORT.test(name);
  const masterCf = (pass === "comes" ? made : now)["master.cf"];
  using copy = new WorkingCopy({ ...made, "master.cf": masterCf }, configDir);
  const kept = [...present].filter(([name]) => isKept(name));
  const files = await copy.edit(kept.map(([name, value]) => ({ type: "set", name, value })));
  return { files, pass };
}

const OF_SENDERS = /^sender_canonical_(?:maps|classes)$/;

/** Programs that take a message in and decide about it. */
const DECIDING = /^(?:cleanup|qmgr|trivial-rewrite)$/;

/** The process ids of the programs that have read main.cf as it is. None where the system does not show them. */
export function decidingProcesses(queueDirectory: string): string[] {
  try {
    const master = readFileSync(join(queueDirectory, "pid/master.pid"), "latin1").trim();
    const children = readFileSync(`/proc/${master}/task/${master}/children`, "latin1").split(" ").filter(Boolean);
    return children.filter((pid) => DECIDING.test(nameOf(pid)));
  } catch {
    return [];
  }
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "latin1").trim();
  } catch {
    return "";
  }
}

/** Waits until those programs have ended, each after the message that it was at. */
export async function waitForEnd(pids: readonly string[], queueDirectory: string): Promise<void> {
  const endMs = performance.now() + DRAIN_MS;
  const areThere = (): boolean => decidingProcesses(queueDirectory).some((pid) => pids.includes(pid));
  while (areThere() && performance.now() < endMs) await sleep(LOOK_MS);
}

interface Queued {
  readonly queue_name: string;
  readonly queue_id: string;
  readonly arrival_time: number;
  readonly sender: string;
  readonly recipients: readonly { readonly delay_reason?: string }[];
}

/** Reasons of a delay: the map that leads to the second pass does not answer, or the second pass is not there. */
const NO_PASS = "address resolver failure|mail transport unavailable";

function delaysOfPass(masterCf: string): RegExp {
  const second = serviceUnits(masterCf).find(({ key, text }) => key.endsWith("/inet") && text.includes("=srs-cleanup"));
  const port = /(\d+)\/inet$/.exec(second?.key ?? "")?.[1];
  return new RegExp(port === undefined ? NO_PASS : `${NO_PASS}|\\]:${port}:`);
}

/**
 * Waits until the mail that came in before has gone through the second pass, and has what waits for it tried again.
 *
 * @param masterCf with the second pass
 * @returns the number of messages that still wait for it
 */
export async function drain(configDir: string, masterCf: string, timeMs: () => number): Promise<number> {
  const startMs = timeMs();
  const delays = delaysOfPass(masterCf);
  const waitsForPass = ({ queue_name, recipients }: Queued): boolean =>
    queue_name === "deferred" && recipients.some(({ delay_reason }) => delays.test(delay_reason ?? ""));
  for (const { queue_id } of (await readQueue(configDir)).filter(waitsForPass)) {
    await runPostfix("postqueue", ["-i", queue_id], "", { configDir });
  }
  for (;;) {
    const queue = await readQueue(configDir);
    const isUnderWay = ({ queue_name, arrival_time, sender }: Queued): boolean =>
      queue_name !== "deferred" &&
      queue_name !== "hold" &&
      arrival_time * 1000 <= startMs &&
      !/^(?:"?srs[01]|$)/i.test(sender);
    if (!queue.some(isUnderWay) || timeMs() - startMs > DRAIN_MS) return queue.filter(waitsForPass).length;
    await sleep(LOOK_MS);
  }
}

/** The messages in the queue; none where Postfix is not running, or older than 3.1. */
async function readQueue(configDir: string): Promise<Queued[]> {
  const run = await runPostfix("postqueue", ["-j"], "", { configDir });
  if (run.status === "failed" || run.exitCode !== 0) return [];
  const lines = run.stdout.split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Queued);
}
