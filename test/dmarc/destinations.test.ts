import { expect, test } from "vitest";
import { reportDestinations } from "../../src/dmarc/destinations.ts";
import { type DmarcRecord, parseDmarcRecord } from "../../src/dmarc/record.ts";
import { type DmarcZone, dmarcResolver } from "./fixtures.ts";

const OWN: DmarcZone = { "_dmarc.example.com": ["v=DMARC1; p=none"] };
const agreed = (name: string, record = "v=DMARC1"): DmarcZone => ({
  ...OWN,
  [`example.com._report._dmarc.${name}`]: [record],
});

/** Mailboxes that get reports, and reasons why the others do not. */
async function destinations(rua: string, zone: DmarcZone): Promise<string[]> {
  const record = parseDmarcRecord(`v=DMARC1; p=none; rua=${rua}`) as DmarcRecord;
  const { accepted, refused } = await reportDestinations(
    "example.com",
    record.rua,
    dmarcResolver(zone),
    Number.MAX_VALUE,
  );
  return [
    ...accepted.map(({ mailbox, maxBytes }) => (maxBytes === undefined ? mailbox : `${mailbox} ${maxBytes}`)),
    ...refused.map(({ reason, isTemporary }) => `${isTemporary ? "later" : "never"}: ${reason}`),
  ];
}

const ABSENT = 'no DMARC record at "example.com._report._dmarc.r.example"';

test.each<[name: string, rua: string, zone: DmarcZone, expected: readonly string[]]>([
  ["its own", "mailto:a@example.com!1k", OWN, ["a@example.com 1024"]],
  ["one of its organization", "mailto:a@mail.example.com", OWN, ["a@mail.example.com"]],
  [
    "one of a domain below that is an organization of its own",
    "mailto:a@dept.example.com",
    { ...OWN, "_dmarc.dept.example.com": ["v=DMARC1; p=none; psd=n"] },
    ['never: "dept.example.com" does not agree: no DMARC record at "example.com._report._dmarc.dept.example.com"'],
  ],
  ["one that agrees", "mailto:a@r.example", agreed("r.example"), ["a@r.example"]],
  ["one that agrees for all", "mailto:a@r.example", agreed("r.example", "v=DMARC1;"), ["a@r.example"]],
  ["one that does not", "mailto:a@r.example", OWN, [`never: "r.example" does not agree: ${ABSENT}`]],
  [
    "one with other text",
    "mailto:a@r.example",
    agreed("r.example", "v=spf1"),
    [`never: "r.example" does not agree: ${ABSENT}`],
  ],
  [
    "one that wants them elsewhere",
    "mailto:a@r.example",
    agreed("r.example", "v=DMARC1; rua=mailto:b@r.example!5k"),
    ["b@r.example 5120"],
  ],
  [
    "one that wants them at another host",
    "mailto:a@r.example",
    agreed("r.example", "v=DMARC1; rua=mailto:victim@v.example"),
    ['never: "example.com._report._dmarc.r.example" names an address of another host'],
  ],
  [
    "one that DNS hides",
    "mailto:a@r.example",
    { ...OWN, "example.com._report._dmarc.r.example": "SERVFAIL" },
    ['later: Cannot look up TXT of "example.com._report._dmarc.r.example": servfail'],
  ],
  [
    "one whose organization DNS hides",
    "mailto:a@r.example",
    { ...OWN, "_dmarc.r.example": "TIMEOUT" },
    ['later: Cannot look up TXT of "_dmarc.r.example": timeout'],
  ],
  [
    "a web page",
    "https://r.example/x,mailto:a@example.com",
    OWN,
    ["a@example.com", "never: only mailto: with one mailbox is supported"],
  ],
  [
    "six",
    Array.from({ length: 6 }, (_, index) => `mailto:a${index}@example.com`).join(),
    OWN,
    [
      ...Array.from({ length: 5 }, (_, index) => `a${index}@example.com`),
      "never: too many addresses: the first 5 are used",
    ],
  ],
])("Reports to %s", async (_name, rua, zone, expected) => {
  expect(await destinations(rua, zone)).toEqual(expected);
});
