import { expect, test } from "vitest";
import { evaluatePolicy } from "../../src/policy/report.ts";
import { settings, sources, tableChecker } from "./fixtures.ts";

const QUERY = { client_address: "192.0.2.10", helo_name: "mail.sender.test", sender: "joe@sender.test" };

test("the report has both verdicts, also where HELO alone decides", async () => {
  const report = await evaluatePolicy(sources({ "mail.sender.test": "fail", "sender.test": "pass" }), QUERY);
  expect(report).toMatchObject({
    action: "550 5.7.23 Message rejected due to: SPF fail: explained fail",
    helo: { result: "fail" },
    mailFrom: { result: "pass" },
    deciding: { identity: "helo", result: "fail" },
    receivedSpf: expect.stringMatching(/^Received-SPF: pass .*; identity=mailfrom/),
  });
});

test("MAIL FROM decides where both are tagged, and HELO for the null sender", async () => {
  const given = sources({ "mail.sender.test": "pass", "sender.test": "softfail" });
  expect(await evaluatePolicy(given, QUERY)).toMatchObject({ deciding: { identity: "mailfrom", result: "softfail" } });
  const report = await evaluatePolicy(given, { ...QUERY, sender: "" });
  expect(report).toMatchObject({ deciding: { identity: "helo", result: "pass" }, mailFrom: undefined });
  expect(report.action).toBe(`PREPEND ${report.receivedSpf}`);
});

test("a client that is skipped is told so, with its verdicts", async () => {
  const report = await evaluatePolicy(sources({ "sender.test": "fail" }), { ...QUERY, client_address: "127.0.0.1" });
  expect(report).toMatchObject({ action: "DUNNO", unchecked: "skip_addresses", mailFrom: { result: "fail" } });
});

test("report mode tells what it would have been", async () => {
  const given = sources({ "sender.test": "fail" }, { settings: settings({ mode: "report" }) });
  expect(await evaluatePolicy(given, QUERY)).toMatchObject({
    action: expect.stringMatching(/^PREPEND Received-SPF: fail/),
    wouldAction: "550 5.7.23 Message rejected due to: SPF fail: explained fail",
  });
});

test("each identity is checked once", async () => {
  const checker = tableChecker({}, true);
  await evaluatePolicy(sources({}, { checkHost: checker.checkHost }), QUERY);
  expect(checker.asked.map(({ identity }) => identity)).toEqual(["helo", "mailfrom"]);
});

test("an address that is none is refused", () => {
  expect(() => evaluatePolicy(sources({}), { ...QUERY, client_address: "unknown" })).toThrow(
    'Cannot check client address "unknown": want an IPv4 or IPv6 address',
  );
});
