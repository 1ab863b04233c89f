/** Compares us with pyspf (python3-spf) on random policies: each difference must be a known deviation of pyspf. */
import { describe, expect, test } from "vitest";
import { createSpfChecker } from "../../src/spf/checker.ts";
import { SPF_RESULTS } from "../../src/spf/verdict.ts";
import { findPyspf, Pyspf, type PyspfCase } from "../helpers/pyspf.ts";
import { skipReason } from "../helpers/requires.ts";
import { memoryResolver, zoneAuthority } from "../helpers/zone.ts";
import { DEVIATIONS, type Deviation, type Limits, type Pair } from "./pyspf-differences.ts";
import { Random, type RandomCase, randomCase } from "./random-policies.ts";

const CASES = 10_000;
const SEED = 7208;
const BATCH = 200;
const LIMITS: Limits = { lookups: 10, voids: 2 };
const TYPES = ["A", "AAAA", "MX", "TXT", "PTR", "CNAME"];

const python = findPyspf() ?? "";
const missing = python === "" ? skipReason("Cannot run: python3-spf not installed") : undefined;

describe.skipIf(missing !== undefined)(`Against pyspf${missing === undefined ? "" : ` (${missing})`}`, () => {
  test(`${CASES} random policies differ only where pyspf is known to deviate`, { timeout: 120_000 }, async () => {
    const random = new Random(SEED);
    const cases = Array.from({ length: CASES }, () => randomCase(random));
    using driver = new Pyspf(python);
    const pairs: Pair[] = [];
    for (let i = 0; i < CASES; i += BATCH) pairs.push(...(await judge(driver, cases.slice(i, i + BATCH), LIMITS)));
    const { counts, unexplained } = await explainAll(driver, cases, pairs);
    expect(unexplained).toEqual([]);
    // Each class is seen, else it has no place in the list; three of four policies show no difference at all, and
    // those come to every result.
    expect([...counts.keys()].sort()).toEqual(DEVIATIONS.map(({ name }) => name).sort());
    const agreed = pairs.filter(agree).map(({ ours }) => ours.result);
    expect(agreed.length).toBeGreaterThan((CASES * 3) / 4);
    expect(new Set(agreed)).toEqual(new Set(SPF_RESULTS));
  });
});

async function explainAll(driver: Pyspf, cases: readonly RandomCase[], pairs: readonly Pair[]) {
  const counts = new Map<string, number>();
  const unexplained: string[] = [];
  for (const [i, given] of cases.entries()) {
    const pair = pairs[i];
    if (pair === undefined || agree(pair)) continue;
    const name = await explain(driver, given, pair);
    if (name === undefined) unexplained.push(describeDifference(given, pair));
    else counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return { counts, unexplained };
}

async function judge(driver: Pyspf, cases: readonly RandomCase[], limits: Limits): Promise<Pair[]> {
  const theirs = await driver.check(cases.map((given) => toPyspf(given, limits)));
  const ours = await Promise.all(cases.map((given) => checkOurs(given, limits)));
  return ours.flatMap((our, i) => {
    const their = theirs[i];
    return their === undefined ? [] : [{ ours: our, theirs: their }];
  });
}

function describeDifference(given: RandomCase, { ours, theirs }: Pair): string {
  return `${ours.result} (${ours.problem}) here, ${theirs.result} (${theirs.text}) there: ${JSON.stringify(given)}`;
}

function agree({ ours, theirs }: Pair): boolean {
  return ours.result === theirs.result;
}

/** The deviation that explains a difference: alone, with one other, or with all the others. */
async function explain(driver: Pyspf, given: RandomCase, pair: Pair): Promise<string | undefined> {
  const fitting = DEVIATIONS.filter((deviation) => deviation.fits(pair));
  for (const deviation of fitting) {
    if (await agreeWithout(driver, given, [deviation])) return deviation.name;
  }
  for (const deviation of fitting) {
    for (const other of DEVIATIONS) {
      if (await agreeWithout(driver, given, [deviation, other])) return deviation.name;
    }
  }
  return (await agreeWithout(driver, given, DEVIATIONS)) ? fitting[0]?.name : undefined;
}

async function agreeWithout(driver: Pyspf, given: RandomCase, deviations: readonly Deviation[]): Promise<boolean> {
  let edited: readonly [RandomCase, Limits] = [given, LIMITS];
  for (const deviation of deviations) edited = deviation.without(...edited);
  const [pair] = await judge(driver, [edited[0]], edited[1]);
  return pair !== undefined && agree(pair);
}

async function checkOurs({ zone, ip, sender, helo }: RandomCase, limits: Limits): Promise<Pair["ours"]> {
  const clockMs = () => 0;
  const checker = createSpfChecker({
    resolver: memoryResolver(zoneAuthority(zone), { clockMs }),
    maxDnsLookups: limits.lookups,
    maxVoidLookups: limits.voids,
    receiver: "mx.example.net",
    clockMs,
    verdictCacheSize: 0,
  });
  const query = { identity: "mailfrom", clientAddress: ip, heloName: helo, sender, deadlineMs: 1 } as const;
  const { result, problem } = await checker.checkHost(query);
  return { result, problem: problem ?? "" };
}

function toPyspf({ zone, ip, sender, helo }: RandomCase, { lookups, voids }: Limits): PyspfCase {
  const flat: Record<string, unknown[] | "SERVFAIL"> = {};
  for (const [name, entries] of Object.entries(zone)) {
    for (const entry of entries) {
      if (entry === "SERVFAIL") for (const type of TYPES) flat[`${name}|${type}`] = "SERVFAIL";
      if (typeof entry === "string") continue;
      for (const [type, value] of Object.entries(entry)) {
        const key = `${name}|${type}`;
        const values = flat[key] ?? [];
        if (values !== "SERVFAIL") flat[key] = [...values, value];
      }
    }
  }
  return { zone: flat, ip, sender, helo, lookups, voids };
}
