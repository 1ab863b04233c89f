import { describe, expect, test } from "vitest";
import type { Resolver } from "../../../src/dns/types.ts";
import { createSpfChecker } from "../../../src/spf/checker.ts";
import { renderTrace } from "../../../src/spf/explain/render.ts";
import { readSuite, SUITES, suiteQuery } from "../../helpers/suites.ts";
import { memoryResolver, type ZoneData, zoneAuthority } from "../../helpers/zone.ts";

const clockMs = () => 0;

function checkerOf(zone: ZoneData) {
  const resolver = memoryResolver(zoneAuthority(zone), { clockMs });
  return createSpfChecker({ resolver, maxDnsLookups: 10, maxVoidLookups: 2, receiver: "mx.example.org", clockMs });
}

async function render(zone: ZoneData, columns?: number, clientAddress = "192.0.2.7"): Promise<string> {
  const query = { identity: "mailfrom", clientAddress, heloName: "h.example", deadlineMs: 1 } as const;
  const { verdict, trace } = await checkerOf(zone).explain({ ...query, sender: "joe@example.com" });
  return renderTrace(trace, verdict, columns);
}

test("renderTrace shows records, terms, lookups and limits, and ends with what to do", async () => {
  const zone = {
    "example.com": [
      { TXT: "site-verification=x" },
      { TXT: "v=spf1 ip4:198.51.100.0/24 mx include:_spf.example.net exists:%{i}.x.%{d} -all exp=why.example.com" },
      { MX: [10, "mx.example.com"] },
    ],
    "mx.example.com": [{ A: "198.51.100.5" }],
    "_spf.example.net": [{ TXT: "v=spf1 ip4:203.0.113.1 ip4:203.0.113.2 ip4:203.0.113.3 ip4:203.0.113.4 a -all" }],
    "why.example.com": [{ TXT: "See http://example.com/%{i}" }],
  };
  expect(await render(zone)).toBe(`mailfrom example.com, client 192.0.2.7
  TXT example.com: 2 TXT, 1 of them SPF (ttl 3600 s, 0.0 ms)
  v=spf1 ip4:198.51.100.0/24 mx include:_spf.example.net exists:%{i}.x.%{d} -all
    exp=why.example.com
    ip4:198.51.100.0/24                                                 no match
    mx                                                                  no match
      = example.com
      MX example.com: 10 mx.example.com (ttl 3600 s, 0.0 ms)
      A mx.example.com: 198.51.100.5 (ttl 3600 s, 0.0 ms)
    include:_spf.example.net                                            no match
      TXT _spf.example.net: 1 TXT, 1 of them SPF (ttl 3600 s, 0.0 ms)
      v=spf1 ip4:203.0.113.1 ip4:203.0.113.2 ip4:203.0.113.3 ip4:203.0.113.4 a
        -all
        ip4:203.0.113.1 ip4:203.0.113.2 ip4:203.0.113.3 ip4:203.0.113.4 no match
        a                                                               no match
          = _spf.example.net
          A _spf.example.net: no record of that type (ttl 60 s, 0.0 ms)
        -all                                                               match
    exists:%{i}.x.%{d}                                                  no match
      = 192.0.2.7.x.example.com
      A 192.0.2.7.x.example.com: no such name (ttl 60 s, 0.0 ms)
    -all                                                                   match
    exp=why.example.com
  exp=why.example.com
    TXT why.example.com: See http://example.com/%{i} (ttl 3600 s, 0.0 ms)
4 of 10 lookups, 2 of 2 void, 0.0 ms
fail: See http://example.com/192.0.2.7
192.0.2.7 is not among the servers that the record of example.com names; if it
  should send mail of example.com, add ip4:192.0.2.7 to that record before
  "-all".
`);
});

