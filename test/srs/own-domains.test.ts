import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DomainList } from "../../src/srs/own-domains.ts";
import { isOwn } from "./model.ts";
import { DEFAULTS } from "./tables.ts";

describe("A list of example.net, .dot.test and Upper.Example", () => {
  const list = new DomainList(["example.net", ".dot.test", "Upper.Example", "", "example.net"]);

  test.each([
    "example.net",
    "EXAMPLE.net",
    "example.net.",
    "a.dot.test",
    "b.a.Dot.Test",
    "a.dot.test.",
    "upper.example",
  ])("has %j", (domain) => expect(list.has(domain)).toBe(true));

  test.each([
    "",
    ".",
    "a.example.net",
    "xexample.net",
    "dot.test",
    "xdot.test",
    "a.dot.test.x",
    "net",
    "example.net..",
  ])("has not %j", (domain) => expect(list.has(domain)).toBe(false));

  test("counts each name once", () => expect(list.size).toBe(3));
});

test("A list answers as the model does", () => {
  const name = fc
    .array(fc.constantFrom("a", "B", "c"), { minLength: 1, maxLength: 4 })
    .map((labels) => labels.join("."));
  const entries = fc.array(
    fc.tuple(fc.constantFrom("", "."), name).map(([dot, text]) => dot + text),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(entries, name, fc.constantFrom("", "."), (ownDomains, domain, dot) => {
      const expected = isOwn(domain + dot, { ...DEFAULTS, srsDomain: "", ownDomains });
      expect(new DomainList(ownDomains).has(domain + dot)).toBe(expected);
    }),
    { seed: 1, numRuns: 2000 },
  );
});
