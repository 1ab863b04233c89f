import { expect, test } from "vitest";
import { parseMailLog } from "../../../src/doctor/gather/mail-log.ts";

const LOG = `Nov 26 08:00:01 mail postfix/smtpd[12]: connect from mx.elsewhere.example[198.51.100.7]
Nov 26 08:00:02 mail postfix/smtpd[12]: connect from unknown[10.0.0.9]
2026-11-26T08:00:03.1+00:00 mail postfix/submission/smtpd[13]: connect from unknown[10.0.0.9]
Nov 26 08:00:04 mail postfix/smtpd[12]: connect from localhost[127.0.0.1]
Nov 26 08:00:05 mail postfix/smtpd[12]: connect from six[2001:db8::1]
Nov 26 08:00:06 mail postfix/qmgr[9]: ABC: from=<SRS0=aa=bb=a.test=b@Old.Example.org>, size=1, nrcpt=1
Nov 26 08:00:07 mail postfix/smtp[9]: ABC: to=<SRS1=cc=other.test==dd=ee=a.test=b@old.example.org>, relay=none
Nov 26 08:00:08 mail postfix/smtpd[12]: warning: hostname srs0 does not resolve
`;

test("the log shows clients and SRS addresses", () => {
  const facts = parseMailLog("/x", LOG);
  expect([...facts.clients]).toEqual([
    ["198.51.100.7", 1],
    ["10.0.0.9", 2],
    ["2001:db8::1", 1],
  ]);
  expect(facts.srsAddresses).toEqual([
    "SRS0=aa=bb=a.test=b@Old.Example.org",
    "SRS1=cc=other.test==dd=ee=a.test=b@old.example.org",
  ]);
});

test("a log of one huge line and of bytes is read in time", () => {
  const startMs = performance.now();
  const text = `${"SRS0=".repeat(200_000)}@${"a.".repeat(200_000)}\n${"\xff\0[".repeat(300_000)}`;
  expect(parseMailLog("/x", text).clients.size).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(5_000);
});
