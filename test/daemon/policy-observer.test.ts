import { describe, expect, test } from "vitest";
import { policyObserver } from "../../src/daemon/policy-observer.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { ACTION_KINDS } from "../../src/policy/action.ts";
import type { Outcome } from "../../src/policy/evaluate.ts";
import { formatLine, LOG_LEVELS, type Logger, type LogLevel } from "../../src/process/log.ts";
import { policyRequest, verdict } from "../policy/fixtures.ts";

function setUp(level: LogLevel = "info") {
  const lines: string[] = [];
  const logger: Logger = {
    enabled: (wanted) => LOG_LEVELS.indexOf(wanted) >= LOG_LEVELS.indexOf(level),
    log: (at, event, fields = {}) => lines.push(formatLine(at, event, fields)),
    configure: () => {},
    flush: () => {},
  };
  const metrics = createMetrics({
    version: "0",
    dnsStats: () => ({ cacheEntries: 0, cacheHits: 0, cacheMisses: 0 }),
    connections: () => new Map(),
    ownDomains: () => new Map(),
    ownDomainsLastSuccess: () => new Map(),
    secrets: () => 1,
    storeUp: () => undefined,
  });
  return { lines, metrics, observer: policyObserver(metrics, logger) };
}

const dunno: Outcome = { answer: { kind: "dunno", action: "DUNNO" } };

describe("A policy request", () => {
  test.each(ACTION_KINDS)("that is answered with %s is counted as that", (kind) => {
    const { observer, metrics } = setUp();
    observer.decided(policyRequest(), { answer: { kind, action: "x" } }, 1);
    const counted = metrics.policyRequests.values().filter(({ value }) => value > 0);
    expect(counted).toEqual([{ labels: { action: kind }, value: 1 }]);
    expect(metrics.policyDuration.snapshot().cumulative.at(-1)).toBe(1);
  });

  test("is counted in report mode as what it would have been, too", () => {
    const { observer, metrics } = setUp();
    const answer = { kind: "prepend", action: "PREPEND X: y" } as const;
    observer.decided(policyRequest(), { answer, would: { kind: "reject", action: "550 no" } }, 1);
    expect(metrics.policyWould.values().filter(({ value }) => value > 0)).toEqual([
      { labels: { action: "reject" }, value: 1 },
    ]);
  });

  test("is logged with both results and the reply of a refusal", () => {
    const { observer, lines } = setUp();
    const helo = verdict("none", { identity: "helo", lookups: 1 });
    const mailFrom = verdict("fail", { lookups: 2 });
    const judgement = { helo, mailFrom, ruling: { kind: "reject" }, deciding: mailFrom } as const;
    observer.decided(policyRequest({ sender: "" }), { answer: { kind: "reject", action: "550 no" }, judgement }, 1.234);
    expect(lines).toEqual([
      "info spf client=192.0.2.10 helo=mail.sender.test sender=<> recipient=bob@rcpt.test queue_id=NOQUEUE " +
        'instance=1001.68f0.1.0 helo_result=none mailfrom_result=fail action=reject reply="550 no" ms=1.23 lookups=3',
    ]);
  });

  test("that was not checked is logged with the reason", () => {
    const { observer, lines } = setUp();
    observer.decided(policyRequest(), { ...dunno, unchecked: "authenticated" }, 0);
    expect(lines).toEqual([
      expect.stringContaining("helo_result=not-checked mailfrom_result=not-checked unchecked=authenticated"),
    ]);
  });

  test("that ended in trouble of ours is logged as an error, whatever the level", () => {
    const { observer, lines } = setUp("error");
    observer.decided(policyRequest(), { answer: { kind: "error", action: "" } }, 0);
    observer.decided(policyRequest(), dunno, 0);
    expect(lines).toEqual([expect.stringMatching(/^error spf .* action=error /)]);
  });
});
