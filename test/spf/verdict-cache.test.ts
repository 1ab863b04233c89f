import { describe, expect, test } from "vitest";
import type { Conclusion } from "../../src/spf/conclude.ts";
import { VerdictCache } from "../../src/spf/verdict-cache.ts";

const conclusion: Conclusion = {
  result: "pass",
  mechanism: "+all",
  record: "v=spf1 exists:%{h}.example +all",
  problem: undefined,
  explanation: undefined,
  lookups: 1,
  voidLookups: 0,
};

describe("The cache of verdicts", () => {
  test.each<{ name: string; key: (i: number) => readonly [domain: string, heloName: string] }>([
    { name: "HELO names", key: (i: number) => ["a.example", `${i}${"x".repeat(10_000)}`] },
    { name: "domains", key: (i: number) => [`${i}${"x".repeat(10_000)}`, "h.example"] },
  ])("bounds the bytes of its $name", ({ key }) => {
    const cache = new VerdictCache(100);
    for (let i = 0; i < 50; i++) {
      const [domain, helo] = key(i);
      cache.set("192.0.2.1", domain, helo, conclusion, { dependence: "helo", expiresAtMs: 1e6 }, 0);
    }
    const kept = Array.from({ length: 50 }, (_, i) => cache.get("192.0.2.1", ...key(i), 1)).filter(
      (known) => known !== undefined,
    );
    expect(kept.length).toBeLessThanOrEqual(5);
    expect(cache.get("192.0.2.1", ...key(49), 1)?.result).toBe("pass");
  });
});
