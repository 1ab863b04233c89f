import fc from "fast-check";
import { expect, test } from "vitest";
import { authenticationResults, authenticationResultsUnchecked } from "../../src/mail/authentication-results.ts";
import { SPF_RESULTS, type SpfVerdict } from "../../src/spf/verdict.ts";
import { verdict } from "../policy/fixtures.ts";
import { readAuthenticationResults } from "../policy/grammar.ts";
import { anyText } from "../policy/hostile.ts";

const HELO = { identity: "helo", domain: "mail.sender.test" } as const;

const LINES: readonly { name: string; verdicts: readonly SpfVerdict[]; line: string }[] = [
  {
    name: "both identities, MAIL FROM first",
    verdicts: [verdict("none"), verdict("pass", HELO)],
    line: "Authentication-Results: mx.test; spf=none (explained none) smtp.mailfrom=sender.test; spf=pass (explained pass) smtp.helo=mail.sender.test",
  },
  {
    name: "HELO alone",
    verdicts: [verdict("fail", HELO)],
    line: "Authentication-Results: mx.test; spf=fail (explained fail) smtp.helo=mail.sender.test",
  },
  {
    name: "an address literal and an underscore",
    verdicts: [
      verdict("none", { domain: "my_host.test" }),
      verdict("none", { identity: "helo", domain: "[192.0.2.10]" }),
    ],
    line: 'Authentication-Results: mx.test; spf=none (explained none) smtp.mailfrom=my_host.test; spf=none (explained none) smtp.helo="[192.0.2.10]"',
  },
  {
    name: "a sender without a domain",
    verdicts: [verdict("none", { domain: "" })],
    line: 'Authentication-Results: mx.test; spf=none (explained none) smtp.mailfrom=""',
  },
];

test.each(LINES)("authenticationResults writes $name", ({ verdicts, line }) => {
  expect(authenticationResults("mx.test", verdicts)).toBe(line);
  expect(readAuthenticationResults(line).authservId).toBe("mx.test");
});

test("authenticationResultsUnchecked says none, and why", () => {
  const line = authenticationResultsUnchecked("mx.test", "not checked (list)");
  expect(line).toBe("Authentication-Results: mx.test; none (not checked \\(list\\))");
  expect(readAuthenticationResults(line)).toEqual({ authservId: "mx.test", results: "none" });
});

test("authenticationResults is one legal line with our own results, whatever HELO, sender and DNS say", () => {
  const results = fc.constantFrom(...SPF_RESULTS);
  fc.assert(
    fc.property(
      results,
      results,
      anyText,
      anyText,
      anyText,
      fc.boolean(),
      (from, helo, domain, name, explanation, explanationFromDomain) => {
        const line = authenticationResults("mx.test", [
          verdict(from, { domain, explanation, explanationFromDomain }),
          verdict(helo, { identity: "helo", domain: name, explanation }),
        ]);
        expect(line).toMatch(/^[\x20-\x7e]{1,998}$/);
        expect(readAuthenticationResults(line)).toMatchObject({
          authservId: "mx.test",
          results: [
            { result: from, properties: domain.length > 253 ? {} : expect.any(Object) },
            { result: helo, properties: name.length > 253 ? {} : expect.any(Object) },
          ],
        });
      },
    ),
    { numRuns: 2000 },
  );
});