const REASONS: readonly (readonly [string, ZoneData, string])[] = [
  [
    "a pass",
    {
      "example.com": [{ TXT: "v=spf1 redirect=b.example" }],
      "b.example": [{ TXT: "v=spf1 include:c.example -all" }],
      "c.example": [{ TXT: "v=spf1 ip4:192.0.2.7" }],
    },
    `192.0.2.7 may send mail of example.com: "include:c.example" in the record of b.example matches, by "ip4:192.0.2.7" in the record of c.example.`,
  ],
  [
    "a record that names the client to refuse it",
    { "example.com": [{ TXT: "v=spf1 -ip4:192.0.2.0/24 +all" }] },
    `192.0.2.7 gets fail because "-ip4:192.0.2.0/24" in the record of example.com matches.`,
  ],
  [
    "a record without all",
    { "example.com": [{ TXT: "v=spf1 ip4:192.0.2.8" }] },
    "192.0.2.7 is not among the servers that the record of example.com names; if it should send mail of example.com, add ip4:192.0.2.7 to that record.",
  ],
  [
    "the record of a redirect",
    { "example.com": [{ TXT: "v=spf1 redirect=b.example" }], "b.example": [{ TXT: "v=spf1 ~all" }] },
    `192.0.2.7 is not among the servers that the record of b.example names; if it should send mail of example.com, add ip4:192.0.2.7 to that record before "~all".`,
  ],
  [
    "a mechanism written as a modifier",
    { "example.com": [{ TXT: "v=spf1 ip4=192.0.2.7 -all" }] },
    `add ip4:192.0.2.7 to that record before "-all". "ip4=192.0.2.7" in the record of example.com does nothing, did you mean "ip4:192.0.2.7"?`,
  ],
  [
    "an include written as a modifier",
    { "example.com": [{ TXT: "v=spf1 include=b.example -all" }] },
    `"include=b.example" in the record of example.com does nothing, did you mean "include:b.example"?`,
  ],
  [
    "a misspelt mechanism",
    { "example.com": [{ TXT: "v=spf1 ipv4:192.0.2.7 -all" }] },
    `"ipv4:192.0.2.7" in the record of example.com is no SPF term: did you mean "ip4:192.0.2.7"?`,
  ],
  [
    "a misspelt mechanism in an included record",
    { "example.com": [{ TXT: "v=spf1 include:b.example -all" }], "b.example": [{ TXT: "v=spf1 192.0.2.7" }] },
    `"192.0.2.7" in the record of b.example is no SPF term: did you mean "ip4:192.0.2.7"?`,
  ],
  [
    "an error without a guess",
    { "example.com": [{ TXT: "v=spf1 foo -all" }] },
    `Cannot read "foo" in the record of "example.com": Unknown mechanism "foo": the owner of example.com must repair that.`,
  ],
  [
    "two records",
    { "example.com": [{ TXT: "v=spf1 a" }, { TXT: "v=spf1 mx" }] },
    `example.com publishes 2 SPF records, "v=spf1 a" and "v=spf1 mx": make one of them.`,
  ],
  [
    "an include of what has no record",
    { "example.com": [{ TXT: "v=spf1 include:b.example -all" }] },
    `Cannot evaluate "include:b.example": "b.example" has no SPF record: the owner of example.com must repair that.`,
  ],
  [
    "an include that names no domain",
    { "example.com": [{ TXT: "v=spf1 include:%{l}..b.example -all" }] },
    `Cannot evaluate "include:%{l}..b.example": it names no domain: the owner`,
  ],
  [
    "too many lookups",
    {
      "example.com": [{ TXT: "v=spf1 a:b.example include:c.example mx -all" }, { MX: [1, "b.example"] }],
      "b.example": [{ A: "192.0.2.1" }],
      "c.example": [{ TXT: `v=spf1${" a:b.example".repeat(8)}` }],
    },
    `The record of example.com needs more than 10 DNS lookups ("a:b.example" 1, "include:c.example" 9; "mx" is one too many): remove terms or replace some by ip4: and ip6:.`,
  ],
  [
    "too many void lookups",
    {
      "example.com": [{ TXT: "v=spf1 a:x.example include:c.example mx:y.example -all" }],
      "c.example": [{ TXT: "v=spf1 exists:z.example" }],
    },
    `More than 2 terms of example.com find nothing for 192.0.2.7: "a:x.example" (no such name), "exists:z.example" (no such name), "mx:y.example" (no such name). Remove what is gone.`,
  ],
  [
    "DNS trouble",
    { "example.com": ["SERVFAIL"] },
    `Cannot look up TXT of "example.com": servfail, so nothing can be said about example.com until that works again.`,
  ],
  [
    "no record",
    { "example.com": [{ TXT: "x" }] },
    "example.com publishes no SPF record, so it says nothing about 192.0.2.7.",
  ],
  [
    "nearly a record",
    { "example.com": [{ TXT: "v=spf1; -all" }] },
    `example.com publishes "v=spf1; -all", which is no SPF record: it has to begin with "v=spf1" and a blank.`,
  ],
];

