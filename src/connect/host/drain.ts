/**
 * Lets mail that is on its way to the second pass go through it, before it is taken out. Without this, mail that came in
 * just before would leave unrewritten. Mail that comes in meanwhile is rewritten by what takes the place of the second
 * pass already.
 */
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

/**
 * The files for the time between: what rewrites senders from now on, and still the second pass.
 *
 * @returns `undefined` if no second pass goes, or nothing rewrites in its place
 */
export async function withSecondPass(configDir: string, now: Files, made: Files): Promise<Files | undefined> {
  const [present, future] = [parametersOf(now["main.cf"]), parametersOf(made["main.cf"])];
  const hasPass = (parameters: ReadonlyMap<string, string>): boolean =>
    (parameters.get(TRANSPORTS) ?? "").includes(":forward-transport");
  const takesOver = (future.get(SENDERS) ?? "") !== "" && future.get(SENDERS) !== present.get(SENDERS);
  if (!hasPass(present) || hasPass(future) || !takesOver) return undefined;
  using copy = new WorkingCopy({ ...made, "master.cf": now["master.cf"] }, configDir);
  const kept = [...present].filter(([name]) => name === TRANSPORTS || OF_TRANSPORT.test(name));
  // Awaited here: the copy goes at the end of this function.
  return await copy.edit(kept.map(([name, value]) => ({ type: "set", name, value })));
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
