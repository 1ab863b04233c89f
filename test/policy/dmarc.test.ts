import { expect, test } from "vitest";
import { publishesDmarc } from "../../src/policy/dmarc.ts";
import { tableResolver } from "./fixtures.ts";

const RECORD = "v=DMARC1; p=reject";

const CASES: readonly {
  name: string;
  domain?: string;
  dns: Record<string, readonly string[] | "timeout">;
  published: boolean;
}[] = [
  { name: "its own record", dns: { "TXT _dmarc.mail.example.net": [RECORD] }, published: true },
  { name: "the record of a domain above", dns: { "TXT _dmarc.example.net": [RECORD] }, published: true },
  {
    name: "the record of the top-level domain",
    dns: { "TXT _dmarc.net": ["v=DMARC1; p=reject; psd=y"] },
    published: true,
  },
  { name: "no record", dns: {}, published: false },
  { name: "a record without tags", dns: { "TXT _dmarc.example.net": ["v=DMARC1"] }, published: true },
  { name: "a record with blanks", dns: { "TXT _dmarc.example.net": ["v = DMARC1 ; p=none"] }, published: true },
  { name: "a record of another version", dns: { "TXT _dmarc.example.net": ["v=DMARC10; p=none"] }, published: false },
  { name: "a record in lower case", dns: { "TXT _dmarc.example.net": ["v=dmarc1; p=none"] }, published: false },
  { name: "other text beside the record", dns: { "TXT _dmarc.example.net": ["x", RECORD] }, published: true },
  { name: "two records, which are none", dns: { "TXT _dmarc.example.net": [RECORD, RECORD] }, published: false },
  {
    name: "two records below a right one",
    dns: { "TXT _dmarc.example.net": [RECORD, RECORD], "TXT _dmarc.net": [RECORD] },
    published: true,
  },
  { name: "a record that cannot be asked for", dns: { "TXT _dmarc.example.net": "timeout" }, published: true },
  {
    name: "a name in capitals with a dot",
    domain: "Mail.Example.NET.",
    dns: { "TXT _dmarc.example.net": [RECORD] },
    published: true,
  },
  { name: "no domain", domain: "", dns: {}, published: false },
];

test.each(CASES)("publishesDmarc finds $name: $published", async ({ domain = "mail.example.net", dns, published }) => {
  expect(await publishesDmarc(domain, tableResolver(dns), 0)).toBe(published);
});

test.each([
  { domain: "a.b.c", asked: ["a.b.c", "b.c", "c"] },
  {
    domain: "a.b.c.d.e.f.g.h",
    asked: ["a.b.c.d.e.f.g.h", "b.c.d.e.f.g.h", "c.d.e.f.g.h", "d.e.f.g.h", "e.f.g.h", "f.g.h", "g.h", "h"],
  },
  {
    domain: "a.b.c.d.e.f.g.h.i.j",
    asked: ["a.b.c.d.e.f.g.h.i.j", "d.e.f.g.h.i.j", "e.f.g.h.i.j", "f.g.h.i.j", "g.h.i.j", "h.i.j", "i.j", "j"],
  },
  { domain: "a..b", asked: [] },
])("publishesDmarc walks up from $domain with 8 questions at most", async ({ domain, asked }) => {
  const resolver = tableResolver({});
  await publishesDmarc(domain, resolver, 0);
  expect(resolver.asked).toEqual(asked.map((name) => `TXT _dmarc.${name}`));
});