/** The end of the explanation. */
const NAMED: readonly (readonly [string, ZoneData, string])[] = [
  [
    "a term behind all that does not hold the client",
    { "example.com": [{ TXT: "v=spf1 -all ip4:203.0.113.0/24" }] },
    `add ip4:192.0.2.7 to that record before "-all". "ip4:203.0.113.0/24" stands behind "-all" in the record of example.com, where nothing is looked at: move it before "-all".`,
  ],
  [
    "a term behind all that names the client",
    { "example.com": [{ TXT: "v=spf1 -all ip4:192.0.2.0/24" }] },
    `192.0.2.7 is named by "ip4:192.0.2.0/24", but not where it counts. "ip4:192.0.2.0/24" stands behind "-all" in the record of example.com, where nothing is looked at: move it before "-all".`,
  ],
  [
    "several terms behind all",
    { "example.com": [{ TXT: "v=spf1 ~all include:_spf.example.net mx a ptr exists:x.example" }] },
    `"include:_spf.example.net", "mx", "a" and 2 more stand behind "~all" in the record of example.com, where nothing is looked at: move them before "~all".`,
  ],
  [
    "a term behind all of an included record",
    {
      "example.com": [{ TXT: "v=spf1 include:b.example -all" }],
      "b.example": [{ TXT: "v=spf1 ?all ip4:192.0.2.7" }],
    },
    `192.0.2.7 is named by "ip4:192.0.2.7", but not where it counts. "ip4:192.0.2.7" stands behind "?all" in the record of b.example, where nothing is looked at: move it before "?all".`,
  ],
  [
    "an included record that names the client, but not to let it pass",
    {
      "example.com": [{ TXT: "v=spf1 include:a.example -all" }],
      "a.example": [{ TXT: "v=spf1 include:b.example ?all" }],
      "b.example": [{ TXT: "v=spf1 redirect=c.example" }],
      "c.example": [{ TXT: "v=spf1 ~ip4:192.0.2.0/24 -all" }],
    },
    `192.0.2.7 is named by "~ip4:192.0.2.0/24" in the record of c.example, but with softfail: an include counts only what passes there.`,
  ],
  ["a domain that does not exist", {}, "example.com does not exist in DNS, so nothing is said about 192.0.2.7."],
  [
    "redirect= beside all",
    { "example.com": [{ TXT: "v=spf1 redirect=b.example -all" }] },
    `"redirect=b.example" in the record of example.com is not followed, because "-all" decides.`,
  ],
  [
    "all glued to an include",
    { "example.com": [{ TXT: "v=spf1 include:b.example-all" }], "b.example": [{ TXT: "v=spf1 -all" }] },
    `"include:b.example-all" in the record of example.com names no domain with a record: did you mean "include:b.example -all"?`,
  ],
  [
    "all glued to an address",
    { "example.com": [{ TXT: "v=spf1 ip4:192.0.2.10-all" }] },
    `"ip4:192.0.2.10-all" in the record of example.com is no SPF term: did you mean "ip4:192.0.2.10 -all"?`,
  ],
  [
    "all glued to a host name",
    { "example.com": [{ TXT: "v=spf1 a:b.example-all" }] },
    `"a:b.example-all" in the record of example.com is hardly what was meant, did you mean "a:b.example -all"?`,
  ],
  [
    "a blank behind a colon",
    { "example.com": [{ TXT: "v=spf1 mx ip4: 192.0.2.7 -all" }] },
    `"ip4: 192.0.2.7" in the record of example.com is no SPF term: did you mean "ip4:192.0.2.7"?`,
  ],
  [
    "a blank behind a qualifier",
    { "example.com": [{ TXT: "v=spf1 mx - all" }] },
    `"- all" in the record of example.com is no SPF term: did you mean "-all"?`,
  ],
  [
    "an IPv6 address with a colon too many",
    { "example.com": [{ TXT: "v=spf1 ip6:2001:db8:::1 -all" }] },
    `"ip6:2001:db8:::1" in the record of example.com is no SPF term: did you mean "ip6:2001:db8::1"?`,
  ],
  [
    "an exact name with a value that nobody can read",
    { "example.com": [{ TXT: "v=spf1 ip6:2001:db8::g -all" }] },
    `the owner of example.com must repair that.`,
  ],
  [
    "a wildcard",
    { "example.com": [{ TXT: "v=spf1 a:*.example.com -all" }] },
    `"a:*.example.com" in the record of example.com stands for that very name: SPF knows no wildcards.`,
  ],
  [
    "a wildcard in an include",
    { "example.com": [{ TXT: "v=spf1 include:*.example.com -all" }] },
    `must repair that. "include:*.example.com" in the record of example.com stands for that very name: SPF knows no wildcards.`,
  ],
  [
    "an en dash",
    { "example.com": [{ TXT: "v=spf1 mx \xe2\x80\x93all" }] },
    `"\\226\\128\\147all" in the record of example.com holds U+2013 (en dash): did you mean "-all"?`,
  ],
  [
    "a zero width space",
    { "example.com": [{ TXT: "v=spf1 mx \xe2\x80\x8b-all" }] },
    `in the record of example.com holds U+200B (zero width space): did you mean "-all"?`,
  ],
  [
    "a no-break space",
    { "example.com": [{ TXT: "v=spf1 mx\xc2\xa0-all" }] },
    `in the record of example.com holds U+00A0 (no-break space): did you mean "mx -all"?`,
  ],
  [
    "a letter that is no ASCII",
    { "example.com": [{ TXT: "v=spf1 a:b\xc3\xbccher.example" }] },
    `it holds U+00FC, want printable ASCII: the owner of example.com must repair that.`,
  ],
  [
    "smart quotes around the record",
    { "example.com": [{ TXT: "\xe2\x80\x9cv=spf1 -all\xe2\x80\x9d" }] },
    `which is no SPF record: it has to begin with "v=spf1" and a blank, and it holds U+201C (left double quotation mark).`,
  ],
  ["another version", { "example.com": [{ TXT: "v=spf2 -all" }] }, `publishes "v=spf2 -all", which is no SPF record`],
  ["no version number", { "example.com": [{ TXT: "v=SPF -all" }] }, `publishes "v=SPF -all", which is no SPF record`],
  ["no v=", { "example.com": [{ TXT: "spf1 -all" }] }, `publishes "spf1 -all", which is no SPF record`],
];

