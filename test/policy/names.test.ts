import { expect, test } from "vitest";
import { domainOf, MailboxSet, NameSet } from "../../src/policy/names.ts";

test.each([
  { entry: "example.net", name: "Example.NET", has: true },
  { entry: "example.net", name: "example.net.", has: true },
  { entry: "example.net", name: "a.example.net", has: false },
  { entry: ".example.net", name: "a.b.example.net", has: true },
  { entry: ".example.net", name: "example.net", has: false },
  { entry: ".example.net", name: "evilexample.net", has: false },
  { entry: ".example.net", name: ".example.net", has: false },
  { entry: "example.net", name: "", has: false },
  { entry: "", name: "", has: false },
  { entry: "päss.test", name: "p\xc3\xa4ss.test", has: true },
])("the set of $entry holds $name: $has", ({ entry, name, has }) => {
  expect(new NameSet([entry]).has(name)).toBe(has);
});

test.each([
  { entry: "joe@example.net", mailbox: "Joe@Example.net", has: true },
  { entry: "joe@example.net", mailbox: "joe@a.example.net", has: false },
  { entry: "@example.net", mailbox: "joe@example.net", has: true },
  { entry: "@example.net", mailbox: '"a@b"@example.net', has: true },
  { entry: "@example.net", mailbox: "joe@other.net", has: false },
  { entry: "@example.net", mailbox: "", has: false },
  { entry: "<>", mailbox: "", has: true },
  { entry: "<>", mailbox: "joe@example.net", has: false },
])("the set of $entry holds $mailbox: $has", ({ entry, mailbox, has }) => {
  expect(new MailboxSet([entry]).has(mailbox)).toBe(has);
});

test.each([
  { mailbox: "joe@example.net", domain: "example.net" },
  { mailbox: '"a@b"@example.net', domain: "example.net" },
  { mailbox: "joe", domain: "" },
  { mailbox: "joe@", domain: "" },
])("the domain of $mailbox is $domain", ({ mailbox, domain }) => {
  expect(domainOf(mailbox)).toBe(domain);
});
