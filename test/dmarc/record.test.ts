import { expect, test } from "vitest";
import { dmarcRecords, parseDmarcRecord } from "../../src/dmarc/record.ts";
import { MAX_TXT_BYTES } from "../../src/dns/types.ts";

test.each(["v=DMARC1", "v=DMARC1;", "v=DMARC1; p=none", "v = DMARC1 ;p=none", "V=DMARC1;p=none"])(
  "%j is a DMARC record",
  (text) => {
    expect(dmarcRecords(["google-site-verification=x", text])).toEqual([text]);
  },
);

test.each([
  "v=dmarc1; p=none",
  "v=DMARC1 p=none",
  "v=DMARC10; p=none",
  "v=DMARC2; p=none",
  " v=DMARC1; p=none",
  "p=none; v=DMARC1",
  "v=DMARC1\n; p=none",
  "",
])("%j is none", (text) => {
  expect(dmarcRecords([text])).toEqual([]);
});

const DEFAULTS = {
  policies: { p: "none", sp: undefined, np: undefined },
  psd: "u",
  isTesting: false,
  adkim: "relaxed",
  aspf: "relaxed",
  rua: [],
  ruf: [],
  fo: "0",
  faults: [],
};
const uri = (text: string, more: object = {}) => ({
  text,
  mailbox: text.startsWith("mailto:") ? text.slice(7) : undefined,
  maxBytes: undefined,
  ...more,
});

const TAGS: readonly (readonly [tags: string, read: object])[] = [
  ["p=none", {}],
  ["p = Reject ; SP=x", { policies: { p: "reject" }, faults: ['Cannot use tag "SP": no tag of DMARC in upper case'] }],
  ["p=quarantine;sp=none; np=reject;", { policies: { p: "quarantine", sp: "none", np: "reject" } }],
  ["psd=y;t=y;adkim=s;aspf=S;p=none", { psd: "y", isTesting: true, adkim: "strict", aspf: "strict" }],
  ["p=none;;psd=n", { psd: "n" }],
  // A wrong policy: p=none if reports are asked for, else no policy at all (RFC 9989 section 4.10.1).
  ["p=monitor", { policies: undefined, faults: ['Cannot read "p=monitor": want none, quarantine, reject'] }],
  ["", { policies: undefined, faults: ['Cannot find "p": the record has no policy'] }],
  [
    "p=reject; sp=foo; rua=mailto:a@b.example",
    { rua: [uri("mailto:a@b.example")], faults: ['Cannot read "sp=foo": want none, quarantine, reject'] },
  ],
  ["p=reject; np=", { policies: undefined, faults: ['Cannot read "np=": want none, quarantine, reject'] }],
  [
    "p=; rua=a@b.example",
    {
      policies: undefined,
      faults: [
        'Cannot read "p=": want none, quarantine, reject',
        'Cannot read rua "a@b.example": want a URI such as mailto:a@b.example',
      ],
    },
  ],
  // Other wrong values are as good as absent.
  [
    "p=reject; psd=x; t=1; adkim=relaxed; aspf=",
    {
      policies: { p: "reject" },
      faults: [
        'Cannot read "psd=x": want y, n, u',
        'Cannot read "t=1": want y, n',
        'Cannot read "adkim=relaxed": want r, s',
        'Cannot read "aspf=": want r, s',
      ],
    },
  ],
  ["p=none; fo=1:d:s", { fo: "1:d:s" }],
  ["p=none; fo=D : 0", { fo: "d:0" }],
  ["p=none; fo=0:1", { faults: ['Cannot read "fo=0:1": want 0 or 1, d and s, with ":" between'] }],
  ["p=none; fo=d:d", { faults: ['Cannot read "fo=d:d": want 0 or 1, d and s, with ":" between'] }],
  ["p=none; fo=2", { faults: ['Cannot read "fo=2": want 0 or 1, d and s, with ":" between'] }],
  [
    "p=none; pct=50; ri=3600; rf=afrf",
    {
      faults: ["pct", "ri", "rf"].map((tag) => `Cannot use "${tag}": RFC 9989 has dropped it`),
    },
  ],
  [
    "p=none; x=1; p; =2; a b=3",
    {
      faults: [
        'Cannot read "p": want TAG=VALUE',
        'Cannot read "=2": want TAG=VALUE',
        'Cannot read "a b=3": want TAG=VALUE',
        'Cannot use tag "x": no tag of DMARC',
      ],
    },
  ],
  [
    "p=none; rua=mailto:a@b.example!10m , https://r.example/x,mailto:c@d.example!50 ; ruf=mailto:%61@b.example?subject=x",
    {
      rua: [
        uri("mailto:a@b.example!10m", { mailbox: "a@b.example", maxBytes: 10_485_760 }),
        uri("https://r.example/x"),
        uri("mailto:c@d.example!50", { mailbox: "c@d.example", maxBytes: 50 }),
      ],
      ruf: [uri("mailto:%61@b.example?subject=x", { mailbox: "a@b.example" })],
    },
  ],
  [
    "p=none; rua=mailto:a%0d%0aBcc:%20x@b.example,mailto:,mailto:a@b.example%2cc@d.example",
    {
      rua: [
        uri("mailto:a%0d%0aBcc:%20x@b.example", { mailbox: undefined }),
        uri("mailto:", { mailbox: undefined }),
        uri("mailto:a@b.example%2cc@d.example", { mailbox: undefined }),
      ],
    },
  ],
  [
    "p=none; rua=mailto:a!b@c.example,,x",
    {
      faults: ["mailto:a!b@c.example", "", "x"].map(
        (text) => `Cannot read rua "${text}": want a URI such as mailto:a@b.example`,
      ),
    },
  ],
  [`p=none; \x1b[31m${"x".repeat(90)}`, { faults: [expect.stringMatching(/^Cannot read "\?\[31mx+\.\.\.": want/)] }],
];

test.each(TAGS)("v=DMARC1; %s", (tags, read) => {
  const text = `v=DMARC1; ${tags}`;
  const policies = (read as { policies?: object }).policies;
  const wanted = { ...DEFAULTS, text, ...read };
  const all = policies === undefined ? wanted : { ...wanted, policies: { sp: undefined, np: undefined, ...policies } };
  expect(parseDmarcRecord(text)).toEqual(all);
});

test("A record with a tag twice is ignored (RFC 6376 section 3.2)", () => {
  const text = "v=DMARC1; p=none; p=reject";
  expect(parseDmarcRecord(text)).toEqual({ text, broken: 'tag "p" stands twice' });
});

test("Ten faults of a record are told, and how many there are", () => {
  const record = parseDmarcRecord(`v=DMARC1; p=none${"; x".repeat(2000)}`);
  expect(record).toMatchObject({
    faults: { length: 11, 9: 'Cannot read "x": want TAG=VALUE', 10: "1990 more faults" },
  });
});

test("A record that was cut off is ignored", () => {
  const text = `v=DMARC1; p=none; x=${"x".repeat(MAX_TXT_BYTES)}`;
  expect(parseDmarcRecord(text.slice(0, MAX_TXT_BYTES))).toMatchObject({ broken: "it has 8192 bytes or more" });
  expect(parseDmarcRecord(text.slice(0, MAX_TXT_BYTES - 1))).toMatchObject({ policies: { p: "none" } });
});
