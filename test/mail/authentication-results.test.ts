import fc from "fast-check";
import { expect, test } from "vitest";
import {
  authenticationResults,
  type MethodResult,
  noAuthenticationResults,
} from "../../src/mail/authentication-results.ts";
import { readAuthenticationResults } from "../helpers/header-grammar.ts";
import { anyText } from "../helpers/hostile-text.ts";

const SPF: MethodResult = {
  method: "spf",
  result: "pass",
  comment: "192.0.2.1 may send",
  properties: [{ ptype: "smtp", property: "mailfrom", value: "sender.test" }],
};

const DKIM: MethodResult = {
  method: "dkim",
  result: "fail",
  comment: "body hash (relaxed) differs",
  properties: [
    { ptype: "header", property: "d", value: "sender.test" },
    { ptype: "header", property: "b", value: "AbC/+=" },
    { ptype: "policy", property: "expired", value: "" },
  ],
};

const LINES: readonly { name: string; results: readonly MethodResult[]; line: string }[] = [
  {
    name: "one result",
    results: [SPF],
    line: "Authentication-Results: mx.test; spf=pass (192.0.2.1 may send) smtp.mailfrom=sender.test",
  },
  {
    name: "several methods in their order, with all their properties",
    results: [DKIM, SPF],
    line: 'Authentication-Results: mx.test; dkim=fail (body hash \\(relaxed\\) differs) header.d=sender.test header.b="AbC/+=" policy.expired=""; spf=pass (192.0.2.1 may send) smtp.mailfrom=sender.test',
  },
  {
    name: "a result without properties",
    results: [{ ...SPF, properties: [] }],
    line: "Authentication-Results: mx.test; spf=pass (192.0.2.1 may send)",
  },
  {
    name: "no value that is longer than a domain name",
    results: [{ ...SPF, properties: [{ ptype: "smtp", property: "helo", value: "h".repeat(256) }] }],
    line: "Authentication-Results: mx.test; spf=pass (192.0.2.1 may send)",
  },
  {
    name: "no comments where they would make the line too long",
    results: [SPF, { ...SPF, comment: "x".repeat(900) }],
    line: "Authentication-Results: mx.test; spf=pass smtp.mailfrom=sender.test; spf=pass smtp.mailfrom=sender.test",
  },
];

test.each(LINES)("authenticationResults writes $name", ({ results, line }) => {
  expect(authenticationResults("mx.test", results)).toBe(line);
  expect(readAuthenticationResults(line).authservId).toBe("mx.test");
});

test("noAuthenticationResults says none, and why", () => {
  const line = noAuthenticationResults("mx.test", "not checked (list)");
  expect(line).toBe("Authentication-Results: mx.test; none (not checked \\(list\\))");
  expect(readAuthenticationResults(line)).toEqual({ authservId: "mx.test", results: "none" });
});

test("authenticationResults is one legal line with our own results, whatever comments and values hold", () => {
  fc.assert(
    fc.property(anyText, anyText, anyText, (comment, value, other) => {
      const line = authenticationResults("mx.test", [
        { ...SPF, comment, properties: [{ ptype: "smtp", property: "mailfrom", value }] },
        { ...DKIM, comment, properties: [{ ptype: "header", property: "i", value: other }] },
      ]);
      expect(line).toMatch(/^[\x20-\x7e]{1,998}$/);
      expect(readAuthenticationResults(line)).toMatchObject({
        authservId: "mx.test",
        results: [
          {
            method: "spf",
            result: "pass",
            properties: value.length > 253 ? {} : expect.any(Object),
          },
          { method: "dkim", result: "fail", properties: other.length > 253 ? {} : expect.any(Object) },
        ],
      });
    }),
    { numRuns: 2000 },
  );
});
