import { describe, expect, test } from "vitest";
import { lookupObserver } from "../../src/daemon/lookup-observer.ts";
import type { LookupResult, MapName } from "../../src/net/lookup.ts";
import type { LogLevel } from "../../src/process/log.ts";
import { Activity } from "../../src/status/activity.ts";
import { idleMetrics, keepingLogger } from "../helpers/observed.ts";

function setUp(level: LogLevel = "info") {
  const { logger, lines } = keepingLogger(level);
  const metrics = idleMetrics();
  const activity = new Activity();
  const counted = (): string[] =>
    [...metrics.srsLookups.values(), ...metrics.protocolErrors.values()]
      .filter(({ value }) => value > 0)
      .map(({ labels, value }) => `${Object.values(labels).join(" ")} ${value}`);
  return { lines, counted, metrics, activity, observer: lookupObserver("tcp_table", metrics, logger, activity) };
}

const rewritten: LookupResult = { status: "found", outcome: "rewritten", value: "SRS0=a=b=c=d@x" };
const notFound = (outcome: "own" | "bad_hash" | "expired" | "null"): LookupResult => ({
  status: "notFound",
  outcome,
  reason: `it is ${outcome}`,
});

describe("A lookup", () => {
  test("is counted by map, protocol and outcome, and its time is taken", () => {
    const { observer, counted, metrics } = setUp();
    observer.looked("forward", "a@b", rewritten, 0.02);
    observer.looked("forward", "a@c", rewritten, 0.03);
    observer.looked("reverse", "a@b", notFound("bad_hash"), 0.01);
    expect(counted()).toEqual(["forward tcp_table rewritten 2", "reverse tcp_table bad_hash 1"]);
    expect(metrics.srsDuration.snapshot().cumulative.at(-1)).toBe(3);
  });

  test.each<{ map: MapName; result: LookupResult; lines: string[] }>([
    { map: "forward", result: rewritten, lines: ['info srs map=forward from=a@b to="SRS0=a=b=c=d@x"'] },
    {
      map: "forward",
      result: { status: "found", outcome: "too_long", value: `SRS0=${"x".repeat(70)}@x` },
      lines: [`info srs map=forward from=a@b to="SRS0=${"x".repeat(70)}@x" local_part_bytes=75`],
    },
    { map: "forward-transport", result: rewritten, lines: [] },
    { map: "forward", result: notFound("own"), lines: [] },
    { map: "forward", result: notFound("null"), lines: [] },
    {
      map: "reverse",
      result: notFound("bad_hash"),
      lines: ['warn srs map=reverse from=a@b outcome=bad_hash reason="it is bad_hash"'],
    },
    {
      map: "reverse",
      result: notFound("expired"),
      lines: ['warn srs map=reverse from=a@b outcome=expired reason="it is expired"'],
    },
    {
      map: "forward",
      result: { status: "tempFail", outcome: "tempfail", part: "store", reason: "down" },
      lines: ["error srs map=forward from=a@b outcome=tempfail reason=down part=store"],
    },
  ])("of $map that is $result.outcome is logged when it says something", ({ map, result, lines: expected }) => {
    const { observer, lines } = setUp();
    observer.looked(map, "a@b", result, 1);
    expect(lines).toEqual(expected);
  });

  test("that was put off is counted by what did not answer", () => {
    const { observer, metrics } = setUp();
    for (const part of ["store", "own_domains", "store"] as const)
      observer.looked("forward", "a@b", { status: "tempFail", outcome: "tempfail", part, reason: "down" }, 1);
    expect(metrics.srsTempFails.values().map(({ labels, value }) => [labels.part, value])).toEqual([
      ["store", 2],
      ["own_domains", 1],
    ]);
  });

  test("leaves the time of the last one, 0 before the first", () => {
    const { observer, metrics } = setUp();
    expect(metrics.srsLastLookup.unixSeconds()).toBe(0);
    observer.clockMs();
    expect(Math.abs(metrics.srsLastLookup.unixSeconds() - Date.now() / 1000)).toBeLessThan(5);
  });

  test("leaves the time of its map, and if it was refused or put off, what it was about", () => {
    const { observer, activity } = setUp();
    observer.clockMs();
    observer.looked("reverse", "SRS0=x@y", notFound("bad_hash"), 1);
    observer.looked("reverse", "a@b", notFound("own"), 1);
    observer.looked("reverse", "c@d", { status: "tempFail", outcome: "tempfail", part: "store", reason: "down" }, 1);
    expect(activity.lookups.newest()).toMatchObject([
      { map: "reverse", key: "c@d", outcome: "tempfail", reason: "down" },
      { map: "reverse", key: "SRS0=x@y", outcome: "bad_hash", reason: "it is bad_hash" },
    ]);
    expect(activity.asked.reverse.unixSeconds()).toBeGreaterThan(0);
    expect(activity.asked.forward.unixSeconds()).toBe(0);
  });

  test("that was rewritten is not logged above info", () => {
    const { observer, lines } = setUp("warn");
    observer.looked("forward", "a@b", rewritten, 1);
    expect(lines).toEqual([]);
  });

  test("that is refused is logged ten times and then only counted: a guesser does not fill the disk", () => {
    const { observer, lines, counted } = setUp();
    for (let i = 0; i < 1000; i++) observer.looked("reverse", `${"x".repeat(2000)}@y`, notFound("bad_hash"), 1);
    expect(lines).toHaveLength(10);
    expect(lines[0]?.length).toBeLessThan(500);
    expect(counted()).toEqual(["reverse tcp_table bad_hash 1000"]);
  });
});

test("A bad request is counted, and logged by its protocol, ten times", () => {
  const { observer, lines, counted } = setUp();
  for (let i = 0; i < 50; i++) observer.badRequest("want get SPACE key");
  expect(lines).toHaveLength(10);
  expect(lines[0]).toBe('warn protocol protocol=tcp_table problem="want get SPACE key"');
  expect(counted()).toEqual(["tcp_table 50"]);
});
