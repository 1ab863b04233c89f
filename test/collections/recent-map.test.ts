import fc from "fast-check";
import { expect, test } from "vitest";
import { RecentMap } from "../../src/collections/recent-map.ts";

const MAX = 8;

test("RecentMap never holds more than it may, and never forgets the last half", () => {
  const key = fc.integer({ min: 0, max: 30 }).map(String);
  const step = fc.record({ key, isSet: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const map = new RecentMap<number>(MAX);
      const values = new Map<string, number>();
      let recent: string[] = [];
      steps.forEach((one, index) => {
        if (one.isSet) {
          map.set(one.key, index);
          values.set(one.key, index);
        }
        const got = map.get(one.key);
        if (got !== undefined || recent.includes(one.key)) expect(got).toBe(values.get(one.key));
        if (got !== undefined) recent = [one.key, ...recent.filter((other) => other !== one.key)].slice(0, MAX / 2);
      });
      expect(map.size).toBeLessThanOrEqual(MAX);
      expect(map.size === 0).toBe(values.size === 0);
    }),
    { numRuns: 500 },
  );
});
