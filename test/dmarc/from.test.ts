import { describe, expect, test } from "vitest";
import { type From, readFrom } from "../../src/dmarc/from.ts";
import { charactersLookedAt } from "../helpers/work.ts";
import { latin1, readCases } from "./fixtures.ts";

interface FromCase {
  readonly from: string;
  readonly expect: string;
}

function word(from: From): string {
  return from.isUsable ? from.domain : from.fault;
}

test.each(readCases<FromCase>("from-cases").map((one) => [one.from, one.expect]))("%j is %s", (from, expected) => {
  expect(word(readFrom([latin1(from)]))).toBeOneOf(expected.split("|"));
});

const CASES: readonly (readonly [value: string, expected: string, why?: string])[] = [
  // Ways round p=reject.
  ["<ann@example.com(x)>", "example.com", "a comment in the domain, which others cannot read"],
  ["<ann@(x)example(y).(z)com>", "example.com"],
  ["Ann <ann@example.com> (x) <b@evil.example>", "malformed"],
  ["<<ann@example.com>>", "malformed"],
  ["ann@exa mple.com", "malformed"],
  ["ann@example..com", "malformed"],
  ["ann@.example.com", "malformed"],
  ["ann at example.com", "malformed"],
  ["ann@evil.example@example.com", "malformed"],
  ["ann@example.com, <>", "malformed"],
  ["ann@exam\u00adple.com", "malformed", "a soft hyphen is mapped to nothing"],
  ["ann@ｅｘａｍｐｌｅ.com", "malformed", "wide letters are mapped"],
  ["ann@example.com.", "malformed"],
  ["ceo@evil.example <ann@example.com>", "malformed"],
  ["ann@example.com <ANN@Example.COM>", "example.com", "both are one domain"],
  ["ann@example.com <ann>", "malformed"],
  ['"ceo@evil.example" <ann@example.com>', "example.com"],

  // No address
  ["", "empty"],
  [" ", "empty"],
  [",,,", "empty"],
  ["undisclosed-recipients:;", "empty"],
  ["(nobody)", "empty"],
  ["MAILER-DAEMON", "no-domain", "sendmail -f '' without From"],
  ["Ann <ann>", "no-domain"],
  ["<>", "malformed"],
  ["Ann <>", "malformed"],
  ["ann@", "malformed"],
  ["@example.com", "malformed"],
  ["<@example.com>", "malformed"],
  ["ann, bob@example.com", "malformed"],
  ["root, bob", "no-domain"],

  // Several
  ["ann@example.com, Bob <bob@EXAMPLE.com>", "example.com"],
  ["A: ann@example.com, bob@example.com;, carl@example.com", "example.com"],
  ["A: ann@example.com;, B: bob@example.net;", "several"],
  ["ann@example.com, bob@sub.example.com", "several"],
  ["ann@example.com bob@example.com", "malformed"],
  ["A: ann@example.com", "malformed"],
  ["A: ann@example.com, B: bob@example.com;;", "malformed"],
  [": ann@example.com;", "malformed"],
  ["ann@example.com;", "malformed"],

  // Local parts and display names
  ["a..b.@docomo.example", "docomo.example", "Japanese carriers have such addresses"],
  ["John Q. Public <john@example.com>", "example.com"],
  ['"a b"@example.com', "example.com"],
  ['a."b c".d@example.com', "example.com"],
  ['"a"b@example.com', "malformed"],
  ["a b@example.com", "malformed"],
  ['"ann@example.com', "malformed"],
  ['"a\\', "malformed"],
  ["=?utf-8?q?Ann?= <ann@example.com>", "example.com"],
  ["[Sales] Ann. <ann@example.com>", "example.com", "brackets are in use, and mean nothing in a name"],
  ["[ann]@example.com", "malformed"],
  ["[ann@example.com] <ann@example.com>", "malformed"],
  ["[ann]", "malformed"],
  ["Jörg <jörg@example.com>", "example.com"],

  // Domains
  ["x@com", "com"],
  ["x@192.0.2.1", "malformed"],
  ["x@[192.0.2.1]", "literal"],
  ["x@[192.0.2.1", "malformed"],
  ["x@[192.0.2.1].example", "malformed"],
  ["x@[192.0.2.1], y@example.com", "literal"],
  ["x@BÜCHER.example", "xn--bcher-kva.example"],
  ["x@bu\u0308cher.example", "xn--bcher-kva.example", "decomposed"],
  ["x@faß.example", "xn--fa-hia.example", "IDNA2008 keeps it"],
  ["x@exam%70le.com", "malformed"],
  [`x@${"a".repeat(64)}.example`, "malformed"],
  [`x@${"ü".repeat(2000)}.example`, "malformed"],

  // Obsolete syntax, folding, control characters
  ["<@relay.example,@[192.0.2.1]:ann@example.com>", "literal"],
  ["<@relay.example,,@b.example:ann@example.com>", "example.com"],
  ["<@relay.example ann@example.com>", "malformed"],
  ["\r\n ann\r\n\t@\n example.com\t", "example.com"],
  ["Ann\r\n <ann@example.com>\r\n", "malformed"],
  ["ann@example.com\nBcc: x", "malformed"],
  ["ann@exa\0mple.com", "malformed"],
  ["A\x1bnn <ann@example.com>", "malformed"],
  ['"A\\\nnn" <ann@example.com>', "malformed"],
  ["(\\\0) ann@example.com", "malformed"],
  ["(a(b(c)d)e) ann@example.com (f)", "example.com"],
  ["(a(b) ann@example.com", "malformed"],
  [`${"(".repeat(50_000)}${")".repeat(50_000)}ann@example.com`, "example.com", "nested deeply"],
];

