import { describe, expect, test } from "vitest";
import { createSpfChecker } from "../../../src/spf/checker.ts";
import { isNearlyRecord, suggestAscii, suggestInstead, suggestTerms } from "../../../src/spf/explain/typo.ts";
import { memoryResolver, zoneAuthority } from "../../helpers/zone.ts";
import { Random } from "../random-policies.ts";

/** The record's terms, the number of the one that is wrong, what is quoted, what is suggested. */
const ALONE: readonly (readonly [string, string | undefined])[] = [
  ["ipv4:192.0.2.1", "ip4:192.0.2.1"],
  ["-IPv6:2001:db8::/32", "-ip6:2001:db8::/32"],
  ["ip:192.0.2.0/24", "ip4:192.0.2.0/24"],
  ["192.0.2.1", "ip4:192.0.2.1"],
  ["+2001:db8::1", "+ip6:2001:db8::1"],
  ["a:192.0.2.1", "ip4:192.0.2.1"],
  ["include:192.0.2.1", "ip4:192.0.2.1"],
  ["ip4:2001:db8::1", "ip6:2001:db8::1"],
  ["ip6:192.0.2.1", "ip4:192.0.2.1"],
  ["ip4:192.0.2.1:25", "ip4:192.0.2.1"],
  ["ip6:[2001:db8::1]:25", "ip6:2001:db8::1"],
  ["ip6:[2001:db8::]/32", "ip6:2001:db8::/32"],
  ["ip6:2001:db8:::1", "ip6:2001:db8::1"],
  ["ip4:192.0.2.1-192.0.2.3", "ip4:192.0.2.1 ip4:192.0.2.2/31"],
  ["ip4:192.0.2.0-255", "ip4:192.0.2.0/24"],
  ["ip4:192.0.2.0-192.0.3.255", "ip4:192.0.2.0/23"],
  ["ip4:192.0.2.1-254", undefined],
  ["ip4:192.0.2.9-192.0.2.1", undefined],
  ["ip4:192.0.2.0/255.255.255.0", "ip4:192.0.2.0/24"],
  ["ip4:192.0.2.0/0.0.0.255", "ip4:192.0.2.0/24"],
  ["ip4:192.0.2.0/255.0.255.0", undefined],
  ["ip4:192.0.2.*", "ip4:192.0.2.0/24"],
  ["ip4:192.0.*.*", "ip4:192.0.0.0/16"],
  ["ip4:192.0.2", "ip4:192.0.2.0/24"],
  ["ip4:192.0.2/25", "ip4:192.0.2.0/25"],
  ["ip4:192.0.2.0/", "ip4:192.0.2.0"],
  ["ip4:192.000.002.001", "ip4:192.0.2.1"],
  ["ip4:192.0.2.010", undefined],
  ["ip4:192.0.2.300", undefined],
  ["ip4:192.0.2.1/33", undefined],
  ["ip4:192.0.2.1,", "ip4:192.0.2.1"],
  ["ip4:192.0.2.1,192.0.2.2", "ip4:192.0.2.1 ip4:192.0.2.2"],
  ["ip4:192.0.2.1,ip6:2001:db8::1,-all", "ip4:192.0.2.1 ip6:2001:db8::1 -all"],
  ["a;mx;-all", "a mx -all"],
  ["ip4:192.0.2.10-all", "ip4:192.0.2.10 -all"],
  ["ip4:192.0.2.0/24~all", "ip4:192.0.2.0/24 ~all"],
  ["ipv4:192.0.2.10?all", "ip4:192.0.2.10 ?all"],
  ["include:x.example~all", "include:x.example ~all"],
  ["ip4:192.0.2.1ip4:192.0.2.2", "ip4:192.0.2.1 ip4:192.0.2.2"],
  ["mxinclude:_spf.example.com", "mx include:_spf.example.com"],
  ["ip4:192.0.2.1redirect=_spf.example.com", "ip4:192.0.2.1 redirect=_spf.example.com"],
  ["ip4:ip4:192.0.2.1", "ip4:192.0.2.1"],
  ["-ip4:ip4:192.0.2.1", "-ip4:192.0.2.1"],
  ["ip4:ip4:0.0.0.0/0", undefined],
  ["include:https://_spf.example.com/", "include:_spf.example.com"],
  ["a:mail.example.com:25", "a:mail.example.com"],
  ["mx:smtp://mail.example.com:25", "mx:mail.example.com"],
  ["include:_spf.example.com.;", "include:_spf.example.com"],
  ['"ip4:192.0.2.1"', "ip4:192.0.2.1"],
  ["-all;", "-all"],
  ["-all.", "-all"],
  ['~all"', "~all"],
  ["--all", "-all"],
  ["+-all", "-all"],
  ["all-", "-all"],
  ["+redirect=_spf.example.com", undefined],
  ["redirect:_spf.example.com", "redirect=_spf.example.com"],
  ["redirct:_spf.example.com", "redirect=_spf.example.com"],
  ["includ:a.example", "include:a.example"],
  ["inlcude:a.example", "include:a.example"],
  ["exist:a.example", "exists:a.example"],
  ["~al", "~all"],
  ["-alll", "-all"],
  ["ip4:", undefined],
  ["ip6:2001:db8::g", undefined],
  ["ip4:mail.example.com", "a:mail.example.com"],
  ["mail.example.com", "a:mail.example.com"],
  ["~_spf.example.com", "~include:_spf.example.com"],
  ["include:", undefined],
  ["xyz", undefined],
  ["mxx", undefined],
  ["", undefined],
];

