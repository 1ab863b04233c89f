import { expect, test } from "vitest";
import { replyText } from "../../src/milter/reply-text.ts";

test.each([
  { reply: { code: 550, enhancedCode: "5.7.1", text: "no" }, text: "550 5.7.1 no" },
  { reply: { code: 451, text: "later" }, text: "451 later" },
  { reply: { code: 421, enhancedCode: "4.7.0", text: "100% %x %%" }, text: "421 4.7.0 100%% %%x %%%%" },
  { reply: { code: 550, text: "a\r\n250 ok\0\xc3\xb6\x7f" }, text: "550 a??250 ok????" },
])("The reply $reply is one line of printable ASCII", ({ reply, text }) => {
  expect(replyText(reply)).toBe(text);
});

test("A long reply ends at 510 characters", () => {
  const text = replyText({ code: 550, enhancedCode: "5.7.1", text: "%".repeat(2000) });
  expect(text.replaceAll("%%", "%")).toHaveLength(510);
  expect(text).toMatch(/^550 5\.7\.1 (?:%%)+\.\.\.$/);
});

test.each([
  { code: 250 },
  { code: 600 },
  { code: 55 },
  { code: 5500 },
  { code: 550.5 },
  { code: 550, enhancedCode: "4.7.1" },
  { code: 451, enhancedCode: "5.7.1" },
  { code: 550, enhancedCode: "5.7" },
  { code: 550, enhancedCode: "" },
  { code: 550, enhancedCode: "5.7.1 x" },
])("Postfix would turn off a filter that replies %j", (reply) => {
  expect(() => replyText({ ...reply, text: "no" })).toThrow(
    /^Cannot reply ".*": want 4xx or 5xx, and an enhanced code of/,
  );
});
