import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import type { SpfQuery } from "../../src/spf/verdict.ts";
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

/** The query that a suite's test asks; text goes out as UTF-8 octets, as a policy client would send it. */
export function suiteQuery(test: SuiteTest, deadlineMs: number): SpfQuery {
  return {
    identity: test.mailfrom === "" ? "helo" : "mailfrom",
    clientAddress: test.host,
    heloName: octets(test.helo),
    sender: octets(test.mailfrom),
    deadlineMs,
  };
}

/** The results that a test allows. */
export function allowedResults(test: SuiteTest): readonly string[] {
  return typeof test.result === "string" ? [test.result] : test.result;
}

function octets(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