const EVERYBODY = [
  "al",
  "+al",
  "+alll",
  "all;",
  "+-+all",
  "ip4:192.0.2.1+all",
  "ip4:192.0.2.1,all",
  "a,mx,+all",
  "ipv4:0.0.0.0/0",
  "0.0.0.0/0",
  "::/0",
  "ipv6:::/0",
  "ipv6:2000::/3",
  "ipv4:128.0.0.0/1",
  "ip4:0.0.0.0/0.0.0.0",
  "ip4:0.0.0.0-255.255.255.255",
  "ip4:0.0.0.0-127.255.255.255",
  "ip4:*",
  "ip4:*.*.*.*",
  "a/0;",
  "mx//0;",
];

test.each(ALONE)("suggestTerms guesses what %j means: %j", (text, wanted) => {
  expect(suggestTerms([text], 0)?.suggestion).toBe(wanted);
});

test.each(EVERYBODY)("suggestTerms never answers %j with what would let everybody send", (text) => {
  expect(suggestTerms([text], 0)).toBeUndefined();
  expect(suggestInstead(text)).toBeUndefined();
});

describe("suggestTerms joins what blanks tore apart", () => {
  test.each([
    ["ip4: 192.0.2.1 -all", 0, "ip4: 192.0.2.1", "ip4:192.0.2.1"],
    ["a ipv4: 192.0.2.1", 1, "ipv4: 192.0.2.1", "ip4:192.0.2.1"],
    ["ip4 192.0.2.1 -all", 0, "ip4 192.0.2.1", "ip4:192.0.2.1"],
    ["ip4 :192.0.2.1 -all", 0, "ip4 :192.0.2.1", "ip4:192.0.2.1"],
    ["ip4 : 192.0.2.1 -all", 0, "ip4 : 192.0.2.1", "ip4:192.0.2.1"],
    ["include :x.example -all", 0, "include :x.example", "include:x.example"],
    ["include: x.example -all", 0, "include: x.example", "include:x.example"],
    ["a :x.example -all", 1, "a :x.example", "a:x.example"],
    ["mx : x.example -all", 1, "mx : x.example", "mx:x.example"],
    ["redirect= x.example", 0, "redirect= x.example", "redirect=x.example"],
    ["redirect =x.example", 0, "redirect =x.example", "redirect=x.example"],
    ["ip4:192.0.2.1 - all", 1, "- all", "-all"],
    ["mx ~ all", 1, "~ all", "~all"],
    ["mx - include:x.example", 1, "- include:x.example", "-include:x.example"],
    ["ip4:192.0.2.0 /24 -all", 1, "ip4:192.0.2.0 /24", "ip4:192.0.2.0/24"],
    ["ip4:192.0.2.0 255.255.255.0 -all", 1, "ip4:192.0.2.0 255.255.255.0", "ip4:192.0.2.0/24"],
    ["ip4:192.0.2.0 - 192.0.2.7 -all", 1, "ip4:192.0.2.0 - 192.0.2.7", "ip4:192.0.2.0/29"],
  ])("%s", (record, index, text, suggestion) => {
    expect(suggestTerms(record.split(" "), index)).toEqual({ text, suggestion });
  });

  test.each([
    ["+ all", 0],
    ["ip4:0.0.0.0 0.0.0.0", 1],
    ["ip4:0.0.0.0 /0", 1],
    ["ip4:0.0.0.0 - 255.255.255.255", 1],
    ["-", 0],
  ])("but not %s", (record, index) => {
    expect(suggestTerms(record.split(" "), index)).toBeUndefined();
  });
});

