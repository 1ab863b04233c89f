import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DomainList, domainOf, isDomainName, MailboxList } from "../../src/mail/names.ts";
import { isOwn } from "../srs/model.ts";
import { DEFAULTS } from "../srs/tables.ts";

test.each([
  { entry: "example.net", name: "Example.NET", has: true },
  { entry: "example.net", name: "example.net.", has: true },
  { entry: "example.net", name: "a.example.net", has: false },
  { entry: ".example.net", name: "a.b.example.net", has: true },
  { entry: ".example.net", name: "example.net", has: false },
  { entry: ".example.net", name: "evilexample.net", has: false },
  { entry: ".example.net", name: ".example.net", has: true }, // as postsrsd 2.4 has it,
  { entry: "example.net", name: "", has: false },
  { entry: "", name: "", has: false },
])("a list of $entry holds $name: $has", ({ entry, name, has }) => {
  expect(new DomainList([entry]).has(name)).toBe(has);
});

test.each([
  { entry: "joe@example.net", mailbox: "Joe@Example.net", has: true },
  { entry: "jörg@example.net", mailbox: "j\xc3\xb6rg@example.net", has: true },
  { entry: "joe@example.net", mailbox: "joe@a.example.net", has: false },
  { entry: "@example.net", mailbox: "joe@example.net", has: true },
  { entry: "@example.net", mailbox: '"a@b"@example.net', has: true },
  { entry: "@example.net", mailbox: "joe@other.net", has: false },
  { entry: "@example.net", mailbox: "", has: false },
  { entry: "<>", mailbox: "", has: true },
  { entry: "<>", mailbox: "joe@example.net", has: false },
])("a list of $entry holds $mailbox: $has", ({ entry, mailbox, has }) => {
  expect(new MailboxList([entry]).has(mailbox)).toBe(has);
});

test.each([
  { mailbox: "joe@example.net", domain: "example.net" },
  { mailbox: '"a@b"@example.net', domain: "example.net" },
  { mailbox: "joe", domain: "" },
  { mailbox: "joe@", domain: "" },
])("the domain of $mailbox is $domain", ({ mailbox, domain }) => {
  expect(domainOf(mailbox)).toBe(domain);
});

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

test.each([
  "example.net",
  "Example.NET",
  "localhost",
  "_dmarc.x-y.test",
  "1.2.3",
  "1and1.test",
  "123456789012",
  `${"a".repeat(63)}.test`,
  `${"a.".repeat(126)}a`,
])("isDomainName accepts %j", (name) => {
  expect(isDomainName(name)).toBe(true);
});

test.each([
  "",
  ".",
  "a.",
  ".a",
  "a..b",
  "-a.test",
  "a-.test",
  "a b",
  "a=b",
  "[192.0.2.1]",
  "192.0.2.1",
  "2001:db8::1",
  "b\xfccher.test",
  "a.test\n",
  `${"a".repeat(64)}.test`,
  `${"a.".repeat(126)}ab`,
])("isDomainName refuses %j", (name) => {
  expect(isDomainName(name)).toBe(false);
});
