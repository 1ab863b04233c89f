import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatMailbox, isQuotedString, parseMailbox } from "../../src/mail/mailbox.ts";
import { anyKey, mailbox } from "../srs/mailboxes.ts";
import { readMailbox, writeMailbox } from "../srs/model.ts";

const READ: readonly { address: string; local: string; domain: string }[] = [
  { address: "alice@example.org", local: "alice", domain: "example.org" },
  { address: '"john doe"@example.org', local: "john doe", domain: "example.org" },
  { address: "john doe@example.org", local: "john doe", domain: "example.org" },
  { address: '"a\\"b\\\\c"@x', local: 'a"b\\c', domain: "x" },
  { address: '"a@b"@x', local: "a@b", domain: "x" },
  { address: "a@b@x", local: "a@b", domain: "x" },
  { address: '"a"b@x', local: '"a"b', domain: "x" },
  { address: '"a"."b"@x', local: '"a"."b"', domain: "x" },
  { address: '"a@x', local: '"a', domain: "x" },
  { address: '"a\\"@x', local: '"a\\"', domain: "x" },
  { address: '""@x', local: "", domain: "x" },
  { address: "@x", local: "", domain: "x" },
  { address: "a@", local: "a", domain: "" },
  { address: '"a"@b@c', local: "a", domain: "b@c" },
];

describe("parseMailbox", () => {
  test.each(READ)("reads $address", ({ address, local, domain }) => {
    expect(parseMailbox(address)).toEqual({ local, domain });
  });

  test.each(["", "alice", '"alice"', '"a b'])("finds no domain in %j", (address) => {
    expect(parseMailbox(address)).toBeUndefined();
  });

  test("reads any key as the model does", () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        expect(parseMailbox(key)).toEqual(readMailbox(key));
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});

describe("formatMailbox", () => {
  test.each([
    { local: "alice", address: "alice@x" },
    { local: "a.b+c=d/e{f}", address: "a.b+c=d/e{f}@x" },
    { local: "a..b.", address: "a..b.@x" },
    { local: "caf\xc3\xa9", address: "caf\xc3\xa9@x" },
    { local: "john doe", address: '"john doe"@x' },
    { local: 'a"b\\c', address: '"a\\"b\\\\c"@x' },
    { local: "a@b", address: '"a@b"@x' },
    { local: "a,b", address: '"a,b"@x' },
    { local: "a\x7f", address: '"a\x7f"@x' },
    { local: "", address: '""@x' },
  ])("writes $local", ({ local, address }) => {
    expect(formatMailbox(local, "x")).toBe(address);
  });

  test("writes what parseMailbox reads back, as the model writes it", () => {
    fc.assert(
      fc.property(mailbox, ({ local, domain }) => {
        const address = formatMailbox(local, domain);
        expect(address).toBe(writeMailbox(local, domain));
        expect(parseMailbox(address)).toEqual({ local, domain });
      }),
      { seed: 2, numRuns: 1000 },
    );
  });
});

test.each([
  { text: '"john doe"', is: true },
  { text: '""', is: true },
  { text: '"a\\"b"', is: true },
  { text: '"a"b"', is: false },
  { text: '"a\\"', is: false },
  { text: '"', is: false },
  { text: "a", is: false },
  { text: "", is: false },
])("isQuotedString says $is for $text", ({ text, is }) => {
  expect(isQuotedString(text)).toBe(is);
});
