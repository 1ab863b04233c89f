import { describe, expect, test } from "vitest";
import { AnswerCache, type AnyAnswer } from "../../src/dns/answer-cache.ts";

function failure(trouble: Extract<AnyAnswer, { status: "error" }>["trouble"]): AnyAnswer {
  return { status: "error", trouble, detail: "" };
}

describe("AnswerCache", () => {
  test.each([
    { what: "an answer", answer: { status: "ok", records: ["192.0.2.1"], expiresAtMs: 5000 } },
    { what: "NODATA", answer: { status: "nodata", expiresAtMs: 5000 } },
    { what: "NXDOMAIN", answer: { status: "nxdomain", expiresAtMs: 5000 } },
  ] as const)("keeps $what until it expires, as it is", ({ answer }) => {
    const cache = new AnswerCache(10);
    cache.set("A x", answer, 1000);
    expect(cache.get("A x", 4999)).toBe(answer);
    expect(cache.get("A x", 5000)).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  test.each([
    { trouble: "network", seconds: 5 },
    { trouble: "timeout", seconds: 10 },
    { trouble: "servfail", seconds: 20 },
    { trouble: "malformed", seconds: 20 },
    { trouble: "refused", seconds: 30 },
    { trouble: "formerr", seconds: 30 },
    { trouble: "notimp", seconds: 30 },
    { trouble: "rcode", seconds: 30 },
  ] as const)("keeps $trouble for $seconds s", ({ trouble, seconds }) => {
    const cache = new AnswerCache(10);
    cache.set("A x", failure(trouble), 1000);
    expect(cache.get("A x", 999 + seconds * 1000)).toEqual(failure(trouble));
    expect(cache.get("A x", 1000 + seconds * 1000)).toBeUndefined();
  });

  test.each([failure("aborted"), failure("overload"), { status: "nodata", expiresAtMs: 1000 } as const])(
    "does not keep %j",
    (answer) => {
      const cache = new AnswerCache(10);
      cache.set("A x", answer, 1000);
      expect(cache.size).toBe(0);
    },
  );

  test("keeps nothing when it has no room at all", () => {
    const cache = new AnswerCache(0);
    cache.set("A x", { status: "nodata", expiresAtMs: 5000 }, 1000);
    expect(cache.get("A x", 1000)).toBeUndefined();
  });

  test("drops what was not asked for longest when there are too many", () => {
    const cache = new AnswerCache(2);
    const answer = { status: "nodata", expiresAtMs: 5000 } as const;
    for (const key of ["a", "b"]) cache.set(key, answer, 0);
    cache.get("a", 0);
    cache.set("c", answer, 0);
    expect(["a", "b", "c"].map((key) => cache.get(key, 0) !== undefined)).toEqual([true, false, true]);
  });

  test("holds a few of the biggest answers, and not as many as of small ones", () => {
    const cache = new AnswerCache(1000);
    const big = { status: "ok", records: Array<string>(8).fill("x".repeat(8000)), expiresAtMs: 5000 } as const;
    for (let index = 0; index < 1000; index += 1) cache.set(`TXT ${index}`, big, 0);
    expect(cache.size).toBeGreaterThan(10);
    expect(cache.size).toBeLessThan(20);
  });
});
