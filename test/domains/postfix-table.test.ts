import { expect, test } from "vitest";
import { PostmapQueue } from "../../src/domains/postfix-table.ts";
import type { TableAnswer } from "../../src/postfix/postmap.ts";

/** A table that notes what it is asked and answers when it is told to. */
function slowTable() {
  const asked: { keys: readonly string[]; answer: (answer: TableAnswer) => void }[] = [];
  const ask = (_table: string, keys: readonly string[]) => {
    const { promise, resolve } = Promise.withResolvers<TableAnswer>();
    asked.push({ keys, answer: resolve });
    return promise;
  };
  return { asked, queue: new PostmapQueue("hash:/domains", ask) };
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const found = (...keys: string[]): TableAnswer => ({ status: "answered", found: new Set(keys) });

test("A burst of keys goes out together, one process at a time", async () => {
  const { asked, queue } = slowTable();
  const first = [queue.ask("a.test"), queue.ask("b.test")];
  await turn();
  const second = [queue.ask("c.test"), queue.ask("d.test")];
  await turn();
  expect(asked.map(({ keys }) => keys)).toEqual([["a.test", "b.test"]]);
  asked[0]?.answer(found("b.test"));
  expect(await Promise.all(first)).toEqual([found("b.test"), found("b.test")]);
  await turn();
  expect(asked.map(({ keys }) => keys)).toEqual([
    ["a.test", "b.test"],
    ["c.test", "d.test"],
  ]);
  asked[1]?.answer(found());
  expect(await Promise.all(second)).toEqual([found(), found()]);
});

test("Callers with the same key share one question, also while it is on its way", async () => {
  const { asked, queue } = slowTable();
  const first = queue.ask("a.test");
  await turn();
  const second = queue.ask("a.test");
  asked[0]?.answer(found("a.test"));
  expect(await Promise.all([first, second])).toEqual([found("a.test"), found("a.test")]);
  expect(asked).toHaveLength(1);
});

test("No process gets more than a hundred keys", async () => {
  const { asked, queue } = slowTable();
  const answers = Array.from({ length: 250 }, (_, index) => queue.ask(`d${index}.test`));
  for (let batch = 0; batch < 3; batch += 1) {
    await turn();
    asked[batch]?.answer(found());
  }
  await Promise.all(answers);
  expect(asked.map(({ keys }) => keys.length)).toEqual([100, 100, 50]);
});

test("A key beyond ASCII goes alone, so that its failure is nobody else's", async () => {
  const { asked, queue } = slowTable();
  const answers = ["a.test", "ü.test", "ö.test", "b.test"].map((key) => queue.ask(key));
  for (let batch = 0; batch < 4; batch += 1) {
    await turn();
    asked[batch]?.answer(found());
  }
  await Promise.all(answers);
  expect(asked.map(({ keys }) => keys)).toEqual([["a.test"], ["ü.test"], ["ö.test"], ["b.test"]]);
});

test("A table that breaks instead of answering has failed, and is asked again", async () => {
  let works = false;
  const queue = new PostmapQueue("hash:/domains", async () => {
    if (!works) throw new Error("broken");
    return found();
  });
  expect(await queue.ask("a.test")).toEqual({ status: "failed", reason: "broken", wrong: false });
  works = true;
  expect(await queue.ask("a.test")).toEqual(found());
});
