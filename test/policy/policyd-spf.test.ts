import { describe, expect, test } from "vitest";
import { createPolicyService } from "../../src/policy/service.ts";
import { createSpfChecker } from "../../src/spf/checker.ts";
import { memoryResolver } from "../helpers/zone.ts";
import { recorder } from "./fixtures.ts";
import {
  type Case,
  ourDecision,
  readRecording,
  recordedAuthority,
  requestBytes,
  theirDecision,
} from "./policyd-spf.ts";
import { importedSettings, perlSettings } from "./policyd-spf-config.ts";
import { DEVIATIONS } from "./policyd-spf-deviations.ts";

const { base, defaults, cases } = readRecording();
const authority = recordedAuthority();
const deviations = new Map(Object.values(DEVIATIONS).flatMap((deviation) => Object.entries(deviation.cases)));

function settingsOf({ engine, config = [], per_user, files }: Case) {
  return engine === "perl" ? perlSettings(files) : importedSettings([...base, ...config], per_user);
}

/** Our decisions on the requests of a case, in order. */
async function replay(row: Case): Promise<string[]> {
  const settings = settingsOf(row);
  const resolver = memoryResolver(authority);
  const clockMs = () => performance.now();
  const { maxDnsLookups, maxVoidLookups } = settings;
  const limits = { maxDnsLookups, maxVoidLookups, verdictCacheSize: 0 };
  const { checkHost } = createSpfChecker({ resolver, receiver: "mx.local.test", ...limits, clockMs });
  const service = createPolicyService({
    settings,
    hostname: "mx.local.test",
    checkHost,
    resolver,
    clockMs,
    observe: recorder(),
  });
  const decisions: string[] = [];
  for (const exchange of row.exchanges) {
    const decoder = service.createDecoder();
    decoder.feed(requestBytes(exchange, defaults).toString("latin1"));
    const request = decoder.next();
    if (request === undefined) throw new Error(`${row.id}: the request was not read`);
    decisions.push(ourDecision(await service.answer(request)));
  }
  return decisions;
}

describe("a recorded session of policyd-spf is decided the same, or as the deviations say", () => {
  test.each(cases)("$id: $note", async (row) => {
    const theirs = row.exchanges.map(({ reply }) => theirDecision(reply));
    expect(await replay(row)).toEqual(deviations.get(row.id) ?? theirs);
  });
});

describe.each(Object.entries(DEVIATIONS))("deviation: %s", (_name, { cases: deviating }) => {
  test.each(Object.entries(deviating))("%s differs from the recording", (id, ours) => {
    const recorded = cases.find((row) => row.id === id);
    expect(recorded?.exchanges.map(({ reply }) => theirDecision(reply))).not.toEqual(ours);
    expect(recorded?.exchanges).toHaveLength(ours.length);
  });
});

test("all 456 sessions are there, and each deviates for one reason", () => {
  expect(cases).toHaveLength(456);
  const listed = Object.values(DEVIATIONS).flatMap((deviation) => Object.keys(deviation.cases));
  expect(new Set(listed).size).toBe(listed.length);
});
