import { describe, expect, test } from "vitest";
import { foldedResults } from "../../src/mail/authentication-results.ts";
import { readAuthenticationResults } from "../../src/mail/read-authentication-results.ts";

/** A field in short: the name, and each result as `method=result key=value`. */
function read(value: string): string[] | undefined {
  const field = readAuthenticationResults(value);
  if (field === undefined) return undefined;
  const results = field.results.map(({ method, result, properties }) =>
    [`${method}=${result}`, ...[...properties].map(([key, text]) => `${key}=${text}`)].join(" "),
  );
  return [field.authservId, ...results];
}

describe("readAuthenticationResults reads", () => {
  test.each<[what: string, value: string, expected: string[]]>([
    ["no results", " mx.example.org; none", ["mx.example.org"]],
    ["no results, with a comment", " mx.example.org; none (nothing was checked)", ["mx.example.org"]],
    [
      "OpenDKIM's field",
      "  mx.example.org;\r\n\tdkim=pass (2048-bit key; unprotected) header.d=example.net header.i=@example.net header.a=rsa-sha256 header.s=s2048 header.b=L7Y/UTxN;\r\n\tdkim-atps=neutral",
      [
        "mx.example.org",
        "dkim=pass header.d=example.net header.i=@example.net header.a=rsa-sha256 header.s=s2048 header.b=L7Y/UTxN",
        "dkim-atps=neutral",
      ],
    ],
    [
      "OpenDMARC's field",
      " mx.example.org; dmarc=fail (p=reject dis=none) header.from=example.net",
      ["mx.example.org", "dmarc=fail header.from=example.net"],
    ],
    [
      "a reason, a version and comments anywhere",
      ' (a(b)) MX.Example.org (c) 1 (d) ; (e) spf / 1 (f) = (g) Fail (h) reason = "a; b" (i) SMTP (j) . mailfrom = ann@example.net',
      ["mx.example.org", "spf=fail smtp.mailfrom=ann@example.net"],
    ],
    ["a quoted name", ' "mx.\\example.org"; spf=none', ["mx.example.org", "spf=none"]],
    ["a quoted value", ' x; dkim=pass header.i="a\\"; spf=pass"', ["x", 'dkim=pass header.i=a"; spf=pass']],
    [
      "a comment that looks like a result",
      " x; spf=fail (; spf=pass smtp.mailfrom=y) smtp.helo=z",
      ["x", "spf=fail smtp.helo=z"],
    ],
    ["a semicolon at the end", " x; spf=pass;", ["x", "spf=pass"]],
    [
      "8-bit values",
      " x; spf=pass smtp.mailfrom=b\xc3\xbccher.example",
      ["x", "spf=pass smtp.mailfrom=b\xc3\xbccher.example"],
    ],
  ])("%s", (_what, value, expected) => {
    expect(read(value)).toEqual(expected);
  });
});

test("what we write, it reads back, whatever it holds", () => {
  for (const text of ['a"b', "a;b", "a (b", "a\r\nb", "a\\", "", "\x01", "\xff"]) {
    const properties = [{ ptype: "smtp", property: "mailfrom", value: text }] as const;
    const value = foldedResults("mx.example.org", [{ method: "spf", result: "pass", comment: text, properties }]);
    expect(read(value)).toEqual(["mx.example.org", expect.stringMatching(/^spf=pass smtp\.mailfrom=/)]);
  }
});

describe("readAuthenticationResults does not read", () => {
  test.each([
    "",
    " ;",
    " mx.example.org",
    " mx.example.org;",
    " mx.example.org; none; spf=pass",
    " mx.example.org; spf=pass; none",
    " mx.example.org; spf",
    " mx.example.org; ==; dkim=pass",
    " mx.example.org; spf=pass smtp.mailfrom",
    " mx.example.org; spf=pass mailfrom=x",
    " mx.example.org; spf=pass smtp.mail_from=x",
    " mx.example.org; spf=pass (smtp.mailfrom=x",
    " mx.example.org; spf=pass) smtp.mailfrom=x",
    ' mx.example.org; spf=pass smtp.mailfrom="x',
    " mx.example.org; spf=pass smtp.mailfrom=a smtp.mailfrom=b",
    " mx.example.org spf=pass",
    " mx.example.org, mx.example.net; spf=pass",
    " mx.example.org; spf=pass\0",
    ` mx.example.org; spf=pass (${"x".repeat(20_000)})`,
    ` mx.example.org${"; spf=pass".repeat(200)}`,
  ])("%j", (value) => {
    expect(readAuthenticationResults(value)).toBeUndefined();
  });
});

test("long comments and quotes cost no more than their length", () => {
  const startMs = performance.now();
  for (const text of [
    "(".repeat(16_000),
    `"${"\\a".repeat(8000)}`,
    `x${" ;".repeat(8000)}`,
    `x; spf=${"a-".repeat(8000)}`,
  ]) {
    expect(readAuthenticationResults(text)).toBeUndefined();
  }
  expect(performance.now() - startMs).toBeLessThan(200);
});
