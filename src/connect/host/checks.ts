/** Checks of a change: before it that what Postfix will depend on is there, after it that Postfix is content. */
import { readParameters } from "../../postfix/postconf.ts";
import { runPostfix } from "../../postfix/run.ts";
import { EXIT, errorText, Failure } from "../../process/exit.ts";
import { entriesOf } from "../entries.ts";
import { PARTS, type PartName } from "../parts.ts";
import { parseSecondPass } from "../snippets.ts";
import type { Wiring } from "../wiring.ts";
import type { Files } from "./files.ts";
import { goneMilters, type NamedMilter, silentOnes } from "./gone-milters.ts";
import { askMap, askMilter, askPolicy, askTable, isListening, type Prober, STRANGER } from "./probe.ts";

/** Longest time for `postfix check` and `postfix reload`, in milliseconds. They look at every file of the queue. */
const POSTFIX_MS = 60_000;

const HINT = "start postvouch with this configuration first";

/**
 * Asks each endpoint that the parts use.
 *
 * @returns an address of ours, signed with the configured domain, and what it leads to; `undefined` without SRS
 * @throws {Failure} naming each endpoint that does not answer, or answers wrongly
 */
export async function requireAnswers(
  parts: readonly PartName[],
  wiring: Wiring,
  prober: Prober,
): Promise<string | undefined> {
  const problems: string[] = [];
  const attempt = async <T>(what: string, ask: () => Promise<T>, want?: (answer: T) => string | undefined) => {
    try {
      const answer = await ask();
      const wish = want?.(answer);
      if (wish === undefined) return answer;
      problems.push(`Cannot use ${what}: got "${String(answer ?? "")}", want ${wish}; ${HINT}`);
    } catch (error) {
      problems.push(`Cannot use ${what}: ${errorText(error)}; ${HINT}`);
    }
    return undefined;
  };
  const isSrs = parts.some((name) => PARTS[name].group === "srs");
  const signed = isSrs ? await askSrs(parts, wiring, prober, attempt) : undefined;
  const policy = wiring.addresses.get("policy.listen");
  if (parts.includes("policy") && policy !== undefined) {
    await attempt(`the policy service at ${policy}`, () => askPolicy(policy, prober));
  }
  const milter = wiring.addresses.get("milter.listen");
  if (parts.includes("milter") && milter !== undefined) {
    await attempt(`the milter at ${milter}`, () => askMilter(milter, prober));
  }
  if (problems.length > 0) throw new Failure(EXIT.notDone, problems);
  return signed;
}

/**
 * Wants an answer at each milter that main.cf or master.cf would name again.
 *
 * @param silent those that did not answer when we came
 * @returns a sentence about each of them that still does not answer
 * @throws {Failure} naming each other one where nobody listens: all mail would wait, or pass unsigned and unchecked
 */
export async function requireMilters(
  now: Files,
  made: Files,
  queueDirectory: string,
  silent: readonly string[],
): Promise<readonly string[]> {
  const missing = await silentOnes(goneMilters(made, now), queueDirectory);
  const others = missing.filter(({ address }) => !silent.includes(address));
  if (others.length > 0) throw new Failure(EXIT.notDone, others.map(whyNotBack));
  return missing.map(
    ({ address, error }) =>
      `the milter ${address} is asked again, and does not answer, as before us: ${errorText(error)}; start it, or take it out`,
  );
}

function whyNotBack({ address, places, error }: NamedMilter & { readonly error: unknown }): string {
  const lists = places.filter((place) => place !== "master.cf");
  const edits = lists.map((name) => `"postconf -e '${name} ='"`).join(" and ");
  const forGood =
    lists.length === places.length
      ? `; if it is gone for good, take ours out yourself by ${edits}, which --undo then leaves as it is`
      : "; if it is gone for good, make master.cf as it was before, and take that milter out after --undo";
  return `Cannot bring back the milter ${address}, which Postfix asked before us: ${errorText(error)}; start it first${forGood}`;
}

type Attempt = <T>(
  what: string,
  ask: () => Promise<T>,
  want?: (answer: T) => string | undefined,
) => Promise<T | undefined>;

