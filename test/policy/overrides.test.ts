import { expect, test } from "vitest";
import type { Override } from "../../src/policy/settings.ts";
import { answers, cidr, FORGED, FROM, override } from "./answers.ts";
import type { policyRequest } from "./fixtures.ts";

const OVERRIDES: readonly {
  name: string;
  override: Override;
  request?: Partial<ReturnType<typeof policyRequest>>;
  answer: string;
}[] = [
  {
    name: "by recipient",
    override: override({ recipients: ["Bob@RCPT.test"] }, { mode: "report" }),
    answer: "header fail mailfrom",
  },
  {
    name: "by the recipient's domain",
    override: override({ recipients: ["@rcpt.test"] }, { mode: "report" }),
    answer: "header fail mailfrom",
  },
  {
    name: "not by another recipient",
    override: override({ recipients: ["ann@rcpt.test"] }, { mode: "report" }),
    answer: FORGED,
  },
  {
    name: "not by a recipient when there are several",
    override: override({ recipients: ["@rcpt.test"] }, { mode: "report" }),
    request: { protocol_state: "DATA", recipient: "" },
    answer: FORGED,
  },
  {
    name: "by sender domain",
    override: override({ senderDomains: ["Sender.Test"] }, { mode: "report" }),
    answer: "header fail mailfrom",
  },
  {
    name: "by a name above the sender domain",
    override: override({ senderDomains: [".test"] }, { mode: "report" }),
    answer: "header fail mailfrom",
  },
  {
    name: "not by the sender domain's end alone",
    override: override({ senderDomains: ["ender.test", "test"] }, { mode: "report" }),
    answer: FORGED,
  },
  {
    name: "by sender",
    override: override({ senders: ["joe@sender.test"] }, { mode: "report" }),
    answer: "header fail mailfrom",
  },
  {
    name: "not by the null sender for another",
    override: override({ senders: ["<>"] }, { mode: "report" }),
    answer: FORGED,
  },
  {
    name: "by the null sender",
    override: override({ senders: ["<>"] }, { helo: { check: false }, mailFrom: { check: false } }),
    request: { sender: "" },
    answer: "DUNNO",
  },
  {
    name: "by HELO name",
    override: override({ heloNames: ["mail.sender.test"] }, { mode: "report" }),
    answer: "header fail mailfrom",
  },
  {
    name: "by client address",
    override: override({ clientAddresses: [cidr("192.0.2.8/29")] }, { mode: "report" }),
    answer: "header fail mailfrom",
  },
  {
    name: "not when only one of two conditions holds",
    override: override({ recipients: ["@rcpt.test"], heloNames: ["other.test"] }, { mode: "report" }),
    answer: FORGED,
  },
  {
    name: "one disposition",
    override: override({}, { mailFrom: { dispositions: { fail: { kind: "defer" } } } }),
    answer: "DEFER_IF_PERMIT 4.7.24 Message deferred due to: SPF fail: explained fail",
  },
  { name: "the message", override: override({}, { rejectMessage: "Sorry" }), answer: "550 5.7.23 Sorry" },
  { name: "the headers", override: override({}, { mode: "report", headers: [] }), answer: "DUNNO" },
  { name: "nothing", override: override({}, {}), answer: FORGED },
];

test.each(OVERRIDES)("an override changes $name", async ({ override: row, request = {}, answer }) => {
  expect(await answers({ [FROM]: "fail" }, [request], { overrides: [row] })).toEqual([answer]);
});

test("of two overrides that match, the first counts alone", async () => {
  const overrides = [
    override({ recipients: ["bob@rcpt.test"] }, {}),
    override({ recipients: ["@rcpt.test"] }, { mode: "report" }),
  ];
  const requests = [{ recipient: "bob@rcpt.test" }, { recipient: "ann@rcpt.test" }];
  expect(await answers({ [FROM]: "fail" }, requests, { overrides })).toEqual([FORGED, "header fail mailfrom"]);
});