test.each([
  ["ip4=192.0.2.1", "ip4:192.0.2.1"],
  ["include=b.example", "include:b.example"],
  ["a=192.0.2.1", "ip4:192.0.2.1"],
  ["include:a.example,b.example", "include:a.example include:b.example"],
  ["include:x.example-all", "include:x.example -all"],
  ["a:mail.example.com-all", "a:mail.example.com -all"],
  ["include:a.exampleinclude:b.example", "include:a.example include:b.example"],
  ["include:include:b.example", "include:b.example"],
  ["include:x.example", undefined],
  ["-all", undefined],
  ["exists:%{l,}.x.example", undefined],
  ["unknown=x", undefined],
])("suggestInstead guesses what the valid term %j was to be: %j", (text, wanted) => {
  expect(suggestInstead(text)?.suggestion).toBe(wanted);
});

test.each([
  ["\xe2\x80\x93all", "-all"],
  ["\x96all", "-all"],
  ["ip4:192.0.2.1\xc2\xa0-all", "ip4:192.0.2.1 -all"],
  ["\xe2\x80\x8b-all", "-all"],
  ["\xe2\x80\x9cip4:192.0.2.1\xe2\x80\x9d", "ip4:192.0.2.1"],
  ["+all\xe2\x80\x8b", undefined],
  ["a:b\xc3\xbccher.example", undefined],
])("suggestAscii makes %j of %j", (text, wanted) => {
  expect(suggestAscii(text)?.suggestion).toBe(wanted);
});

test("isNearlyRecord knows what was to be a record", () => {
  const near = [
    "v=spf2 a -all",
    "v=SPF a -all",
    "v=spf -all",
    "V=SPF1; a",
    "spf1 a -all",
    "v:spf1 a -all",
    "v=spf 1 a",
    "v = spf1 a",
    '"v=spf1 a -all"',
    " v=spf1 -all",
    "\xef\xbb\xbfv=spf1 -all",
    "v=spf1\xc2\xa0a -all",
    "\xe2\x80\x9cv=spf1 a -all\xe2\x80\x9d",
    "v=spf1,a,-all",
    'example.com. TXT "v=spf1 -all"',
  ];
  const others = ["spf2.0/pra -all", "spf2.0/mfrom,pra a", "spf-verification=x", "my spf is 1", "v=DMARC1; p=none", ""];
  expect([...near, ...others].filter(isNearlyRecord)).toEqual(near);
});

test("No suggestion for a randomly broken record lets strangers send", async () => {
  const random = new Random(41);
  const pieces = [
    "all",
    "+",
    "-",
    "~",
    "ip4:",
    "ip6:",
    "a",
    "mx",
    "0.0.0.0",
    "::",
    "/0",
    "/1",
    "/8",
    "*",
    ",",
    "-",
    ".",
    "255",
    " ",
    "include:x.example",
    "ip4",
    "192.0.2.1",
    "=",
    ";",
    '"',
    "0",
    "2000::/3",
  ];
  let suggestions = 0;
  for (let i = 0; i < 30_000; i++) {
    const text = Array.from({ length: 1 + random.below(5) }, () => pieces[random.below(pieces.length)]).join("");
    const terms = text.split(" ").filter((term) => term !== "");
    for (const hint of [...terms.map((_term, index) => suggestTerms(terms, index)), ...terms.map(suggestInstead)]) {
      if (hint === undefined) continue;
      suggestions++;
      const verdict = await verdictOn(`v=spf1 ${hint.suggestion}`);
      expect([text, hint, verdict], JSON.stringify(hint)).not.toContain("pass");
    }
  }
  expect(suggestions).toBeGreaterThan(1000);
});

/** What a record says about an address in no one's network. */
async function verdictOn(record: string): Promise<string> {
  const resolver = memoryResolver(zoneAuthority({ "example.com": [{ TXT: record }] }));
  const limits = { maxDnsLookups: 10, maxVoidLookups: 10, verdictCacheSize: 0 };
  const checker = createSpfChecker({ resolver, receiver: "r.example", clockMs: () => 0, ...limits });
  const query = { identity: "mailfrom", heloName: "h.example", sender: "a@example.com", deadlineMs: 1 } as const;
  const [v4, v6] = await Promise.all(
    ["203.0.113.77", "2a00:1450::77"].map((clientAddress) => checker.checkHost({ ...query, clientAddress })),
  );
  return v4?.result === "pass" || v6?.result === "pass" ? "pass" : "no pass";
}
