import fc from "fast-check";
import { expect, test } from "vitest";
import { replyText } from "../../src/policy/reply-text.ts";
import { PLACEHOLDERS } from "../../src/policy/settings.ts";
import { anyText } from "../helpers/hostile-text.ts";
import { transaction, verdict } from "./fixtures.ts";

const TRANSACTION = { ...transaction(), heloName: "h.test" };

test.each([
  { template: "SPF {result}: {explanation}", text: "SPF fail: {result} {receiver}" },
  { template: "{identity} {domain} {client_address}", text: "mailfrom sender.test 192.0.2.10" },
  { template: "{helo_name} {sender} {receiver}", text: "h.test joe@sender.test mx.test" },
  { template: "{toString} {} { result } {{result}}", text: "{toString} {} { result } {fail}" },
])("replyText fills $template, and braces in values stay", ({ template, text }) => {
  expect(replyText(template, verdict("fail", { explanation: "{result} {receiver}" }), TRANSACTION)).toBe(text);
});

test("replyText is one short line of printable ASCII, whatever HELO, sender and DNS say", () => {
  const template = PLACEHOLDERS.map((name) => `{${name}}`).join(" ");
  fc.assert(
    fc.property(anyText, anyText, anyText, fc.boolean(), (heloName, sender, explanation, explanationFromDomain) => {
      const given = verdict("fail", { explanation, explanationFromDomain, domain: sender });
      expect(replyText(template, given, { ...TRANSACTION, heloName, sender })).toMatch(/^[\x20-\x7e]{1,400}$/);
    }),
  );
});
