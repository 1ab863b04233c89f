import { expect, test } from "vitest";
import { milterObserver } from "../../src/daemon/milter-observer.ts";
import { idleMetrics, keepingLogger } from "../helpers/observed.ts";

test("A packet that should not come is counted, and logged with the message's queue id", () => {
  const { logger, lines } = keepingLogger("info");
  const metrics = idleMetrics();
  const observer = milterObserver(metrics, logger);
  for (let i = 0; i < 12; i++) observer.badPacket("EOH out of\norder", "4XQ");
  expect(lines).toHaveLength(10);
  expect(lines[0]).toBe('warn protocol protocol=milter queue_id=4XQ problem="EOH out of\\norder"');
  const counted = metrics.protocolErrors.values().filter(({ value }) => value > 0);
  expect([...counted]).toEqual([{ labels: { protocol: "milter" }, value: 12 }]);
});

test("An error of the application is logged with its stack", () => {
  const { logger, lines } = keepingLogger("info");
  milterObserver(idleMetrics(), logger).failed(new Error("ours"), "NOQUEUE");
  expect(lines).toEqual([
    expect.stringMatching(/^error internal protocol=milter queue_id=NOQUEUE problem=ours stack="Error: ours\\n/),
  ]);
});
