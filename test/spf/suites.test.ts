import { describe, expect, test } from "vitest";
import { createSpfChecker } from "../../src/spf/checker.ts";
import { allowedResults, readSuite, SUITES, type Suite, type SuiteTest, suiteQuery } from "../helpers/suites.ts";
import { memoryResolver, zoneAuthority } from "../helpers/zone.ts";

const COUNTS: Readonly<Record<Suite, number>> = { "rfc7208-tests": 203, "rfc4408-tests": 191, beyond: 158 };

/** Explanations that differ on purpose: section 7.4 of RFC 7208 writes the nibbles of %{i} in lower case. */
const OTHER_EXPLANATION: Readonly<Record<string, string>> = {
  "v-macro-ip6": "cafe:babe::1 is queried as 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.e.b.a.b.e.f.a.c.ip6.arpa",
};

for (const suite of SUITES) {
  describe(`The suite ${suite}`, () => {
    const scenarios = readSuite(suite);

    test(`has ${COUNTS[suite]} tests`, () => {
      expect(scenarios.flatMap((scenario) => Object.keys(scenario.tests))).toHaveLength(COUNTS[suite]);
    });

    for (const { description, tests, zonedata } of scenarios) {
      const authority = zoneAuthority(zonedata);
      test.each(Object.entries(tests))(`${description}: %s`, async (name, wanted) => {
        await expectVerdict(name, wanted, memoryResolver(authority));
        await expectVerdict(name, wanted, memoryResolver(authority, { later: true }));
      });
    }
  });
}

async function expectVerdict(name: string, wanted: SuiteTest, resolver: ReturnType<typeof memoryResolver>) {
  const nowMs = () => performance.now();
  const checker = createSpfChecker({
    resolver,
    maxDnsLookups: 10,
    maxVoidLookups: 2,
    receiver: "mx.example.net",
    nowMs,
  });
  const verdict = await checker.checkHost(suiteQuery(wanted, nowMs() + 20_000));
  expect(allowedResults(wanted), verdict.problem ?? "").toContain(verdict.result);
  if (wanted.explanation === undefined || verdict.result !== "fail") return;
  if (wanted.explanation === "DEFAULT") expect(verdict.explanationFromDomain).toBe(false);
  else expect(verdict.explanation).toBe(OTHER_EXPLANATION[name] ?? wanted.explanation);
}
