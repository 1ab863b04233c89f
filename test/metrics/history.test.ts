import { describe, expect, test } from "vitest";
import { History, MINUTES_PER_DAY } from "../../src/metrics/history.ts";

const MINUTE_MS = 60_000;

function setUp(startMinute = 0) {
  const counters = [100, 0];
  const history = new History(
    counters.map((_, i) => () => counters[i] ?? 0),
    startMinute * MINUTE_MS,
  );
  /** Adds to the first counter, and samples in this minute. */
  const count = (minute: number, added: number): void => {
    counters[0] = (counters[0] ?? 0) + added;
    history.sample(minute * MINUTE_MS + 5_000);
  };
  return { counters, history, count };
}

describe("A history", () => {
  test("has the increase of each minute, the oldest first, and nothing from before its start", () => {
    const { history, count, counters } = setUp();
    count(0, 1);
    count(0, 2);
    count(1, 5);
    counters[1] = 9;
    count(3, 7);
    expect(history.last(0, 5)).toEqual([0, 3, 5, 0, 7]);
    expect(history.last(1, 5)).toEqual([0, 0, 0, 0, 9]);
  });

  test("forgets what is older than a day", () => {
    const { history, count } = setUp(10);
    count(10, 4);
    count(10 + MINUTES_PER_DAY - 1, 1);
    expect(history.last(0, MINUTES_PER_DAY).indexOf(4)).toBe(0);
    count(10 + MINUTES_PER_DAY, 1);
    expect(history.last(0, MINUTES_PER_DAY)).not.toContain(4);
    count(100 + 5 * MINUTES_PER_DAY, 2);
    expect(history.last(0, MINUTES_PER_DAY).filter(Boolean)).toEqual([2]);
  });

  test("counts no decrease, and a clock that goes back as no new minute", () => {
    const { history, count, counters } = setUp(5);
    count(5, 3);
    counters[0] = 0;
    count(4, 0);
    count(5, 2);
    expect(history.last(0, 2)).toEqual([0, 5]);
  });

  test("adds up to what was counted, whenever it is sampled", () => {
    const { history, counters } = setUp();
    let ms = 0;
    for (let i = 0; i < 500; i++) {
      ms += (i * 7919) % 130_000;
      counters[0] = (counters[0] ?? 0) + (i % 5);
      history.sample(ms);
    }
    expect(history.last(0, MINUTES_PER_DAY).reduce((sum, one) => sum + one, 0)).toBe((counters[0] ?? 0) - 100);
  });
});
