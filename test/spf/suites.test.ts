import { describe, expect, test } from "vitest";
import type { Resolver } from "../../src/dns/types.ts";
import { createSpfChecker, type SpfChecker } from "../../src/spf/checker.ts";
import type { SpfQuery } from "../../src/spf/verdict.ts";
import { expectSuiteVerdict, readSuite, SUITES, type Suite, type SuiteTest, suiteQuery } from "../helpers/suites.ts";
import { memoryResolver, zoneAuthority } from "../helpers/zone.ts";

const COUNTS: Readonly<Record<Suite, number>> = { "rfc7208-tests": 203, "rfc4408-tests": 191, beyond: 158 };

for (const suite of SUITES) {
  describe(`The suite ${suite}`, () => {
    const scenarios = readSuite(suite);

    test(`has ${COUNTS[suite]} tests`, () => {
      expect(scenarios.flatMap((scenario) => Object.keys(scenario.tests))).toHaveLength(COUNTS[suite]);
    });

    for (const { description, tests, zonedata } of scenarios) {
      const authority = zoneAuthority(zonedata);
      test.each(Object.entries(tests))(`${description}: %s`, async (name, wanted) => {
        const atOnce = checkerOf(memoryResolver(authority));
        expectSuiteVerdict(name, wanted, await atOnce.checkHost(query(wanted)));
        const later = checkerOf(memoryResolver(authority, { later: true }));
        expectSuiteVerdict(name, wanted, await later.checkHost(query(wanted)));
      });
    }

    test("gives the same verdicts again from the cache", async () => {
      for (const { tests, zonedata } of scenarios) {
        const checker = checkerOf(memoryResolver(zoneAuthority(zonedata)), 64);
        for (const wanted of Object.values(tests)) {
          const first = await checker.checkHost(query(wanted));
          const second = await checker.checkHost(query(wanted));
          expect({ ...second, elapsedMs: 0 }).toEqual({ ...first, elapsedMs: 0 });
        }
        for (const [name, wanted] of Object.entries(tests)) {
          expectSuiteVerdict(name, wanted, await checker.checkHost(query(wanted)));
        }
      }
    });
  });
}

const clockMs = () => performance.now();

function checkerOf(resolver: Resolver, verdictCacheSize = 0): SpfChecker {
  const receiver = "mx.example.net";
  return createSpfChecker({ resolver, maxDnsLookups: 10, maxVoidLookups: 2, receiver, clockMs, verdictCacheSize });
}

function query(wanted: SuiteTest): SpfQuery {
  return suiteQuery(wanted, clockMs() + 20_000);
}
