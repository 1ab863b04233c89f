import { expect, test } from "vitest";
import { PLACEHOLDERS, parseDisposition, parseReplyText } from "../../src/policy/settings.ts";
import { DEFAULT_POLICY_SETTINGS } from "./fixtures.ts";

test.each([
  { text: "tag", disposition: { kind: "tag" } },
  { text: "reject", disposition: { kind: "reject" } },
  { text: "defer", disposition: { kind: "defer" } },
  { text: "reject-unless-dmarc", disposition: { kind: "reject-unless-dmarc" } },
  { text: "reject-no-mail", disposition: { kind: "reject-no-mail" } },
  { text: "action:OK", disposition: { kind: "action", action: "OK" } },
  { text: "action: REJECT go: away ", disposition: { kind: "action", action: "REJECT go: away" } },
  { text: "action:", disposition: undefined },
  { text: "action:  ", disposition: undefined },
  { text: "action:550 a\nb", disposition: undefined },
  { text: "action:550 ö", disposition: undefined },
  { text: `action:${"x".repeat(513)}`, disposition: undefined },
  { text: "Reject", disposition: undefined },
  { text: "", disposition: undefined },
])("parseDisposition reads $text", ({ text, disposition }) => {
  expect(parseDisposition(text)).toEqual(disposition);
});

test.each([
  { text: DEFAULT_POLICY_SETTINGS.rejectMessage, isGood: true },
  { text: `${PLACEHOLDERS.map((name) => `{${name}}`).join(" ")} {} { x }`, isGood: true },
  { text: "{result}: see {url}", isGood: false },
  { text: "two\nlines", isGood: false },
  { text: "schön", isGood: false },
  { text: "", isGood: false },
  { text: "x".repeat(401), isGood: false },
])("parseReplyText takes $text: $isGood", ({ text, isGood }) => {
  expect(parseReplyText(text)).toBe(isGood ? text : undefined);
});
