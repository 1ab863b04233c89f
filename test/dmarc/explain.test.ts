import { expect, test } from "vitest";
import { explainDmarc } from "../../src/dmarc/explain.ts";
import { type DmarcZone, evaluate } from "./fixtures.ts";

const ZONE: DmarcZone = {
  "_dmarc.example.com": ["v=DMARC1; p=reject; sp=quarantine; pct=100; t=y"],
  "_dmarc.bounce.example.com": "SERVFAIL",
};

test("A fail with its walk, its policy and its identifiers", async () => {
  const identifiers = [
    "spf=pass sender.example",
    "dkim=pass example.com s1",
    "dkim=fail \xff.example s\x1b2 (changed\n)",
  ];
  const verdict = await evaluate("ann@news.example.com", { ...ZONE, "_dmarc.news.example.com": ["v=DMARC1; p=none"] }, [
    ...identifiers.slice(0, 1),
    ...identifiers.slice(2),
  ]);
  expect(explainDmarc(verdict)).toBe(
    `From: news.example.com
  tree walk
    _dmarc.news.example.com: v=DMARC1; p=none
    _dmarc.example.com: v=DMARC1; p=reject; sp=quarantine; pct=100; t=y
      Cannot use "pct": RFC 9989 has dropped it
    _dmarc.com: no record
  organizational domain: example.com
  policy: p=none of news.example.com
  spf=pass sender.example: not aligned with "news.example.com" (relaxed)
  dkim=fail (changed?) ?.example selector s?2: not aligned with "news.example.com" (relaxed)
dmarc=fail: SPF for "sender.example" passed, not aligned with "news.example.com"; the signature of "?.example" (selector "s?2") has the result fail (changed?), not aligned with "news.example.com"
Sign with DKIM as "news.example.com", or send with an envelope sender below "example.com" instead of "sender.example".
`,
  );
});

test("A pass by the organizational domain, with testing and DNS trouble beside it", async () => {
  const verdict = await evaluate("ann@news.example.com", ZONE, [
    "spf=pass bounce.example.com",
    "dkim=pass example.com s1",
  ]);
  expect(explainDmarc(verdict)).toBe(
    `From: news.example.com
  tree walk
    _dmarc.news.example.com: no record
    _dmarc.example.com: v=DMARC1; p=reject; sp=quarantine; pct=100; t=y
      Cannot use "pct": RFC 9989 has dropped it
    _dmarc.com: no record
  organizational domain: example.com
  policy: sp=quarantine of example.com, and none is applied because of t=y
  spf=pass bounce.example.com: its alignment could not be looked up (relaxed)
    _dmarc.bounce.example.com: no answer
      Cannot look up TXT of "_dmarc.bounce.example.com": servfail
  dkim=pass example.com selector s1: aligned by the organizational domain "example.com" (relaxed), which makes the message pass
    _dmarc.example.com: v=DMARC1; p=reject; sp=quarantine; pct=100; t=y
      Cannot use "pct": RFC 9989 has dropped it
    _dmarc.com: no record
dmarc=pass: the signature of "example.com" (selector "s1") passed, aligned by the organizational domain "example.com"
`,
  );
});

test("A From field without an author", async () => {
  expect(explainDmarc(await evaluate("a@example.com, b@example.net", ZONE, ["spf=pass example.com"]))).toBe(
    `From: several, 2 domains
  spf=pass example.com
dmarc=permerror: 2 domains
Put addresses of one domain only into the From field, and name a Sender.
`,
  );
});
