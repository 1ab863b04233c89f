import { describe, expect, test } from "vitest";
import { nearest } from "../../src/collections/nearest.ts";

const NAMES = ["serve", "check-config", "srs forward", "spf", "help"];

describe("nearest", () => {
  test.each([
    { word: "chekc-config", means: "check-config", why: "two letters swapped" },
    { word: "chck-confg", means: "check-config", why: "two dropped" },
    { word: "check_config", means: "check-config", why: "one changed" },
    { word: "check-configg", means: "check-config", why: "one added" },
    { word: "srv", means: undefined, why: "three letters, two edits" },
    { word: "sfp", means: "spf", why: "three letters, one swap" },
    { word: "sp", means: undefined, why: "too short to tell" },
    { word: "spf", means: "spf", why: "the word itself" },
    { word: "milter", means: undefined, why: "like none" },
    { word: "", means: undefined, why: "nothing" },
  ])('takes "$word" for $means: $why', ({ word, means }) => {
    expect(nearest(word, NAMES)).toBe(means);
  });

  test("prefers the name with fewer edits, then the first", () => {
    expect(nearest("forwart", ["forwarx2", "forward"])).toBe("forward");
    expect(nearest("cart", ["card", "care"])).toBe("card");
  });
});
