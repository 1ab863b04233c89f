import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TransientMap } from "../../src/collections/transient-map.ts";
import { keptOfPassing, PASSING } from "../helpers/passing-memory.ts";

describe("TransientMap", () => {
  test("does what a Map does", () => {
    const key = fc.integer({ min: 0, max: 600 });
    const step = fc.record({ key, isDelete: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 3000, size: "max" }), (steps) => {
        const [passing, model] = [new TransientMap<number, string>(), new Map<number, string>()];
        steps.forEach((one, index) => {
          if (one.isDelete) {
            passing.delete(one.key);
            model.delete(one.key);
          } else {
            passing.set(one.key, `value ${index}`);
            model.set(one.key, `value ${index}`);
          }
          expect(passing.get(one.key)).toBe(model.get(one.key));
          expect(passing.size).toBe(model.size);
        });
        expect([...passing.keys()].sort()).toEqual([...model.keys()].sort());
        expect([...passing.values()].sort()).toEqual([...model.values()].sort());
      }),
      { numRuns: 50 },
    );
  });

  test("lets go of what has left it, where a Map of V8 as it is today does not", () => {
    expect(keptBytes(new Map())).toBeGreaterThan(PASSING * ENTRY_BYTES * 0.5);
    expect(keptBytes(new TransientMap())).toBeLessThan(PASSING * ENTRY_BYTES * 0.1);
  });
});

/** An entry holds a hundred numbers. */
const ENTRY_BYTES = 800;

/** What is left when thousands of entries have passed through `map`, ten at a time. */
function keptBytes(map: { set(key: number, value: unknown): unknown; delete(key: number): unknown }): number {
  return keptOfPassing((key) => {
    map.set(key, new Array(100).fill(key));
    map.delete(key - 10);
  });
}
