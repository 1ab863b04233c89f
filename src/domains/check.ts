import type { LookupName } from "./name.ts";

/** One place that knows own domains. It rejects when it does not answer and remembers nothing. */
export interface Check {
  has(name: LookupName): boolean | Promise<boolean>;
}

/**
 * Whether one of the checks knows the domain: in their order, at once as far as they answer at once. One that does not
 * answer is passed over; only when no other knows the domain either is its error the answer.
 */
export function anyHas(checks: readonly Check[], name: LookupName): boolean | Promise<boolean> {
  for (const [index, check] of checks.entries()) {
    const answer = check.has(name);
    if (answer === true) return true;
    if (answer !== false) return waitForAny(answer, checks.slice(index + 1), name);
  }
  return false;
}

async function waitForAny(first: Promise<boolean>, others: readonly Check[], name: LookupName): Promise<boolean> {
  const [answer] = await Promise.allSettled([first]);
  if (answer.status === "fulfilled" && answer.value) return true;
  const other = await anyHas(others, name);
  if (!other && answer.status === "rejected") throw answer.reason;
  return other;
}
