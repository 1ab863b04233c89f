import { expect, test } from "vitest";
import { atPace } from "../../src/net/pace.ts";

/** Gives each of `count` clients away in one turn of the event loop, to a host with room for `room` that takes 2 in 20 ms. */
function give(count: number, room: number) {
  const taken: number[] = [];
  const closed: number[] = [];
  const asked: number[] = [];
  const accept = atPace<{ readonly id: number; close(): void }>({
    pace: () => ({ atOnce: 2, pauseMs: 20 }),
    hasRoom: (waiting) => {
      asked.push(waiting);
      return taken.length + waiting < room;
    },
    take: ({ id }) => void taken.push(id),
  });
  for (let id = 0; id < count; id++) accept({ id, close: () => void closed.push(id) });
  return { taken, closed, asked };
}

test("Those that wait take room: others are closed at once, and hold no descriptor", async () => {
  const { taken, closed, asked } = give(8, 5);
  expect({ taken, closed }).toEqual({ taken: [0, 1], closed: [5, 6, 7] });
  expect(asked).toEqual([0, 0, 0, 1, 2, 3, 3, 3]);
  await expect.poll(() => taken).toEqual([0, 1, 2, 3, 4]);
  expect(closed).toEqual([5, 6, 7]);
});

test("Those that would wait for more than 512 pauses are closed", () => {
  const { closed } = give(2 + 2 * 512 + 3, Number.POSITIVE_INFINITY);
  expect(closed).toEqual([1026, 1027, 1028]);
});

test("Those that find no room when their time comes are closed", async () => {
  let isFull = false;
  const [taken, closed] = [new Set<string>(), new Set<string>()];
  const accept = atPace<{ readonly name: string; close(): void }>({
    pace: () => ({ atOnce: 1, pauseMs: 5 }),
    hasRoom: () => !isFull,
    take: ({ name }) => void taken.add(name),
  });
  for (const name of ["a", "b"]) accept({ name, close: () => void closed.add(name) });
  isFull = true;
  await expect.poll(() => [...closed]).toEqual(["b"]);
  expect([...taken]).toEqual(["a"]);
});
