import { describe, expect, test } from "vitest";
import { readSubject } from "../../src/spf/query.ts";
import type { SpfIdentity } from "../../src/spf/verdict.ts";

const utf8 = (text: string) => Buffer.from(text, "utf8").toString("latin1");

const CASES: readonly (readonly [
  name: string,
  query: { helo: string; sender: string; identity?: SpfIdentity },
  wanted: { domain: string; target: string | undefined; sender: string; helo?: string },
])[] = [
  ["an address", at("joe@Example.com"), { domain: "Example.com", target: "example.com", sender: "joe@example.com" }],
  ["the local part's case", at("Joe@a.b"), { domain: "a.b", target: "a.b", sender: "Joe@a.b" }],
  ["no local part as postmaster", at("@a.b"), { domain: "a.b", target: "a.b", sender: "postmaster@a.b" }],
  ["no @ as a domain", at("a.b"), { domain: "a.b", target: "a.b", sender: "postmaster@a.b" }],
  ["the domain after the last @", at('"x@y"@a.b'), { domain: "a.b", target: "a.b", sender: "x@y@a.b" }],
  ["a quoted local part unquoted", at('"j \\"d\\\\"@a.b'), { domain: "a.b", target: "a.b", sender: 'j "d\\@a.b' }],
  [
    "an empty quoted local part as postmaster",
    at('""@a.b'),
    { domain: "a.b", target: "a.b", sender: "postmaster@a.b" },
  ],
  ["one quote as a quote", at('"@a.b'), { domain: "a.b", target: "a.b", sender: '"@a.b' }],
  ["a trailing dot left out", at("joe@a.b."), { domain: "a.b", target: "a.b", sender: "joe@a.b" }],
  ["two trailing dots as malformed", at("joe@a.b.."), { domain: "a.b.", target: undefined, sender: "joe@a.b." }],
  [
    "U-labels as A-labels",
    at(utf8("jö@bücher.example")),
    {
      domain: "xn--bcher-kva.example",
      target: "xn--bcher-kva.example",
      sender: utf8("jö@xn--bcher-kva.example"),
    },
  ],
  [
    "a literal as no domain",
    at("joe@[192.0.2.1]"),
    {
      domain: "[192.0.2.1]",
      target: undefined,
      sender: "joe@[192.0.2.1]",
    },
  ],
  [
    "a single label as no domain",
    at("joe@localhost"),
    {
      domain: "localhost",
      target: undefined,
      sender: "joe@localhost",
    },
  ],
  [
    "the null sender as postmaster at the HELO name",
    at(""),
    {
      domain: "Mail.example.net",
      target: "mail.example.net",
      sender: "postmaster@mail.example.net",
    },
  ],
  [
    "the HELO identity whatever the sender",
    { ...at("joe@a.b"), identity: "helo" },
    {
      domain: "Mail.example.net",
      target: "mail.example.net",
      sender: "postmaster@mail.example.net",
    },
  ],
  [
    "a HELO name in U-labels",
    { sender: "", helo: utf8("mäil.example") },
    {
      domain: "xn--mil-qla.example",
      target: "xn--mil-qla.example",
      sender: "postmaster@xn--mil-qla.example",
      helo: "xn--mil-qla.example",
    },
  ],
  [
    "a HELO literal as no domain",
    { sender: "", helo: "[IPv6:2001:db8::1]" },
    {
      domain: "[IPv6:2001:db8::1]",
      target: undefined,
      sender: "postmaster@[ipv6:2001:db8::1]",
      helo: "[IPv6:2001:db8::1]",
    },
  ],
];

function at(sender: string) {
  return { sender, helo: "Mail.example.net" };
}

describe("readSubject", () => {
  test.each(CASES)("takes %s", (_name, { helo, sender, identity = "mailfrom" }, wanted) => {
    const query = { identity, clientAddress: "192.0.2.1", heloName: helo, sender, deadlineMs: 0 };
    expect(readSubject(query)).toEqual({ helo, ...wanted });
  });
});
