import { expect, test } from "vitest";
import { readReportUri } from "../../src/dmarc/report-uri.ts";

test.each([
  ["mailto:a@example.com", "a@example.com", undefined],
  ["MAILTO:A.b+c@Example.com!10M", "A.b+c@Example.com", 10 * 1024 ** 2],
  ["mailto:a@example.com!5", "a@example.com", 5],
  ["mailto:a%2Bb%21c@example.com", "a+b!c@example.com", undefined],
  // Headers of a mailto: URI would let a domain choose the text of our mail.
  ["mailto:a@example.com?cc=v@v.example&subject=x", "a@example.com", undefined],
])("%j is the mailbox %j", (text, mailbox, maxBytes) => {
  expect(readReportUri(text)).toEqual({ text, mailbox, maxBytes });
});

test.each([
  "https://example.com/x",
  "mailto:",
  "mailto:a",
  "mailto:@example.com",
  "mailto:a@",
  "mailto:a@b@example.com",
  "mailto:a@example.com,b@example.com",
  "mailto:a%2Cb@example.com",
  "mailto:a%0D%0ADATA@example.com",
  "mailto:a%00@example.com",
  "mailto:a%20b@example.com",
  "mailto:%22a%20b%22@example.com",
  "mailto:%3Ca%3E@example.com",
  "mailto:.a@example.com",
  "mailto:a.@example.com",
  "mailto:a..b@example.com",
  "mailto:a@..",
  "mailto:a@example..com",
  "mailto:a@-example.com",
  "mailto:a@[192.0.2.1]",
  "mailto:a@192.0.2.1",
  "mailto:a@b%C3%BCcher.example",
  `mailto:${"a".repeat(250)}@example.com`,
])("%j has no mailbox that gets reports", (text) => {
  expect(readReportUri(text)?.mailbox).toBeUndefined();
});

test.each([
  "",
  "a@example.com",
  "mailto:a b@example.com",
  "mailto:a%2@example.com",
  "mailto:a@example.com!10x",
  "!10m",
])("%j is no URI", (text) => {
  expect(readReportUri(text)).toBeUndefined();
});