const ALIASES: ZoneData = {
  "example.com": [{ CNAME: "spf.hoster.example" }],
  "spf.hoster.example": [{ TXT: "v=spf1 mx:mx.example include:inner.example -all" }],
  "mx.example": [{ CNAME: "mx.hoster.example" }],
  "mx.hoster.example": [{ MX: [1, "m.mx.hoster.example"] }],
  "m.mx.hoster.example": [{ CNAME: "m.example" }],
  "m.example": [{ A: "203.0.113.1" }],
  "inner.example": [{ CNAME: "inner.hoster.example" }],
  "inner.hoster.example": [{ TXT: "v=spf1 ip4:203.0.113.2 ~all mx" }],
};

test("renderTrace and JSON show where aliases lead, and whose record has to be mended", async () => {
  const text = await render(ALIASES, 1000);
  for (const line of [
    "TXT example.com, an alias of spf.hoster.example: 1 TXT, 1 of them SPF",
    "MX mx.example, an alias of mx.hoster.example: 1 m.mx.hoster.example",
    "A m.mx.hoster.example, an alias of m.example: 203.0.113.1",
    "TXT inner.example, an alias of inner.hoster.example: 1 TXT",
  ]) {
    expect(text).toContain(line);
  }
  expect(text.trimEnd().split("\n").at(-1)).toBe(
    "192.0.2.7 is not among the servers that the record of spf.hoster.example (of which example.com is an alias) names; " +
      'if it should send mail of example.com, add ip4:192.0.2.7 to that record before "-all". ' +
      '"mx" stands behind "~all" in the record of inner.hoster.example, where nothing is looked at: move it before "~all".',
  );
  const query = { identity: "mailfrom", clientAddress: "192.0.2.7", heloName: "h.example", deadlineMs: 1 } as const;
  const { trace } = await checkerOf(ALIASES).explain({ ...query, sender: "joe@example.com" });
  expect(JSON.parse(JSON.stringify(trace))).toMatchObject({
    record: { domain: "example.com", lookups: [{ name: "example.com", canonicalName: "spf.hoster.example" }] },
  });
});

test("renderTrace names the owner behind a DNAME", async () => {
  const zone = {
    "old.example": [{ DNAME: "new.example" }],
    "example.com": [{ TXT: "v=spf1 include:a.old.example -all" }],
    "a.new.example": [{ TXT: "v=spf1 ip4:192.0.2.7 -all" }],
  };
  const text = await render(zone, 1000);
  expect(text).toContain("TXT a.old.example, an alias of a.new.example: 1 TXT");
  expect(text).toContain(`by "ip4:192.0.2.7" in the record of a.new.example (of which a.old.example is an alias)`);
});

