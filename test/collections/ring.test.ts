import { expect, test } from "vitest";
import { Ring } from "../../src/collections/ring.ts";

test("A ring keeps the last records, the newest first, in the same slots", () => {
  const slots: { n: number }[] = [];
  const ring = new Ring(3, () => {
    const slot = { n: 0 };
    slots.push(slot);
    return slot;
  });
  expect(ring.newest()).toEqual([]);
  ring.next().n = 1;
  ring.next().n = 2;
  expect(ring.newest()).toEqual([{ n: 2 }, { n: 1 }]);
  for (let n = 3; n <= 7; n++) ring.next().n = n;
  expect(ring.newest()).toEqual([{ n: 7 }, { n: 6 }, { n: 5 }]);
  expect(new Set(ring.newest())).toEqual(new Set(slots));
});
