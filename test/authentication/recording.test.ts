/** What of incoming mail is kept for reports: each evaluated message once, with what became of it. */
import { describe, expect, test } from "vitest";
import type { HistoryMessage } from "../../src/dmarc/history.ts";
import { historyBlock } from "../../src/dmarc/history.ts";
import { reportRow } from "../../src/dmarc/report-row.ts";
import { entryOf } from "../../src/history/entry.ts";
import { type KeyZone, keyResolver } from "../dkim/verifying.ts";
import { type Handling, handleMessage, STRANGER } from "./handling.ts";

const ZONE: KeyZone = {
  "example.com": ["v=spf1 -all"],
  "_dmarc.example.com": ["v=DMARC1; p=reject; rua=mailto:r@example.com"],
  "example.net": ["v=spf1 ip4:192.0.2.1 -all"],
  "_dmarc.example.net": ["v=DMARC1; p=quarantine; rua=mailto:r@example.net"],
};

const SUBJECT = "Subject: a test\r\n";

interface Options extends Partial<Handling> {
  readonly subject?: string;
  readonly more?: string;
}

async function record(author: string, options: Options = {}): Promise<HistoryMessage[]> {
  const { subject = SUBJECT, more = "", ...handling } = options;
  const recorded: HistoryMessage[] = [];
  await handleMessage(`From: <${author}>\r\n${subject}${more}\r\nHi\r\n`, {
    client: STRANGER,
    sender: author,
    nowSeconds: 1_795_608_000,
    macros: { i: "4711" },
    resolver: keyResolver(ZONE),
    record: (message) => recorded.push(message),
    ...handling,
  });
  return recorded;
}

async function rowOf(author: string, options: Options = {}) {
  const [message, ...others] = await record(author, options);
  expect(others).toEqual([]);
  return message === undefined ? undefined : reportRow(message)?.row;
}

describe("A message that fails p=reject is kept", () => {
  test.each([
    ["rejected", "[dmarc]\nreject = true", {}, "reject", undefined],
    [
      "accepted, because nothing is rejected",
      "",
      {},
      "none",
      { type: "local_policy", comment: "mail is not rejected here" },
    ],
    [
      "accepted in report mode",
      '[milter]\nmode = "report"\n[dmarc]\nreject = true',
      {},
      "none",
      { type: "local_policy", comment: "no policy is applied here" },
    ],
    [
      "accepted, because its list is known",
      '[dmarc]\nreject = true\nallow_lists = ["list.example"]',
      { more: "List-Id: <list.example>\r\n" },
      "none",
      { type: "mailing_list", comment: "a mailing list that is allowed" },
    ],
  ])("as %s", async (_what, toml, options, disposition, override) => {
    const row = await rowOf("ann@example.com", { toml, ...options });
    expect(row).toMatchObject({
      disposition,
      override,
      dkimAligned: false,
      spfAligned: false,
      sourceAddress: "192.0.2.1",
    });
  });
});

test("A message that passes is kept with what came of SPF", async () => {
  const [message] = await record("ann@example.net");
  if (message === undefined) throw new Error("nothing was kept");
  expect(reportRow(message)?.row).toMatchObject({
    disposition: "pass",
    spfAligned: true,
    headerFrom: "example.net",
    envelopeFrom: "example.net",
    spf: { domain: "example.net", result: "pass" },
  });
  expect(message).toMatchObject({ queueId: "4711", reporter: "mx.example.org", receivedSeconds: 1_795_608_000 });
  expect(historyBlock(message)).toContain("job 4711\nreporter mx.example.org\nreceived 1795608000\nipaddr 192.0.2.1\n");
});

test("Nothing that is kept names a person", async () => {
  const kept = await record("ann.secret@example.net", {
    subject: "Subject: secret\r\n",
    more: "To: bob.secret@x.example\r\n",
  });
  expect(JSON.stringify(kept.map(entryOf))).not.toContain("secret");
  expect(kept.map(historyBlock).join("")).not.toContain("secret");
});

test("A sender in U-labels is kept in A-labels, one that is no name is not kept", async () => {
  expect((await rowOf("a@example.net", { sender: "a@b\xc3\xbccher.example" }))?.envelopeFrom).toBe(
    "xn--bcher-kva.example",
  );
  expect((await rowOf("a@example.net", { sender: "a@\xff<x>" }))?.envelopeFrom).toBe("");
  expect((await rowOf("a@example.net", { sender: "" }))?.envelopeFrom).toBe("");
});

describe("A report about reports", () => {
  const subject = "Subject: Report Domain: x.example\r\n Submitter: y.example\r\n Report-ID: <1>\r\n";

  test("is not made: the message passes, and says that it is a report", async () => {
    const [message] = await record("dmarc@example.net", { subject });
    expect(message?.isReport).toBe(true);
  });

  test("is made of a forgery that only calls itself one", async () => {
    const [message] = await record("dmarc@example.com", { subject });
    expect(message?.isReport).toBe(false);
  });
});

test.each([
  ["a client without an address", { client: { ...STRANGER, family: "unknown", address: "" } as const }],
  ["mail of ours", { client: { ...STRANGER, address: "127.0.0.1" } }],
  ["mail that is submitted", { macros: { "{auth_type}": "PLAIN" } }],
  ["mail of the second pass", { client: { ...STRANGER, address: "127.0.0.1" }, daemon: "FORWARD" }],
  [
    "mail of another MX of ours",
    { toml: '[milter]\ntrusted_relays = ["192.0.2.0/24"]\ntrusted_authserv_ids = ["mx2.example.org"]' },
  ],
  ["all mail, with dmarc.verify = false", { toml: "[dmarc]\nverify = false" }],
])("Nothing is kept of %s", async (_what, options) => {
  expect(await record("ann@example.com", options)).toEqual([]);
});
