import { expect, test } from "vitest";
import { RateLimit } from "../../src/collections/rate-limit.ts";

test("RateLimit lets so many through in each period, and says how many it held back", () => {
  const limit = new RateLimit(2, 1000);
  const passed = [0, 10, 20, 30, 999, 1000, 1001, 1002, 5000].map((nowMs) => limit.pass(nowMs));
  expect(passed).toEqual([0, 0, undefined, undefined, undefined, 3, 0, undefined, 1]);
});
