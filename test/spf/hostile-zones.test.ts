/** Tests the evaluator with zones made to break it. A failure names its seed: `hostileCase(seed)` repeats it. */
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { createSpfChecker } from "../../src/spf/checker.ts";
import { renderTrace } from "../../src/spf/explain/render.ts";
import { SPF_RESULTS, type SpfQuery } from "../../src/spf/verdict.ts";
import { type HostileCase, hostileCase } from "./hostile-zones.ts";
import { faultsOf, SPF_LIMITS } from "./sound-verdict.ts";

const CASES = 3000;
/**
 * 11 records, then 10 terms: the worst is mx, with its own query and 10 hosts. Beside them exp=, and %{p} in each
 * expansion, with its PTR and 10 names.
 */
const MAX_QUERIES = 11 + 10 * 11 + 1 + 22 * 11;

function queryOf({ ip, sender, helo }: HostileCase, identity: SpfQuery["identity"]): SpfQuery {
  return { identity, clientAddress: ip, heloName: helo, sender, deadlineMs: 1 };
}

test(`Of ${CASES} hostile zones none breaks the evaluator, and a third of the checks gets to pass or fail`, async () => {
  const counts: Partial<Record<string, number>> = {};
  const faults: string[] = [];
  for (let seed = 0; seed < CASES; seed++) {
    const given = hostileCase(seed);
    const query = queryOf(given, seed % 32 === 0 ? "helo" : "mailfrom");
    const checker = createSpfChecker({ ...SPF_LIMITS, resolver: given.resolver });
    const verdict = await checker.checkHost(query);
    if (given.asked() > MAX_QUERIES) faults.push(`seed ${seed}: ${given.asked()} queries`);
    faults.push(...faultsOf(verdict).map((fault) => `seed ${seed}: ${fault}`));
    // The second time it may be remembered, which changes nothing.
    if (!isDeepStrictEqual(await checker.checkHost(query), verdict)) faults.push(`seed ${seed}: another verdict`);
    counts[verdict.result] = (counts[verdict.result] ?? 0) + 1;
  }
  expect(faults).toEqual([]);
  expect((counts.pass ?? 0) + (counts.fail ?? 0), JSON.stringify(counts)).toBeGreaterThan(CASES / 3);
  expect(Object.keys(counts).sort()).toEqual([...SPF_RESULTS].sort());
});

test("--explain comes to the same verdict over hostile zones, in 80 columns of printable ASCII", async () => {
  const faults: string[] = [];
  for (let seed = 0; seed < CASES; seed += 3) {
    const given = hostileCase(seed);
    const checker = createSpfChecker({ ...SPF_LIMITS, resolver: given.resolver });
    const query = queryOf(given, "mailfrom");
    const { verdict, trace } = await checker.explain(query);
    if (!isDeepStrictEqual(await checker.checkHost(query), verdict)) faults.push(`seed ${seed}: another verdict`);
    const odd = renderTrace(trace, verdict)
      .split("\n")
      .find((line) => line.length > 80 || /[^\x20-\x7e]/.test(line));
    if (odd !== undefined) faults.push(`seed ${seed}: ${odd}`);
  }
  expect(faults).toEqual([]);
});
