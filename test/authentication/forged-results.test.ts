import { describe, expect, test } from "vitest";
import { claimedName } from "../../src/authentication/claimed-name.ts";
import { ForgedResults } from "../../src/authentication/forged-results.ts";
import { headerField } from "../../src/mail/header-field.ts";

const ID = "mx.example.org";

describe("a field claims our name", () => {
  test.each([
    " mx.example.org; spf=pass",
    "mx.example.org;none",
    " MX.Example.ORG; dkim=pass",
    " mx.example.org 1; dkim=pass",
    " mx.example.org/1; dkim=pass",
    " (comment) mx.example.org; none",
    " (a (nested \\) comment)) mx.example.org; none",
    "\r\n\tmx.example.org;\r\n dkim=pass",
    ' "mx.example.org"; none',
    ' "mx\\.example.org"; none',
    " mx.example.org",
    " mx.example.org.; none",
    " mx.example.org(c); none",
    " mx.example.org\xa0; none",
    " mx.example.org ==; dkim=pass",
    ' "mx.example.org; none',
    " ((mx.example.org; none",
    " =?utf-8?q?mx=2Eexample=2Eorg?=; dmarc=pass",
    ` =?utf-8?b?${Buffer.from(ID).toString("base64")}?=; dmarc=pass`,
    " mx=?utf-8?q?=2Eexample?=.org; dmarc=pass",
    " (a\\) mx.example.org; none",
    " mx .example.org; none",
    " mx.\r\n\texample.org; none",
    ' "mx".example.org; none',
    " \\mx.example.org; none",
    " m\\x.example.org; none",
    " mx(x).example.org; none",
    " (a(b) mx.example.org; none",
    " (a)) mx.example.org; none",
    " ; mx.example.org; none",
    " , mx.example.org; none",
    " <mx.example.org>; none",
    " .mx.example.org; none",
    " \x01mx.example.org; none",
    "\xa0mx.example.org; none",
    "\xef\xbb\xbfmx.example.org; none",
    ' "(x)mx.example.org"; none',
    " mx.example.org..; none",
  ])("%j", (value) => {
    expect(claimedName(value)(ID)).toBe(true);
  });

  const FILL = 200_000;
  test.each([
    ["a comment", `(${"a".repeat(FILL)})`],
    ["a folded comment", `(${"a\r\n b".repeat(FILL / 5)})`],
    ["many comments", "(x)".repeat(FILL / 3)],
    ["blanks", " ".repeat(FILL)],
    ["semicolons", ";".repeat(FILL)],
    ["a comment with semicolons", `(${";".repeat(FILL)})`],
    ["comments in a comment", `${"(".repeat(FILL / 2)}${")".repeat(FILL / 2)}`],
    ["comments that do not end, for some readers", `${"(".repeat(FILL)})`],
    ["comments that some see end", `(;${"((x".repeat(FILL / 3)})`],
    ["controls", "\x01".repeat(FILL)],
    ["quoted pairs in a comment", `(${"\\(".repeat(FILL / 2)})`],
    ["empty encoded words", "=?utf-8?q??=".repeat(FILL / 12)],
  ])("behind %s of any length", (_, text) => {
    expect(claimedName(` ${text} ${ID}; dkim=pass`)(ID)).toBe(true);
    expect(claimedName(` ${text} s${ID}; dkim=pass`)(ID)).toBe(false);
  });

  test.each([
    " mx.example.org.example; none",
    " mx.example.org-2; none",
    " smx.example.org; none",
    " example.org; mx.example.org",
    " x; none (mx.example.org)",
    " mx.example.orgx; none",
    " mx.example.org_; none",
    " not-mx.example.org; none",
    " mx.example.org.evil; none",
    " other.example; dkim=pass (mx.example.org)",
    "",
    "   ",
    "(",
  ])("but not %j", (value) => {
    expect(claimedName(value)(ID)).toBe(false);
  });
});

describe("the indices", () => {
  function collect(lines: readonly string[], isRelayed = false): ForgedResults {
    const forged = new ForgedResults({ ids: [ID], trustedIds: ["mx2.example.org"], isRelayed });
    for (const line of lines) {
      const colon = line.indexOf(":");
      forged.note(headerField(line.slice(0, colon), line.slice(colon + 1)));
    }
    return forged;
  }

  test("count all fields of the name, whoever they claim to be of and however it is written", () => {
    const forged = collect([
      "Authentication-Results: other.example; none",
      "authentication-results: mx.example.org; none",
      "Subject: mx.example.org",
      "AUTHENTICATION-RESULTS: mx.example.org; spf=pass",
      "ARC-Authentication-Results: i=1; mx.example.org; none",
      "X-Authentication-Results: mx.example.org; none",
    ]);
    expect(forged.all().map(({ index }) => index)).toEqual([2, 3]);
  });

  test("without a Received: field are all: nobody knows who wrote them", () => {
    const forged = collect(["Authentication-Results: mx.example.org; dkim=pass", "From: x"]);
    expect(forged.notOfFirstPass().map(({ index }) => index)).toEqual([1]);
  });

  test("below the first Received: field are those that came with the message", () => {
    const forged = collect([
      "Authentication-Results: mx.example.org; spf=pass",
      "Received: from x by mx.example.org",
      "Authentication-Results: mx.example.org; dkim=pass",
    ]);
    expect(forged.notOfFirstPass().map(({ index }) => index)).toEqual([2]);
  });

  test.each([
    ["from x (x [192.0.2.1])\r\n\tby mx.example.org", [1]],
    ["from localhost (localhost [127.0.0.1])\r\n\tby mx.example.org", []],
    ["from x ([192.0.2.1] [127.0.0.1]) by localhost", [1]],
    ["from pop.example.net [IPv6:2001:db8::9] by localhost with POP3 (fetchmail-6.4)", [1]],
    ["by mx.example.org (Postfix, from userid 1000)\r\n\tid 4fX0", []],
  ])("below Received: %s, those that came from elsewhere are %j", (received, strangers) => {
    const forged = collect([
      `Received: ${received}`,
      "Authentication-Results: mx.example.org; spf=pass",
      "Authentication-Results: other.example; spf=pass",
    ]);
    expect(forged.belowStranger().map(({ index }) => index)).toEqual(strangers);
  });

  const RELAYED = [
    "Authentication-Results: mx2.example.org; spf=pass",
    "Authentication-Results: mx.example.org; spf=pass",
    "Received: from x by mx2.example.org",
    "Authentication-Results: MX2.example.org (x) ; dkim=pass",
  ];

  test.each([
    { what: "a trusted relay keep what it has added itself", isRelayed: true, lines: RELAYED, removed: [2, 3] },
    { what: "anybody else keep nothing", isRelayed: false, lines: RELAYED, removed: [2, 1, 3] },
    {
      what: "a trusted relay keep nothing without a Received: field",
      isRelayed: true,
      lines: RELAYED.slice(0, 2),
      removed: [2, 1],
    },
  ])("of a name that is believed: mail of $what", ({ isRelayed, lines, removed }) => {
    expect(
      collect(lines, isRelayed)
        .all()
        .map(({ index }) => index),
    ).toEqual(removed);
  });
});
