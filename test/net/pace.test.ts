import { expect, test } from "vitest";
import { atPace } from "../../src/net/pace.ts";

interface Client {
  readonly id: number;
  close(): void;
}

/** Gives each of `count` clients away at once, to a host with room for `room`. */
function give(count: number, room: () => number, pauseMs: () => number) {
  const taken: number[] = [];
  const closed: number[] = [];
  const asked: number[] = [];
  const accept = atPace<Client>({
    pauseMs,
    hasRoom: (waiting) => {
      asked.push(waiting);
      return taken.length + waiting < room();
    },
    take: ({ id }) => void taken.push(id),
  });
  for (let id = 0; id < count; id++) accept({ id, close: () => void closed.push(id) });
  return { taken, closed, asked };
}

test("Those that wait take room: others are closed at once, and hold no descriptor", async () => {
  const { taken, closed, asked } = give(
    8,
    () => 5,
    () => 20,
  );
  expect({ taken, closed }).toEqual({ taken: [0], closed: [5, 6, 7] });
  expect(asked).toEqual([0, 0, 1, 2, 3, 4, 4, 4]);
  await expect.poll(() => taken).toEqual([0, 1, 2, 3, 4]);
  expect(closed).toEqual([5, 6, 7]);
});

test("Those that find no room when their time comes are closed", async () => {
  let room = 3;
  const { taken, closed } = give(
    3,
    () => room,
    () => 5,
  );
  room = 0;
  await expect.poll(() => closed).toEqual([1, 2]);
  expect(taken).toEqual([0]);
});

test("Without a pause each is taken when it comes", () => {
  const { taken, closed } = give(
    3,
    () => 2,
    () => 0,
  );
  expect({ taken, closed }).toEqual({ taken: [0, 1], closed: [2] });
});

test("When pauses end while some wait, those are taken", async () => {
  let pauseMs = 5;
  const { taken } = give(
    4,
    () => 9,
    () => pauseMs,
  );
  pauseMs = 0;
  expect(taken).toEqual([0]);
  await expect.poll(() => taken).toEqual([0, 1, 2, 3]);
});
