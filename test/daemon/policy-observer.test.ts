import { describe, expect, test, vi } from "vitest";
import { policyObserver } from "../../src/daemon/policy-observer.ts";
import { ACTION_KINDS } from "../../src/policy/action.ts";
import type { Outcome } from "../../src/policy/evaluate.ts";
import type { LogLevel } from "../../src/process/log.ts";
import { Activity } from "../../src/status/activity.ts";
import { idleMetrics, keepingLogger } from "../helpers/observed.ts";
import { policyRequest, verdict } from "../policy/fixtures.ts";

function setUp(level: LogLevel = "info") {
  const { logger, lines } = keepingLogger(level);
  const metrics = idleMetrics();
  const activity = new Activity();
  return { lines, metrics, activity, observer: policyObserver(metrics, logger, activity) };
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

  test("is kept if it was refused, or would have been, with its reason, and shortened", () => {
    const { observer, activity } = setUp("error");
    const mailFrom = verdict("fail", { problem: "why" });
    const judgement = { helo: undefined, mailFrom, ruling: { kind: "reject" }, deciding: mailFrom } as const;
    observer.decided(policyRequest(), dunno, 1);
    observer.decided(
      policyRequest({ helo_name: "x".repeat(9_000) }),
      { answer: dunno.answer, would: { kind: "reject", action: "550 no" }, judgement },
      1,
    );
    observer.decided(policyRequest({ sender: "" }), { answer: { kind: "defer", action: "DEFER later" } }, 1);
    expect(activity.mails.newest()).toMatchObject([
      { sender: "", action: "defer", reply: "DEFER later", reason: "", isReport: false },
      { helo: `${"x".repeat(509)}...`, action: "reject", reply: "550 no", reason: "why", isReport: true },
    ]);
  });

  test("is logged in a short line, however long what it says", () => {
    const { observer, lines } = setUp();
    const long = "x".repeat(60_000);
    const names = ["client_address", "helo_name", "sender", "recipient", "queue_id", "instance"];
    observer.decided(policyRequest(Object.fromEntries(names.map((name) => [name, long]))), dunno, 1);
    expect(lines[0]?.length).toBeLessThan(4_000);
    expect(lines[0]).toContain("x... recipient=");
  });

  test("is logged with what decided, and with all that went wrong", () => {
    const { observer, lines } = setUp();
    const helo = verdict("temperror", { identity: "helo", problem: "no answer for mail.sender.test" });
    const mailFrom = verdict("fail", { mechanism: "-all" });
    const judgement = { helo, mailFrom, ruling: { kind: "reject" }, deciding: mailFrom } as const;
    const answer = { kind: "defer", action: "DEFER_IF_PERMIT no" } as const;
    observer.decided(policyRequest(), { answer, judgement }, 1);
    observer.decided(policyRequest(), { answer, judgement: { ...judgement, deciding: helo } }, 1);
    observer.decided(policyRequest(), { answer, judgement, isExemptionUnknown: true }, 1);
    expect(lines.map((line) => /mechanism.*(?= action=)|problem.*(?= action=)/.exec(line)?.[0])).toEqual([
      'mechanism=-all problem="HELO: no answer for mail.sender.test"',
      'problem="no answer for mail.sender.test"',
      'mechanism=-all problem="HELO: no answer for mail.sender.test; DNS trouble hides whether the client is on an allow list"',
    ]);
  });

  test("for a hidden client is warned of once for each kind of address", () => {
    const { observer, lines } = setUp();
    for (const last of [1, 2, 3]) observer.clientHidden(`10.0.0.${last}`, "a private address (RFC 1918)");
    observer.clientHidden("fe80::1", "a link-local address");
    expect(lines).toEqual([
      expect.stringMatching(/^warn hidden_client client=10\.0\.0\.1 problem="10\.0\.0\.1 is a private address .*once/),
      expect.stringMatching(/^warn hidden_client client=fe80::1 problem="fe80::1 is a link-local address, /),
    ]);
  });

  test.each(["", "unknown"])("from the client %j is logged ten times in ten seconds, and then counted", (client) => {
    vi.useFakeTimers();
    const { observer, lines, metrics } = setUp();
    const request = policyRequest({ client_address: client });
    for (let i = 0; i < 65_536; i++) observer.decided(request, { ...dunno, unchecked: "client_address" }, 0);
    expect(lines).toHaveLength(10);
    vi.advanceTimersByTime(10_000);
    observer.decided(request, { ...dunno, unchecked: "client_address" }, 0);
    expect(lines.slice(10)).toEqual([expect.stringMatching(/ suppressed=65526$/)]);
    expect(metrics.policyRequests.values().find(({ labels }) => labels.action === "dunno")?.value).toBe(65_537);
    vi.useRealTimers();
  });

  test("that names a client is always logged", () => {
    const { observer, lines } = setUp();
    for (let i = 0; i < 50; i++) observer.decided(policyRequest(), { ...dunno, unchecked: "authenticated" }, 0);
    expect(lines).toHaveLength(50);
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