test.each(CASES.map(([value, expected]) => [value, expected] as const))("%j is %s", (value, expected) => {
  expect(word(readFrom([latin1(value)]))).toBe(expected);
});

describe("The fields of a message", () => {
  test("are one", () => {
    expect(readFrom([])).toEqual({ isUsable: false, fault: "absent", problem: "no From field", domains: [] });
    expect(readFrom([" a@example.com", " b@example.net", "c@example.org"])).toEqual({
      isUsable: false,
      fault: "repeated",
      problem: "3 From fields",
      domains: ["example.com", "example.net"],
    });
  });

  test("give the first address, and a problem in words", () => {
    expect(readFrom([' "a b"@Example.com, c@example.com'])).toEqual({
      isUsable: true,
      domain: "example.com",
      mailbox: { local: "a b", domain: "example.com" },
    });
    expect(readFrom(["a@example.com (x"])).toMatchObject({ problem: "a comment without end" });
    expect(readFrom([Array.from({ length: 12 }, (_, index) => `a@b${index}.example`).join()])).toMatchObject({
      problem: "12 domains",
      domains: { length: 10 },
    });
  });

  test("with bytes that are not UTF-8 are read where they are not in a domain", () => {
    expect(word(readFrom(["J\xf6rg <j\xf6rg@example.com>"]))).toBe("example.com");
    expect(word(readFrom(["<a@b\xf6.example>"]))).toBe("malformed");
  });
});

/** Pieces that a hostile field is made of. */
const PIECES = ["(", "((", ")", "(a)", "<", ">", '"', '""', '"a"', "\\", ",", "a:", ";", "@", ".", "a ", "a.", "\r\n "];
const MORE = [
  "[",
  "]",
  "\xc3\xa9",
  "<@a",
  "@a,",
  "a@a.",
  "a@b.example,",
  "<a@b.example>,",
  "a@[b],",
  "x@\xc3\xa9.example,",
];

test.each([...PIECES, ...MORE])("A field full of %j is read from left to right", (piece) => {
  for (const start of ["", "a@", "<a@b.example", "a: "]) {
    const value = start + piece.repeat(20_000 / piece.length);
    const looks = charactersLookedAt(() => readFrom([value])) + charactersPicked(() => readFrom([value]));
    expect(looks).toBeLessThan(16 * value.length);
  }
});

/** The number of single characters that `run` takes out of strings. */
function charactersPicked(run: () => void): number {
  const { charAt, charCodeAt } = String.prototype;
  let count = 0;
  String.prototype.charAt = function (at: number): string {
    count++;
    return charAt.call(this, at);
  };
  String.prototype.charCodeAt = function (at: number): number {
    count++;
    return charCodeAt.call(this, at);
  };
  try {
    run();
  } finally {
    Object.assign(String.prototype, { charAt, charCodeAt });
  }
  return count;
}

test("A field is refused if it is longer than Postfix lets it be, or has too many addresses", () => {
  expect(readFrom([`(${"x".repeat(102_400)}) a@example.com`])).toMatchObject({ problem: "over 102400 bytes" });
  expect(readFrom(["a@example.com,".repeat(1000)])).toMatchObject({ domain: "example.com" });
  expect(readFrom(["a@example.com,".repeat(1001)])).toMatchObject({ problem: "over 1000 addresses" });
});
