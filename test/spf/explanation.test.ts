import { expect, test } from "vitest";
import { stockExplanation } from "../../src/spf/explanation.ts";
import { SPF_RESULTS } from "../../src/spf/verdict.ts";

test("stockExplanation has one printable line of at most 200 characters for each result, however odd the names", () => {
  const names = ["", "example.com", `${"l".repeat(250)}.x`, "a\r\nb\xff", "x".repeat(5000)];
  for (const result of SPF_RESULTS) {
    for (const name of names) {
      for (const problem of [undefined, ...names]) {
        expect(stockExplanation(result, name, name, problem)).toMatch(/^[\x20-\x7e]{1,200}$/);
      }
    }
  }
});
