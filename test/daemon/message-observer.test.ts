import { describe, expect, test } from "vitest";
import { MAIL_ACTIONS, type MessageReport } from "../../src/authentication/report.ts";
import { messageObserver } from "../../src/daemon/message-observer.ts";
import { Activity } from "../../src/status/activity.ts";
import { idleMetrics, keepingLogger } from "../helpers/observed.ts";

function setUp() {
  const { logger, lines } = keepingLogger("info");
  const [metrics, activity] = [idleMetrics(), new Activity()];
  return { lines, metrics, activity, observe: messageObserver(metrics, logger, activity) };
}

const report = (more: Partial<MessageReport> = {}): MessageReport => ({
  role: "incoming",
  smtp: {
    client: { hostname: "client.example", family: "inet", address: "192.0.2.1", port: 25_000 },
    heloName: "helo.example",
    macros: new Map([["i", "4fX1"]]),
  },
  sender: "ann@example.com",
  authorDomain: "example.com",
  results: [
    { method: "spf", result: "pass" },
    { method: "dmarc", result: "fail" },
  ],
  action: "accept",
  signed: [],
  ms: 12,
  ...more,
});

describe("A message through the milter", () => {
  test.each(MAIL_ACTIONS)("that ends with %s is counted as that", (action) => {
    const { observe, metrics } = setUp();
    observe(report({ action }));
    const counted = metrics.milterMessages.values().filter(({ value }) => value > 0);
    expect(counted).toEqual([{ labels: { role: "incoming", action }, value: 1 }]);
  });

  test("is kept for the status page with its results, keys and problem", () => {
    const { observe, activity } = setUp();
    const key = { domain: "example.org", selector: "s1", algorithm: "rsa-sha256" } as const;
    observe(report());
    observe(
      report({
        role: "submitted",
        sender: "",
        results: [],
        signed: [key],
        sealed: { domain: "srs.example.org", selector: "arc" },
        would: "hold",
        problem: "odd",
      }),
    );
    expect(activity.messages.newest()).toEqual([
      expect.objectContaining({
        role: "submitted",
        sender: "",
        results: "",
        signed: "s1._domainkey.example.org, arc._domainkey.srs.example.org",
        would: "hold",
        problem: "odd",
      }),
      {
        clockMs: expect.any(Number),
        role: "incoming",
        client: "192.0.2.1",
        sender: "ann@example.com",
        authorDomain: "example.com",
        action: "accept",
        would: "",
        results: "spf=pass dmarc=fail",
        signed: "",
        problem: "",
      },
    ]);
    expect(activity.handled.unixSeconds()).toBeGreaterThan(0);
  });

  test("makes room for the next: twenty are kept, and long names are cut", () => {
    const { observe, activity } = setUp();
    for (let i = 0; i < 50; i++) observe(report({ sender: `${i}-${"x".repeat(5_000)}@example.com` }));
    const kept = activity.messages.newest();
    expect(kept).toHaveLength(20);
    expect(kept[0]?.sender).toMatch(/^49-x+\.\.\.$/);
    expect(kept.every(({ sender }) => sender.length <= 520)).toBe(true);
  });

  test("is logged", () => {
    const { observe, lines } = setUp();
    observe(report());
    expect(lines).toEqual([
      "info milter queue_id=4fX1 role=incoming client=192.0.2.1 sender=ann@example.com from=example.com spf=pass dmarc=fail action=accept ms=12",
    ]);
  });
});
