import { describe, expect, test } from "vitest";
import { Messages } from "../../src/policy/messages.ts";
import type { PolicyRequest } from "../../src/policy/protocol.ts";
import { createPolicyService } from "../../src/policy/service.ts";
import type { PolicySettings } from "../../src/policy/settings.ts";
import { answers, cidr, FORGED, FROM, HELO, override, summary } from "./answers.ts";
import {
  everyResult,
  policyRequest,
  type Results,
  recorder,
  settings,
  sources,
  tableChecker,
  verdict,
} from "./fixtures.ts";

describe("over the recipients, lists and connections of one message", () => {
  test("the header is given once", async () => {
    const requests = [{}, { recipient: "ann@rcpt.test" }, { protocol_state: "DATA", recipient: "" }];
    expect(await answers({ [FROM]: "pass" }, requests)).toEqual(["header pass mailfrom", "DUNNO", "DUNNO"]);
  });

  test("each header type is given once, in the order of the configuration", async () => {
    const more = { headers: ["authentication-results", "received-spf"] } as const;
    expect(await answers({ [FROM]: "pass", [HELO]: "none" }, [{}, {}, {}], more)).toEqual([
      `results mx.test; spf=pass (explained pass) smtp.mailfrom=${FROM}; spf=none (explained none) smtp.helo=${HELO}`,
      "header pass mailfrom",
      "DUNNO",
    ]);
  });

  test("a refusal is repeated", async () => {
    expect(await answers({ [FROM]: "fail" }, [{}, { recipient: "ann@rcpt.test" }])).toEqual([FORGED, FORGED]);
  });

  test("the recipient that is not refused gets the header", async () => {
    const overrides = [override({ recipients: ["ann@rcpt.test"] }, { mode: "report" })];
    const requests = [{}, { recipient: "ann@rcpt.test" }, {}];
    expect(await answers({ [FROM]: "fail" }, requests, { overrides })).toEqual([
      FORGED,
      "header fail mailfrom",
      FORGED,
    ]);
  });

  test("an allow-listed client's header is given once", async () => {
    const allow = { addresses: [cidr("192.0.2.10")], spfDomains: [], heloNames: [], ptrDomains: [] };
    expect(await answers({}, [{}, {}], { allow })).toEqual(["header none mailfrom", "DUNNO"]);
  });

  test("each identity is checked once", async () => {
    const checker = tableChecker({ [FROM]: "pass" }, true);
    const observe = recorder();
    const service = createPolicyService({ ...sources({}), checkHost: checker.checkHost, observe });
    for (let i = 0; i < 3; i++) await service.answer(policyRequest());
    expect(checker.asked.map((query) => query.identity)).toEqual(["helo", "mailfrom"]);
    expect(observe.checks).toEqual(["helo none", "mailfrom pass"]);
  });
});

test("an answer that waits for nothing is a plain string", () => {
  const service = createPolicyService({ ...sources({ [FROM]: "pass" }), observe: recorder() });
  expect(typeof service.answer(policyRequest())).toBe("string");
});

test("trouble of ours rejects, and the next request of the message tries again", async () => {
  const checks = [Promise.reject(new Error("broken")), Promise.resolve("pass")];
  checks[0]?.catch(() => undefined);
  const working = tableChecker({ [FROM]: "pass", [HELO]: "pass" });
  const service = createPolicyService({
    ...sources({}),
    checkHost: async (query) => {
      await checks.shift();
      return working.checkHost(query);
    },
    observe: recorder(),
  });
  await expect(service.answer(policyRequest())).rejects.toThrow("broken");
  expect(summary(await service.answer(policyRequest()))).toBe("header pass mailfrom");
});

test("the deadline is the time limit from the request's arrival, for both identities", async () => {
  const checker = tableChecker({});
  const service = createPolicyService({
    ...sources({}),
    checkHost: checker.checkHost,
    clockMs: () => 500,
    observe: recorder(),
  });
  await service.answer(policyRequest());
  expect(checker.asked).toMatchObject([
    { identity: "helo", deadlineMs: 20_500, clientAddress: "192.0.2.10", heloName: HELO, sender: "joe@sender.test" },
    { identity: "mailfrom", deadlineMs: 20_500 },
  ]);
});

test("the allow lists may use half of the time", async () => {
  const checker = tableChecker({});
  const allow = { addresses: [], spfDomains: ["fwd.test"], heloNames: [], ptrDomains: [] };
  const service = createPolicyService({
    ...sources({}, { settings: settings({ allow }) }),
    checkHost: checker.checkHost,
    clockMs: () => 500,
    observe: recorder(),
  });
  await service.answer(policyRequest());
  expect(checker.asked.map(({ sender, deadlineMs }) => [sender, deadlineMs])).toEqual([
    ["postmaster@fwd.test", 10_500],
    ["joe@sender.test", 20_500],
    ["joe@sender.test", 20_500],
  ]);
});

test("a service that takes another's place goes on with its memory", async () => {
  const messages = new Messages();
  const replies: string[] = [];
  for (let reload = 0; reload < 2; reload++) {
    const service = createPolicyService({ ...sources({ [FROM]: "pass" }), observe: recorder(), messages });
    replies.push(summary(await service.answer(policyRequest())));
  }
  expect(replies).toEqual(["header pass mailfrom", "DUNNO"]);
});

