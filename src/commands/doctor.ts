/** `postvouch doctor`: checks Postfix, DNS and our own state, and says how to mend what is wrong. Changes nothing. */
import type { Status } from "../doctor/check.ts";
import { gather } from "../doctor/gather/gather.ts";
import { gmailResults, separateDomain } from "../doctor/gmail.ts";
import { type Result, runChecks } from "../doctor/run.ts";
import { CHECKS } from "../doctor/table.ts";
import { EXIT } from "../process/exit.ts";
import { readSetup } from "../setup/setup.ts";
import type { Call } from "./call.ts";
import { type Output, printable } from "./output.ts";
import { wrap } from "./wrap.ts";

/** `postvouch doctor`. */
export const doctor = async (call: Call): Promise<number> => report(call, await examine(call, "all"));

/** `postvouch doctor gmail`. */
export const doctorGmail = async (call: Call): Promise<number> => report(call, await examine(call, "gmail"));

async function examine({ around, timeMs }: Call, subject: "all" | "gmail"): Promise<Result[]> {
  const setup = await readSetup(around, "skip");
  await using gathered = await gather(setup, { packageDir: around.packageDir }, timeMs);
  const results = await runChecks(CHECKS, gathered.facts);
  return subject === "all" ? results : gmailResults([...results, await separateDomain(gathered.facts)]);
}

/** @returns 1 if there is an error */
function report({ options, output }: Call, results: readonly Result[]): number {
  const ok = results.every(({ status }) => status !== "error");
  if (options.json === true) output.json({ ok, checks: results });
  else print(results, output);
  return ok ? EXIT.ok : EXIT.wrong;
}

/** What matters most comes first. */
const ORDER: readonly Status[] = ["error", "warning", "skipped", "ok"];

const COLUMNS = 100;
const INDENT = " ".repeat(9);

function print(results: readonly Result[], output: Output): void {
  for (const status of ORDER) {
    const some = results.filter((result) => result.status === status);
    const lines = status === "skipped" ? byReason(some) : some;
    for (const { id, reason, mend } of lines) {
      const text = printable(`${status.padEnd(INDENT.length)}${id}: ${reason}`);
      for (const line of wrap(text, COLUMNS, INDENT)) output.line(line);
      // On one line, to be copied.
      if (mend !== null) output.line(`${INDENT}mend: ${mend}`);
    }
  }
  const counts = ORDER.map((status) => count(results.filter((result) => result.status === status).length, status));
  output.line(counts.join(", "));
}

/** One result for all checks that are skipped for the same reason: a part that is off has a dozen. */
function byReason(results: readonly Result[]): Result[] {
  const groups = Map.groupBy(results, ({ reason }) => reason);
  return [...groups].map(([reason, some]) => ({
    id: some.map(({ id }) => id).join(", "),
    status: "skipped",
    reason,
    mend: null,
  }));
}

function count(number: number, status: Status): string {
  const isNoun = status === "error" || status === "warning";
  return `${number} ${status}${isNoun && number !== 1 ? "s" : ""}`;
}
