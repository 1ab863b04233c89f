import { expect, test } from "vitest";
import { readAuthenticationResults, readReceivedSpf } from "./header-grammar.ts";

/** RFC 7208 9.1's and RFC 8601 B's own examples, unfolded. */
test("the tests' reader takes the examples of the RFCs", () => {
  expect(
    readReceivedSpf(
      'Received-SPF: pass (mybox.example.org: domain of myname@example.com designates 192.0.2.1 as permitted sender) receiver=mybox.example.org; client-ip=192.0.2.1; envelope-from="myname@example.com"; helo=foo.example.com;',
    ).pairs,
  ).toEqual({
    receiver: "mybox.example.org",
    "client-ip": "192.0.2.1",
    "envelope-from": "myname@example.com",
    helo: "foo.example.com",
  });
  expect(
    readReceivedSpf(
      'Received-SPF: fail (mybox.example.org: domain of myname@example.com does not designate 192.0.2.1 as permitted sender) identity=mailfrom; client-ip=192.0.2.1; envelope-from="myname@example.com";',
    ).result,
  ).toBe("fail");
  expect(readAuthenticationResults("Authentication-Results: example.org 1; none".replace(" 1;", ";"))).toEqual({
    authservId: "example.org",
    results: "none",
  });
  expect(
    readAuthenticationResults(
      "Authentication-Results: example.com; spf=pass smtp.mailfrom=example.net; spf=none smtp.helo=h",
    ),
  ).toMatchObject({ results: [{ properties: { "smtp.mailfrom": "example.net" } }, { result: "none" }] });
});

const BROKEN_SPF: readonly { name: string; line: string }[] = [
  { name: "an unquoted mailbox", line: "Received-SPF: pass (x) envelope-from=joe@a.test; helo=h" },
  { name: "an unquoted IPv6 address", line: "Received-SPF: pass (x) client-ip=2001:db8::1" },
  { name: "a comment that does not end", line: "Received-SPF: pass (x \\) client-ip=1.2.3.4" },
  { name: "a comment that ends early", line: "Received-SPF: pass (x) y) client-ip=1.2.3.4" },
  { name: "a second key", line: "Received-SPF: pass (x) helo=a; helo=b" },
  { name: "a control character", line: 'Received-SPF: pass (x) helo="a\rb"' },
  { name: "a byte that is not UTF-8", line: 'Received-SPF: pass (x) helo="a\xffb"' },
  { name: "a blank at the end", line: "Received-SPF: pass (x) receiver=mx.test " },
];

test.each(BROKEN_SPF)("the tests' reader of Received-SPF refuses $name", ({ line }) => {
  expect(() => readReceivedSpf(line)).toThrow(SyntaxError);
});

const BROKEN_RESULTS: readonly { name: string; line: string }[] = [
  { name: "a bare IPv6 address", line: "Authentication-Results: a; spf=pass smtp.helo=[IPv6:::1]" },
  { name: "a mailbox as token", line: "Authentication-Results: a; spf=pass smtp.mailfrom=a@b" },
  { name: "no result", line: "Authentication-Results: a" },
  { name: "an unknown result", line: "Authentication-Results: a; spf=Passed smtp.helo=h" },
  { name: "a result behind none", line: "Authentication-Results: a; none; spf=pass" },
];

test.each(BROKEN_RESULTS)("the tests' reader of Authentication-Results refuses $name", ({ line }) => {
  expect(() => readAuthenticationResults(line)).toThrow(SyntaxError);
});
