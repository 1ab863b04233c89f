/** Runs checks. No check can break another one or the report. */
import { errorText } from "../process/exit.ts";
import { type Check, type Finding, type Status, skipped } from "./check.ts";

/** One line of the report. A check has one line, or one for each thing that it finds. */
export interface Result {
  readonly id: string;
  readonly status: Status;
  readonly reason: string;
  readonly mend: string | null;
}

/** Longest time for one check, in milliseconds. */
const CHECK_MS = 30_000;

/** Runs all checks at the same time. The results have the order of the checks. Never rejects. */
export async function runChecks<Needed>(
  checks: readonly Check<Needed>[],
  facts: Needed,
  limitMs = CHECK_MS,
): Promise<Result[]> {
  const all = await Promise.all(checks.map((check) => runCheck(check, facts, limitMs)));
  return all.flat();
}

async function runCheck<Needed>(check: Check<Needed>, facts: Needed, limitMs: number): Promise<Result[]> {
  const findings = withOneSkip(await findingsOf(check, facts, limitMs));
  if (findings.length === 0) return [{ id: check.id, status: "ok", reason: check.right, mend: null }];
  return findings.map(({ status, reason, mend }) => ({ id: check.id, status, reason, mend: mend ?? null }));
}

/** Makes one line of all that a check cannot know: without DNS it would be a line for each domain. */
function withOneSkip(findings: readonly Finding[]): readonly Finding[] {
  const wrong = findings.filter(({ status }) => status !== "skipped");
  const reasons = new Set(findings.filter(({ status }) => status === "skipped").map(({ reason }) => reason));
  const [first, ...more] = reasons;
  if (first === undefined) return wrong;
  return [...wrong, skipped(more.length === 0 ? first : `${first}; and ${more.length} more`)];
}

async function findingsOf<Needed>(check: Check<Needed>, facts: Needed, limitMs: number): Promise<readonly Finding[]> {
  const { promise, resolve } = Promise.withResolvers<readonly Finding[]>();
  const timer = setTimeout(() => resolve([skipped(`no answer within ${limitMs} ms`)]), limitMs);
  try {
    return await Promise.race([promise, check.run(facts)]);
  } catch (error) {
    return [skipped(`Cannot check this: ${errorText(error).replaceAll("\n", "; ")}`)];
  } finally {
    clearTimeout(timer);
  }
}
