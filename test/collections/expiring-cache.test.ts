import { describe, expect, test } from "vitest";
import { ExpiringCache } from "../../src/collections/expiring-cache.ts";

interface Entry {
  readonly text: string;
  readonly expiresAtMs: number;
}

describe("ExpiringCache", () => {
  test("gives an entry back until the moment it expires, and forgets it then", () => {
    const cache = new ExpiringCache<Entry>(10);
    cache.set("a", { text: "one", expiresAtMs: 100 });
    expect(cache.get("a", 99.9)?.text).toBe("one");
    expect(cache.size).toBe(1);
    expect(cache.get("a", 100)).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  test("works on a clock that starts at nought", () => {
    const cache = new ExpiringCache<Entry>(10);
    cache.set("a", { text: "one", expiresAtMs: 1 });
    expect(cache.get("a", 0)?.text).toBe("one");
  });

  test("drops what was not asked for longest when it is full", () => {
    const cache = new ExpiringCache<Entry>(2);
    cache.set("a", { text: "one", expiresAtMs: 9 });
    cache.set("b", { text: "two", expiresAtMs: 9 });
    cache.get("a", 0);
    cache.set("c", { text: "three", expiresAtMs: 9 });
    expect([cache.get("a", 0)?.text, cache.get("b", 0)?.text, cache.get("c", 0)?.text]).toEqual([
      "one",
      undefined,
      "three",
    ]);
    expect(cache.size).toBe(2);
  });

  test("replaces the entry of a key that is set again, and forgets all when it is cleared", () => {
    const cache = new ExpiringCache<Entry>(2);
    cache.set("a", { text: "one", expiresAtMs: 9 });
    cache.set("a", { text: "two", expiresAtMs: 9 });
    expect(cache.get("a", 0)?.text).toBe("two");
    cache.clear();
    expect(cache.get("a", 0)).toBeUndefined();
    expect(cache.size).toBe(0);
  });
});
