import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Timer, TimerWheel } from "../../src/dns/timer-wheel.ts";

describe("TimerWheel", () => {
  let nowMs = 0;
  let fired: string[] = [];
  let wheel: TimerWheel;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    nowMs = 1000;
    fired = [];
    wheel = new TimerWheel(() => nowMs);
  });
  afterEach(() => {
    wheel.close();
    vi.useRealTimers();
  });

  function timer(name: string): Timer {
    return new (class extends Timer {
      fire(): void {
        fired.push(name);
      }
    })();
  }

  function pass(ms: number): void {
    for (let step = 0; step < ms; step += 20) {
      nowMs += 20;
      vi.advanceTimersByTime(20);
    }
  }

  test("fires a timer when its time has come, and only then", () => {
    wheel.arm(timer("a"), 1100);
    pass(80);
    expect(fired).toEqual([]);
    pass(40);
    expect(fired).toEqual(["a"]);
    pass(20_000);
    expect(fired).toEqual(["a"]);
  });

  test("fires a timer that lies turns of the wheel ahead", () => {
    wheel.arm(timer("a"), nowMs + 25_000);
    pass(24_980);
    expect(fired).toEqual([]);
    pass(40);
    expect(fired).toEqual(["a"]);
  });

  test("fires timers in the order of their times", () => {
    wheel.arm(timer("late"), 1300);
    wheel.arm(timer("early"), 1100);
    wheel.arm(timer("between"), 1200);
    pass(400);
    expect(fired).toEqual(["early", "between", "late"]);
  });

  test("takes a time in the past for the next tick", () => {
    wheel.arm(timer("a"), 0);
    pass(20);
    expect(fired).toEqual(["a"]);
  });

  test("never fires a timer armed for ever", () => {
    wheel.arm(timer("a"), Number.POSITIVE_INFINITY);
    pass(30_000);
    expect(fired).toEqual([]);
  });

  test("does not fire what is disarmed, or armed for later meanwhile", () => {
    const [gone, moved] = [timer("gone"), timer("moved")];
    wheel.arm(gone, 1100);
    wheel.arm(moved, 1100);
    wheel.disarm(gone);
    wheel.disarm(gone);
    wheel.arm(moved, 1500);
    pass(400);
    expect(fired).toEqual([]);
    pass(140);
    expect(fired).toEqual(["moved"]);
  });

  test("lets a timer arm itself anew", () => {
    const again = new (class extends Timer {
      fire(): void {
        fired.push(`at ${nowMs}`);
        if (fired.length < 3) wheel.arm(this, nowMs + 100);
      }
    })();
    wheel.arm(again, 1100);
    pass(1000);
    expect(fired).toEqual(["at 1100", "at 1200", "at 1300"]);
  });

  test("fires everything that became due while the process slept", () => {
    wheel.arm(timer("a"), 1100);
    wheel.arm(timer("b"), 9_000);
    wheel.arm(timer("c"), 99_000);
    nowMs += 60_000;
    vi.advanceTimersByTime(20);
    expect(fired.sort()).toEqual(["a", "b"]);
  });

  test("stands still some time after the last timer, and starts again", () => {
    wheel.arm(timer("a"), 1100);
    pass(4000);
    expect(vi.getTimerCount()).toBe(0);
    wheel.arm(timer("b"), nowMs + 100);
    pass(200);
    expect(fired).toEqual(["a", "b"]);
  });
});
