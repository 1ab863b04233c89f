import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Transaction } from "../../src/policy/check.ts";
import { receivedSpf, receivedSpfUnchecked } from "../../src/policy/received-spf.ts";
import { SPF_RESULTS, type SpfVerdict } from "../../src/spf/verdict.ts";
import { readReceivedSpf } from "../helpers/header-grammar.ts";
import { anyText } from "../helpers/hostile-text.ts";
import { transaction, verdict } from "./fixtures.ts";

const TRANSACTION = transaction();

const LINES: readonly { name: string; verdict: SpfVerdict; transaction?: Partial<Transaction>; line: string }[] = [
  {
    name: "a pass",
    verdict: verdict("pass", { mechanism: "ip4:192.0.2.10" }),
    line: 'Received-SPF: pass (explained pass) client-ip=192.0.2.10; helo=mail.sender.test; mechanism="ip4:192.0.2.10"; envelope-from="joe@sender.test"; identity=mailfrom; receiver=mx.test',
  },
  {
    name: "a permerror with its problem, from IPv6",
    verdict: verdict("permerror", { problem: 'no mechanism "foo"' }),
    transaction: transaction("2001:db8::10"),
    line: 'Received-SPF: permerror (explained permerror) client-ip="2001:db8::10"; helo=mail.sender.test; problem="no mechanism \\"foo\\""; envelope-from="joe@sender.test"; identity=mailfrom; receiver=mx.test',
  },
  {
    name: "the null sender",
    verdict: verdict("none", { identity: "helo" }),
    transaction: { sender: "" },
    line: "Received-SPF: none (explained none) client-ip=192.0.2.10; helo=mail.sender.test; identity=helo; receiver=mx.test",
  },
  {
    name: "the domain's own words",
    verdict: verdict("fail", {
      explanation: "go away) identity=mailfrom; x=(",
      explanationFromDomain: true,
      mechanism: "-all",
    }),
    transaction: { heloName: "" },
    line: 'Received-SPF: fail (The domain sender.test explains: go away\\) identity=mailfrom; x=\\() client-ip=192.0.2.10; mechanism=-all; envelope-from="joe@sender.test"; identity=mailfrom; receiver=mx.test',
  },
  {
    name: "an internationalised sender",
    verdict: verdict("pass"),
    transaction: { sender: "j\xc3\xb6e@p\xc3\xa4ss.test", heloName: "m\xc3\xa4il.test" },
    line: 'Received-SPF: pass (explained pass) client-ip=192.0.2.10; helo="m??il.test"; envelope-from="j\xc3\xb6e@p\xc3\xa4ss.test"; identity=mailfrom; receiver=mx.test',
  },
];

test.each(LINES)("receivedSpf writes $name", ({ verdict: given, transaction: more, line }) => {
  expect(receivedSpf(given, { ...TRANSACTION, ...more })).toBe(line);
  expect(readReceivedSpf(line).result).toBe(given.result);
});

test("receivedSpfUnchecked says none, and why", () => {
  expect(receivedSpfUnchecked("mailfrom", "not checked", TRANSACTION)).toBe(
    'Received-SPF: none (not checked) client-ip=192.0.2.10; helo=mail.sender.test; envelope-from="joe@sender.test"; identity=mailfrom; receiver=mx.test',
  );
});

describe("whatever HELO, sender and DNS say", () => {
  const verdicts = fc.record({
    result: fc.constantFrom(...SPF_RESULTS),
    domain: anyText,
    mechanism: fc.option(anyText, { nil: undefined }),
    problem: fc.option(anyText, { nil: undefined }),
    explanation: anyText,
    explanationFromDomain: fc.boolean(),
  });

  test("receivedSpf is one legal line with our own keys and values", () => {
    fc.assert(
      fc.property(verdicts, anyText, anyText, ({ result, ...more }, heloName, sender) => {
        const line = receivedSpf(verdict(result, more), { ...TRANSACTION, heloName, sender });
        expect(line.length).toBeLessThanOrEqual(998);
        expect(() => new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(line, "latin1"))).not.toThrow();
        const field = readReceivedSpf(line);
        expect(field.result).toBe(result);
        expect(field.pairs).toMatchObject({ "client-ip": "192.0.2.10", identity: "mailfrom", receiver: "mx.test" });
        const known = ["client-ip", "envelope-from", "helo", "identity", "mechanism", "problem", "receiver"];
        expect(known).toEqual(expect.arrayContaining(Object.keys(field.pairs)));
      }),
      { numRuns: 2000 },
    );
  });

  test("a printable sender and HELO come back as they went", () => {
    const printable = fc
      .array(fc.integer({ min: 0x20, max: 0x7e }), { minLength: 1, maxLength: 200 })
      .map((codes) => String.fromCharCode(...codes));
    fc.assert(
      fc.property(printable, printable, (heloName, sender) => {
        const { pairs } = readReceivedSpf(receivedSpf(verdict("pass"), { ...TRANSACTION, heloName, sender }));
        expect(pairs).toMatchObject({ helo: heloName, "envelope-from": sender });
      }),
    );
  });

  test("a HELO alone never makes the line one that needs SMTPUTF8", () => {
    fc.assert(
      fc.property(verdicts, anyText, ({ result, ...more }, heloName) => {
        expect(receivedSpf(verdict(result, more), { ...TRANSACTION, heloName })).toMatch(/^[\x20-\x7e]+$/);
      }),
    );
  });
});

test("what is least needed is left out of a line that would be too long", () => {
  const long = (letter: string) => letter.repeat(400);
  const given = verdict("permerror", { mechanism: long("m"), problem: long("p"), explanation: "short" });
  const field = readReceivedSpf(receivedSpf(given, { ...TRANSACTION, sender: long("s"), heloName: "h" }));
  expect(field.comment).toBe("short");
  expect(Object.keys(field.pairs)).toEqual(["client-ip", "helo", "mechanism", "envelope-from", "identity", "receiver"]);
});