test("requests for one message that come at once share the checks and the headers", async () => {
  const checker = tableChecker({ [FROM]: "pass" }, true);
  const service = createPolicyService({ ...sources({}), checkHost: checker.checkHost, observe: recorder() });
  const replies = await Promise.all([1, 2, 3].map(() => service.answer(policyRequest())));
  expect(replies.map(summary)).toEqual(["header pass mailfrom", "DUNNO", "DUNNO"]);
  expect(checker.asked).toHaveLength(2);
});

describe("what the observer is called with", () => {
  async function decide(results: Results, more: Partial<PolicySettings>, request = policyRequest()) {
    const observe = recorder();
    let timeMs = 100;
    const clockMs = () => (timeMs += 5);
    const service = createPolicyService({ ...sources(results), settings: settings(more), clockMs, observe });
    await Promise.resolve(service.answer(request)).catch(() => undefined);
    return observe.decisions;
  }

  test("a refusal, with the verdicts that it follows from and the time", async () => {
    const results = { [FROM]: { result: "fail", lookups: 3 }, [HELO]: { result: "none", lookups: 1 } } as const;
    const mailFrom = verdict("fail", { domain: FROM, lookups: 3 });
    const helo = verdict("none", { identity: "helo", domain: HELO, lookups: 1 });
    expect(await decide(results, {})).toEqual([
      {
        request: policyRequest(),
        outcome: {
          answer: { kind: "reject", action: FORGED },
          judgement: { helo, mailFrom, ruling: { kind: "reject" }, deciding: mailFrom },
          isExemptionUnknown: false,
        },
        elapsedMs: 5,
      },
    ]);
  });

  test.each([
    {
      name: "a header",
      results: {},
      more: {},
      want: { answer: { kind: "prepend" }, judgement: { mailFrom: { result: "none" } } },
    },
    {
      name: "a deferral",
      results: { [FROM]: "temperror" },
      more: { mailFrom: { check: true, dispositions: everyResult({ kind: "defer" }) } },
      want: { answer: { kind: "defer" } },
    },
    {
      name: "an action",
      results: {},
      more: { mailFrom: { check: true, dispositions: everyResult({ kind: "action", action: "HOLD" }) } },
      want: { answer: { kind: "other", action: "HOLD" } },
    },
    {
      name: "report mode",
      results: { [FROM]: "fail" },
      more: { mode: "report" },
      want: { answer: { kind: "prepend" }, would: { kind: "reject", action: FORGED } },
    },
    {
      name: "an allow list",
      results: {},
      more: { allow: { addresses: [cidr("192.0.2.10")], spfDomains: [], heloNames: [], ptrDomains: [] } },
      want: { answer: { kind: "prepend" }, unchecked: "addresses" },
    },
    {
      name: "trouble of ours",
      results: { [FROM]: new Error("broken") },
      more: {},
      want: { answer: { kind: "error", action: "" } },
    },
  ] satisfies { name: string; results: Results; more: Partial<PolicySettings>; want: object }[])(
    "$name",
    async ({ results, more, want }) => {
      expect(await decide(results, more)).toMatchObject([{ outcome: want }]);
    },
  );

  test("a refusal that has become a deferral, because an allow list could not be read", async () => {
    const observe = recorder();
    const allow = { addresses: [], spfDomains: ["fwd.test"], heloNames: [], ptrDomains: [] };
    const given = sources({ "fwd.test": "temperror", [FROM]: "fail" }, { settings: settings({ allow }) });
    await createPolicyService({ ...given, observe }).answer(policyRequest());
    expect(observe.decisions).toMatchObject([{ outcome: { answer: { kind: "defer" }, isExemptionUnknown: true } }]);
  });

  test.each<{ name: string; request?: Partial<PolicyRequest>; more?: Partial<PolicySettings>; hidden: string[] }>([
    {
      name: "a private client",
      request: { client_address: "192.168.1.1" },
      hidden: ["192.168.1.1: a private address (RFC 1918)"],
    },
    {
      name: "a unique local client",
      request: { client_address: "FD00:0::1" },
      hidden: ["fd00::1: a unique local address (RFC 4193)"],
    },
    { name: "no client of the Internet", hidden: [] },
    { name: "no client that is skipped", request: { client_address: "127.0.0.1" }, hidden: [] },
    { name: "no authenticated client", request: { client_address: "10.0.0.1", sasl_username: "joe" }, hidden: [] },
    {
      name: "no client on an allow list",
      request: { client_address: "10.0.0.1" },
      more: { allow: { addresses: [cidr("10.0.0.0/8")], spfDomains: [], heloNames: [], ptrDomains: [] } },
      hidden: [],
    },
    { name: "no prospective address", more: { prospectiveAddress: "10.0.0.1" }, hidden: [] },
  ])("$name as a hidden client", async ({ request = {}, more = {}, hidden }) => {
    const observe = recorder();
    const given = sources({}, { settings: settings(more) });
    await createPolicyService({ ...given, observe }).answer(policyRequest(request));
    expect(observe.hidden).toEqual(hidden);
  });

  test("a skipped client", async () => {
    expect(await decide({}, {}, policyRequest({ sasl_username: "joe" }))).toMatchObject([
      { outcome: { answer: { kind: "dunno" }, unchecked: "authenticated" } },
    ]);
  });
});