async function askSrs(
  parts: readonly PartName[],
  wiring: Wiring,
  prober: Prober,
  attempt: Attempt,
): Promise<string | undefined> {
  const socketmap = wiring.addresses.get("socketmap.listen");
  const type = socketmap === undefined ? "tcp" : "socketmap";
  const ask = (map: "forward" | "reverse" | "forward-transport", key: string, want: Parameters<Attempt>[2]) => {
    const address =
      socketmap ?? wiring.addresses.get(map === "reverse" ? "tcptable.reverse" : "tcptable.forward") ?? "";
    return attempt(`the map ${map} at ${address}`, () => askMap(type, address, map, key, prober), want);
  };
  const isSigned = (answer: unknown): string | undefined =>
    isSrsAddress(answer, wiring.srsDomain) ? undefined : `an address of ${wiring.srsDomain}`;
  const is = (wish: string) => (answer: unknown) => (answer === wish ? undefined : wish);
  const signed = (await ask("forward", STRANGER, isSigned)) as string | undefined;
  if (signed === undefined) return undefined;
  await ask("reverse", signed, is(STRANGER));
  if (parts.includes("forward-only")) await ask("forward-transport", STRANGER, is(wiring.forwardTransport));
  return signed;
}

function isSrsAddress(answer: unknown, domain: string): boolean {
  return typeof answer === "string" && /^"?srs[01][-+=]/i.test(answer) && answer.toLowerCase().endsWith(`@${domain}`);
}

/**
 * Checks that no other program has the port of the second pass. Postfix's master would end when it cannot have it, and
 * all mail with it.
 *
 * @throws {Failure} naming the other program
 */
export async function requireFreePort(wiring: Wiring): Promise<void> {
  const second = parseSecondPass(wiring.forwardTransport);
  if (second === undefined) return;
  const port = Number(second.port);
  if (!(await isListening(second.host, port))) return;
  const { ownerOf } = await import("../../net/port-owner.ts");
  const owner = ownerOf({ type: "inet", host: second.host, port }) ?? "another program";
  const line = `Cannot use port ${port} for the second pass: ${owner} has it; free it, or set srs.forward_transport`;
  throw new Failure(EXIT.notDone, [line]);
}

/** What `postfix check` has to say; `undefined` if it is content. */
export async function discontent(configDir: string): Promise<Failure | undefined> {
  const run = await runPostfix("postfix", ["check"], "", { configDir, timeoutMs: POSTFIX_MS });
  if (run.status === "failed") return new Failure(EXIT.notDone, [run.reason]);
  if (run.exitCode === 0) return undefined;
  return new Failure(EXIT.notDone, [`postfix check: ${lastLines(run) || "it failed"}`]);
}

/** Has a running Postfix read its files. @throws {Failure} when it does not */
export async function reloadPostfix(configDir: string): Promise<"reloaded" | "not running"> {
  const command = { configDir, timeoutMs: POSTFIX_MS };
  const status = await runPostfix("postfix", ["status"], "", command);
  if (status.status === "failed") throw new Failure(EXIT.notDone, [status.reason]);
  if (status.exitCode !== 0) return "not running";
  const run = await runPostfix("postfix", ["reload"], "", command);
  if (run.status === "failed") throw new Failure(EXIT.notDone, [run.reason]);
  if (run.exitCode !== 0) throw new Failure(EXIT.notDone, [`postfix reload: ${lastLines(run) || "it failed"}`]);
  return "reloaded";
}

/** The last lines that say why, or the last of all. postfix-script and post-install write "Error:", others "fatal:". */
function lastLines({ stderr, stdout }: { readonly stderr: string; readonly stdout: string }): string {
  const lines = (stderr.trim() || stdout).split("\n").flatMap((line) => line.trim() || []);
  const telling = lines.filter((line) => /fatal|error|warning: (?!.*unused)/i.test(line));
  return (telling.length > 0 ? telling : lines).slice(-3).join("; ");
}

/**
 * Asks recipient_canonical_maps, as main.cf now has it, for a bounce's recipient.
 *
 * @throws {Failure} when it does not lead to the sender
 */
export async function requireWayBack(configDir: string, signed: string, prober: Prober): Promise<void> {
  const name = "recipient_canonical_maps";
  const maps = entriesOf((await readParameters([name], { configDir })).get(name) ?? "");
  const troubles: string[] = [];
  for (const map of maps) {
    try {
      const answer = await askTable(map, signed, prober);
      if (answer === STRANGER) return;
      if (answer !== undefined) troubles.push(`${map}: got "${answer}" for ${signed}, want ${STRANGER}`);
    } catch (error) {
      troubles.push(`${map}: ${errorText(error)}`);
    }
  }
  const why = troubles.join("; ") || `${signed} is not found`;
  throw new Failure(EXIT.notDone, [`Cannot use ${name}: ${why}`]);
}
