import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Backlog } from "../../src/net/backlog.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "setImmediate"] }));
afterEach(() => void vi.useRealTimers());

/** Workers of so many turns each. Their letters in `done`, in the order of their turns. */
function work(backlog: Backlog, workers: Readonly<Record<string, number>>): string[] {
  const done: string[] = [];
  for (const [letter, turns] of Object.entries(workers)) {
    let left = turns;
    const worker = {
      isGone: false,
      takeTurn(): void {
        done.push(letter);
        if (--left > 0) backlog.add(worker);
      },
    };
    backlog.add(worker);
  }
  return done;
}

test("Workers take turns, one in a turn of the event loop", async () => {
  const done = work(new Backlog(), { a: 3, b: 1, c: 2 });
  const seen: string[] = [];
  for (let i = 0; i < 6; i++) {
    vi.advanceTimersToNextTimer();
    seen.push(done.join(""));
  }
  expect(seen).toEqual(["a", "ab", "abc", "abca", "abcac", "abcaca"]);
  expect(vi.getTimerCount()).toBe(0);
});

test("Workers that pause take one turn in each pause, however many they are", () => {
  const done = work(new Backlog(1), { a: 50, b: 50 });
  expect(done).toEqual([]);
  vi.advanceTimersByTime(10);
  expect(done.join("")).toBe("ab".repeat(5));
  vi.advanceTimersByTime(90);
  expect(done).toHaveLength(100);
  expect(vi.getTimerCount()).toBe(0);
});

test("A worker can make the pause behind its turn longer", () => {
  const backlog = new Backlog(1);
  const atMs: number[] = [];
  let ms = 0;
  const worker = {
    isGone: false,
    takeTurn(): void {
      atMs.push(ms);
      if (atMs.length === 1) backlog.rest(3);
      if (atMs.length < 4) backlog.add(worker);
    },
  };
  backlog.add(worker);
  while (ms < 10) {
    ms++;
    vi.advanceTimersByTime(1);
  }
  expect(atMs).toEqual([1, 5, 6, 7]);
});

test("New workers have every other turn, the newest first, and the oldest of many wait with the others", () => {
  const backlog = new Backlog(1);
  const done = work(backlog, { a: 3, b: 3 });
  for (let i = 0; i < 20; i++) backlog.add({ isGone: false, isNew: true, takeTurn: () => void done.push(String(i)) });
  vi.advanceTimersByTime(100);
  const expected = ["19", "a", "18", "b", "17", "0", "16", "1", "15", "2", "14", "3", "13", "a", "12", "b"];
  expect(done).toEqual([...expected, "11", "a", "10", "b", "9", "8", "7", "6", "5", "4"]);
  expect(vi.getTimerCount()).toBe(0);
});

test("A worker that fails stops no other", () => {
  const backlog = new Backlog();
  const served: string[] = [];
  backlog.add({
    isGone: false,
    takeTurn() {
      throw new Error("broken");
    },
  });
  backlog.add({ isGone: false, takeTurn: () => void served.push("next") });
  expect(() => vi.advanceTimersToNextTimer()).toThrow("broken");
  vi.advanceTimersToNextTimer();
  expect(served).toEqual(["next"]);
});

test("A worker that begins at once takes the place of the next turn", () => {
  const backlog = new Backlog();
  expect([backlog.mayBegin(), backlog.mayBegin()]).toEqual([true, false]);
  const done = work(backlog, { a: 1 });
  vi.advanceTimersToNextTimer();
  expect(done).toEqual([]);
  expect(backlog.mayBegin()).toBe(false);
  vi.advanceTimersToNextTimer();
  expect(done).toEqual(["a"]);
  expect(backlog.mayBegin()).toBe(true);
  vi.advanceTimersToNextTimer();
  expect(vi.getTimerCount()).toBe(0);
  expect(backlog.mayBegin()).toBe(true);
});

test("Workers that are gone get no turn", () => {
  const backlog = new Backlog(1);
  const served: number[] = [];
  for (let i = 0; i < 1000; i++) backlog.add({ isGone: i < 999, takeTurn: () => void served.push(i) });
  vi.advanceTimersByTime(1);
  expect(served).toEqual([999]);
  vi.advanceTimersByTime(1);
  expect(vi.getTimerCount()).toBe(0);
});
