import { describe, expect, test } from "vitest";
import { createSpfChecker } from "../../../src/spf/checker.ts";
import { renderTrace } from "../../../src/spf/explain/render.ts";
import { readSuite, SUITES, suiteQuery } from "../../helpers/suites.ts";
import { memoryResolver, type ZoneData, zoneAuthority } from "../../helpers/zone.ts";

const clockMs = () => 0;

function checkerOf(zone: ZoneData) {
  const resolver = memoryResolver(zoneAuthority(zone), { clockMs });
  return createSpfChecker({ resolver, maxDnsLookups: 10, maxVoidLookups: 2, receiver: "mx.example.org", clockMs });
}

async function render(zone: ZoneData, columns?: number): Promise<string> {
  const query = { identity: "mailfrom", clientAddress: "192.0.2.7", heloName: "h.example", deadlineMs: 1 } as const;
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
    `add ip4:192.0.2.7 to that record before "-all"; "ip4=192.0.2.7" there does nothing, did you mean "ip4:192.0.2.7"?`,
  ],
  [
    "an include written as a modifier",
    { "example.com": [{ TXT: "v=spf1 include=b.example -all" }] },
    `"include=b.example" there does nothing, did you mean "include:b.example"?`,
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
    `Cannot read "foo" in the record of "example.com": Unknown mechanism "foo": whoever runs example.com must mend that.`,
  ],
  [
    "two records",
    { "example.com": [{ TXT: "v=spf1 a" }, { TXT: "v=spf1 mx" }] },
    `example.com publishes 2 SPF records, "v=spf1 a" and "v=spf1 mx": make one of them.`,
  ],
  [
    "an include of what has no record",
    { "example.com": [{ TXT: "v=spf1 include:b.example -all" }] },
    `Cannot evaluate "include:b.example": "b.example" has no SPF record: whoever runs example.com must mend that.`,
  ],
  [
    "an include that names no domain",
    { "example.com": [{ TXT: "v=spf1 include:%{l}..b.example -all" }] },
    `Cannot evaluate "include:%{l}..b.example": it names no domain: whoever`,
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
    `More than 2 terms of example.com name what does not exist: "a:x.example", "exists:z.example", "mx:y.example"; remove them.`,
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

test.each(REASONS)("renderTrace ends with the reason: %s", async (_name, zone, reason) => {
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
