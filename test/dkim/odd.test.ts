/** 97 odd messages: our reading of the RFCs, and each difference from what OpenDKIM answered, by class. */
import { describe, expect, test } from "vitest";
import { ODD_NOW_SECONDS, readCases, results, verifyMessage } from "./verifying.ts";

const CASES = readCases("odd");

describe.each([{ step: 65_535 }, { step: 1 }])("A body in chunks of $step bytes", ({ step }) => {
  test.each(CASES.map((one) => [one.name, one] as const))("%s", async (name, { message, zone, expect: wanted }) => {
    const verdicts = await verifyMessage(message, zone, { authorDomains: ["example.com"], step });
    const allowed = EXPECTED[name] ?? wanted.split("|");
    expect(verdicts.map(({ result }) => result)).toContainEqual(expect.toBeOneOf(allowed));
  });
});

/** What the words of the recording are with us. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  "x-past": ["permerror"],
  "l-appended": ["policy"],
  "l-zero": ["policy"],
  // Ten signatures at most: the twelfth is not looked at.
  "sigs-12-last-good": ["fail"],
};

const CLASSES = {
  key: "RFC 8601 section 2.7.1: what cannot pass whatever the message is a permerror, OpenDKIM says fail",
  syntax: "OpenDKIM adds no field for what it cannot read, and so leaves a planted one alone",
  tolerant: "OpenDKIM reads a bad domain, or a tag given twice",
  sha1: "RFC 8301 forbids rsa-sha1",
  length: "l= leaves a part of the body unsigned",
  future: "a word for what RFC 6376 section 3.5 leaves to the verifier",
  dns: "OpenDKIM adds no field if DNS fails",
  records: "OpenDKIM gives up at two TXT records, or at an empty tag",
  pkcs1: "OpenDKIM does not read the form of RFC 6376's erratum 3017",
  cr: "a CR of its own is content for us",
  many: "OpenDKIM verifies three",
  author: "OpenDKIM looks at no signature without a usable From field; for us that is DMARC's matter",
} as const;

const DIFFERENCES: Readonly<Record<keyof typeof CLASSES, readonly string[]>> = {
  key: ["key-h-sha1-only", "key-s-tlsrpt", "key-k-unknown", "key-nxdomain", "key-nodata", "key-only-other-txt"],
  syntax: ["d-missing", "h-missing", "b-missing", "empty-signature-header"],
  tolerant: ["dup-tag-d", "d-trailing-dot", "d-single-label"],
  sha1: ["rsa-sha1"],
  length: ["l-appended", "l-zero"],
  future: ["t-future-a-year"],
  dns: ["key-servfail", "key-timeout"],
  records: ["key-two-txt-key-first", "key-two-keys", "key-double-semicolon"],
  pkcs1: ["key-pkcs1"],
  cr: ["body-bare-cr-relaxed"],
  many: ["sigs-12-last-good"],
  author: ["from-empty", "from-no-domain", "from-absent"],
};

test("OpenDKIM's results are ours, but for the differences listed by class", async () => {
  const found: string[] = [];
  for (const { name, message, zone, opendkim } of CASES) {
    const verdicts = await verifyMessage(message, zone);
    if (JSON.stringify(verdicts.map(({ result }) => result)) !== JSON.stringify(opendkim)) found.push(name);
  }
  expect(found.sort()).toEqual(Object.values(DIFFERENCES).flat().sort());
});

test("With room for twelve signatures the last one passes, and with an author in view too", async () => {
  const [many] = CASES.filter(({ name }) => name === "sigs-12-last-good");
  const { message = "", zone = {} } = many ?? {};
  expect((await results(message, zone, { maxSignatures: 12 })).at(-1)).toBe("pass: 2048-bit key");
});

test("A signature with l= passes if that is accepted", async () => {
  for (const name of ["l-appended", "l-zero"]) {
    const [found] = CASES.filter((one) => one.name === name);
    expect(await results(found?.message ?? "", found?.zone ?? {}, { bodyLength: "accept" })).toEqual([
      "pass: 2048-bit key",
    ]);
  }
});

test("A signature is too old a second after x=, and too new five minutes and a second before t=", async () => {
  const [past] = CASES.filter(({ name }) => name === "x-past");
  const at = async (nowSeconds: number): Promise<string[]> =>
    results(past?.message ?? "", past?.zone ?? {}, { nowSeconds });
  expect(await at(1_700_086_400)).toEqual(["pass: 2048-bit key"]);
  expect(await at(1_700_086_401)).toEqual(["permerror: expired"]);
  expect(await at(1_700_000_000 - 300)).toEqual(["pass: 2048-bit key"]);
  expect(await at(1_700_000_000 - 301)).toEqual(["policy: made in the future"]);
  expect(ODD_NOW_SECONDS).toBeGreaterThan(1_700_086_401);
});