const HIDDEN = [
  ["10.1.2.3", "a private address (RFC 1918)"],
  ["100.64.7.8", "an address of carrier-grade NAT (RFC 6598)"],
  ["169.254.0.1", "a link-local address"],
  ["fd12::1", "a unique local address (RFC 4193)"],
  ["64:ff9b::192.0.2.33", "an address of NAT64 (RFC 6052, RFC 8215)"],
] as const;

test.each(HIDDEN)("renderTrace asks nobody to publish %s, which is %s", async (clientAddress, kind) => {
  for (const all of ["-all", "~all", "?all", "ip4:203.0.113.1"]) {
    const text = await render({ "example.com": [{ TXT: `v=spf1 mx ${all}` }] }, 1000, clientAddress);
    expect(text).toContain(`${kind}, so the real client is hidden behind a NAT, a proxy or a relay of our own`);
    expect(text).not.toMatch(/add ip[46]:/);
  }
});

test("renderTrace does not tell an IPv6 client that hosts without IPv6 should go", async () => {
  const zone = {
    "example.com": [{ TXT: "v=spf1 a:h1.example a:h2.example a:gone.example a:h3.example -all" }],
    ...Object.fromEntries(["h1.example", "h2.example", "h3.example"].map((name) => [name, [{ A: "192.0.2.1" }]])),
  };
  expect((await render(zone, 1000, "2001:db8::7")).trimEnd().split("\n").at(-1)).toBe(
    'More than 2 terms of example.com find nothing for 2001:db8::7: "a:h1.example" (no AAAA record), ' +
      '"a:h2.example" (no AAAA record), "a:gone.example" (no such name). ' +
      "Remove what is gone, and write hosts without IPv6 as ip4: networks.",
  );
});

test("renderTrace does not suggest what would let everybody send", async () => {
  for (const wrong of ["al", "+ all", "ipv4:0.0.0.0/0", "ip4: 0.0.0.0/0", "mx,+all", "+all\xe2\x80\x8b"]) {
    const text = await render({ "example.com": [{ TXT: `v=spf1 ${wrong}` }] }, 1000);
    expect(text).toContain("permerror");
    expect(text).not.toContain("did you mean");
  }
});

test("renderTrace shows 0 s for an answer that was over when it came", async () => {
  let nowMs = 0;
  const resolver: Resolver = { resolve: () => ({ status: "nxdomain", expiresAtMs: nowMs++ }) };
  const limits = { maxDnsLookups: 10, maxVoidLookups: 2, receiver: "mx.example.org", clockMs: () => nowMs };
  const query = { identity: "mailfrom", clientAddress: "192.0.2.7", heloName: "h.example", deadlineMs: 100 } as const;
  const { verdict, trace } = await createSpfChecker({ resolver, ...limits }).explain({
    ...query,
    sender: "joe@absent.example",
  });
  expect(renderTrace(trace, verdict)).toContain("TXT absent.example: no such name (ttl 0 s, ");
});

test.each([...REASONS, ...NAMED])("renderTrace ends with the reason: %s", async (_name, zone, reason) => {
  const text = await render(zone, 1000);
  expect(text.trimEnd().split("\n").at(-1)).toContain(reason);
});

test("renderTrace keeps to its columns in printable ASCII, whatever a record holds", async () => {
  const zone = {
    "example.com": [{ TXT: "v=spf1 a:%{l}.x.example -all\x1b[31m\n\xff" }, { TXT: `v=spf1 ${"y".repeat(300)}` }],
  };
  const text = await render(zone);
  expect(text).toContain("\\027[31m\\010\\255");
  expect(text).toMatch(/^[\x20-\x7e\n]+$/);
  expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
});

describe.each(SUITES)("Over the suite %s, explain", (suite) => {
  test("agrees with checkHost, and its text keeps to 80 columns", async () => {
    for (const { tests, zonedata } of readSuite(suite)) {
      const checker = checkerOf(zonedata);
      for (const wanted of Object.values(tests)) {
        const query = suiteQuery(wanted, 1);
        const { verdict, trace } = await checker.explain(query);
        expect(verdict).toEqual(await checker.checkHost(query));
        expect(JSON.parse(JSON.stringify(trace))).toMatchObject({ lookups: verdict.lookups });
        const lines = renderTrace(trace, verdict).split("\n");
        expect(lines.filter((line) => line.length > 80 || /[^\x20-\x7e]/.test(line))).toEqual([]);
      }
    }
  });
});
