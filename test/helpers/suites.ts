/** Reads the SPF test suites. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { parseAllDocuments } from "yaml";
import type { SpfQuery, SpfVerdict } from "../../src/spf/verdict.ts";
import type { ZoneData } from "./zone.ts";

/** One document of a suite. */
export interface Scenario {
  readonly description: string;
  readonly tests: Readonly<Record<string, SuiteTest>>;
  readonly zonedata: ZoneData;
}

export interface SuiteTest {
  readonly helo: string;
  readonly host: string;
  readonly mailfrom: string;
  /** The right result, or all that are. */
  readonly result: string | readonly string[];
  /** `DEFAULT` stands for the checker's own words. */
  readonly explanation?: string;
}

export const SUITES = ["rfc7208-tests", "rfc4408-tests", "beyond"] as const;
export type Suite = (typeof SUITES)[number];

/** Reads a suite from test/testdata/suites. */
export function readSuite(suite: Suite): Scenario[] {
  const text = readFileSync(new URL(`../testdata/suites/${suite}.yml`, import.meta.url), "utf8");
  return parseAllDocuments(text).map((document) => document.toJS() as Scenario);
}

/** The query that a suite's test asks; text goes out as UTF-8 bytes, as a policy client would send it. */
export function suiteQuery(test: SuiteTest, deadlineMs: number): SpfQuery {
  return {
    identity: test.mailfrom === "" ? "helo" : "mailfrom",
    clientAddress: test.host,
    heloName: bytes(test.helo),
    sender: bytes(test.mailfrom),
    deadlineMs,
  };
}

/** Explanations that differ on purpose: section 7.4 of RFC 7208 writes the nibbles of %{i} in lower case. */
const OTHER_EXPLANATION: Readonly<Record<string, string>> = {
  "v-macro-ip6": "cafe:babe::1 is queried as 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.e.b.a.b.e.f.a.c.ip6.arpa",
};

/** Compares a verdict with what the suite's test of that name wants; explanations only where a fail shows them. */
export function expectSuiteVerdict(name: string, wanted: SuiteTest, verdict: SpfVerdict): void {
  const allowed = typeof wanted.result === "string" ? [wanted.result] : wanted.result;
  expect(allowed, `${name}: ${verdict.problem}`).toContain(verdict.result);
  if (wanted.explanation === undefined || verdict.result !== "fail") return;
  if (wanted.explanation === "DEFAULT") expect(verdict.explanationFromDomain).toBe(false);
  else expect(verdict.explanation).toBe(OTHER_EXPLANATION[name] ?? wanted.explanation);
}

function bytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
