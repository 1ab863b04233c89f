import { expect, test } from "vitest";
import { anyHas, type Source } from "../../src/domains/source.ts";

const NAME = { ascii: "a.test", unicode: undefined };
const yes: Source = { has: () => true };
const no: Source = { has: () => false };
const later: Source = { has: async () => true };
const laterNo: Source = { has: async () => false };
const broken: Source = { has: () => Promise.reject(new Error("no answer")) };
const never: Source = {
  has() {
    throw new Error("asked although the answer is known");
  },
};

test.each([
  { name: "nothing", checks: [], has: false },
  { name: "lists alone, at once", checks: [no, yes, never], has: true },
  { name: "lists alone that do not have it, at once", checks: [no, no], has: false },
])("anyHas answers from $name", ({ checks, has }) => {
  expect(anyHas(checks, NAME)).toBe(has);
});

test.each([
  { name: "a table, without asking the next", checks: [no, later, never], has: true },
  { name: "the table after one that does not have it", checks: [laterNo, later], has: true },
  { name: "a table, though the one before does not answer", checks: [broken, later], has: true },
  { name: "a list, though a table before does not answer", checks: [broken, yes], has: true },
  { name: "tables that all do not have it", checks: [laterNo, laterNo, no], has: false },
])("anyHas answers from $name", async ({ checks, has }) => {
  expect(await anyHas(checks, NAME)).toBe(has);
});

test("anyHas rejects when one does not answer and no other has it", async () => {
  await expect(anyHas([broken, laterNo, no], NAME)).rejects.toThrow("no answer");
});
