import { describe, expect, test } from "vitest";
import { parseCidr } from "../../src/policy/addresses.ts";
import { createPolicyService } from "../../src/policy/service.ts";
import {
  DEFAULT_POLICY_SETTINGS,
  everyResult,
  type IdentitySettings,
  type Override,
  type PolicySettings,
} from "../../src/policy/settings.ts";
import type { SpfResult, SpfVerdict } from "../../src/spf/verdict.ts";
import { policyRequest, type Results, recorder, settings, sources, tableChecker, tableResolver } from "./fixtures.ts";

const { helo: DEFAULTS } = DEFAULT_POLICY_SETTINGS;

/** The default dispositions but for some. */
function identity(more: Partial<IdentitySettings["dispositions"]>, check = true): IdentitySettings {
  return { check, dispositions: { ...DEFAULTS.dispositions, ...more } };
}

function override(match: Partial<Override["match"]>, change: Override["change"]): Override {
  const any = { recipients: [], senders: [], senderDomains: [], heloNames: [], clientAddresses: [] };
  return { match: { ...any, ...match }, change };
}

function cidr(text: string) {
  const range = parseCidr(text);
  if (range === undefined) throw new Error(`not a CIDR: ${text}`);
  return range;
}

/** The answers, in short: "header RESULT IDENTITY", the code and text of a refusal, or the action. */
async function answers(
  results: Results,
  requests: readonly Partial<ReturnType<typeof policyRequest>>[],
  more: Partial<PolicySettings> = {},
  resolver = tableResolver({}),
): Promise<string[]> {
  const observe = recorder();
  const service = createPolicyService({ ...sources(results), settings: settings(more), resolver, observe });
  const replies: string[] = [];
  for (const request of requests) replies.push(summary(await service.answer(policyRequest(request))));
  return replies;
}

function summary(reply: string): string {
  const action = /^action=([^\n]*)\n\n$/.exec(reply)?.[1] ?? `broken reply ${JSON.stringify(reply)}`;
  const received = /^PREPEND Received-SPF: (\w+) .* identity=(\w+)/.exec(action);
  if (received !== null) return `header ${received[1]} ${received[2]}`;
  return action.replace(/^PREPEND Authentication-Results:/, "results");
}

const HELO = "mail.sender.test";
const FROM = "sender.test";

const ONE_REQUEST: readonly {
  name: string;
  results?: Record<string, SpfResult | Partial<SpfVerdict>>;
  request?: Partial<ReturnType<typeof policyRequest>>;
  settings?: Partial<PolicySettings>;
  dns?: Record<string, readonly unknown[] | "timeout">;
  answer: string;
}[] = [
  { name: "tags a pass", results: { [FROM]: "pass" }, answer: "header pass mailfrom" },
  { name: "tags with MAIL FROM's none, not HELO's pass", results: { [HELO]: "pass" }, answer: "header none mailfrom" },
  {
    name: "tags with HELO's result for the null sender",
    results: { [HELO]: "pass" },
    request: { sender: "" },
    answer: "header pass helo",
  },
  {
    name: "rejects a fail",
    results: { [FROM]: "fail" },
    answer: "550 5.7.23 Message rejected due to: SPF fail: explained fail",
  },
  {
    name: "rejects a HELO that fails although MAIL FROM passes",
    results: { [HELO]: "fail", [FROM]: "pass" },
    answer: "550 5.7.23 Message rejected due to: SPF fail: explained fail",
  },
  {
    name: "rejects a permerror with 5.7.24",
    results: { [FROM]: "permerror" },
    settings: { mailFrom: identity({ permerror: { kind: "reject" } }) },
    answer: "550 5.7.24 Message rejected due to: SPF permerror: explained permerror",
  },
  {
    name: "defers a temperror",
    results: { [FROM]: "temperror" },
    settings: { mailFrom: identity({ temperror: { kind: "defer" } }) },
    answer: "DEFER_IF_PERMIT 4.7.24 Message deferred due to: SPF temperror: explained temperror",
  },
  {
    name: "leaves the enhanced codes out",
    results: { [FROM]: "fail" },
    settings: { enhancedStatusCodes: false },
    answer: "550 Message rejected due to: SPF fail: explained fail",
  },
  {
    name: "marks the domain's own words",
    results: { [FROM]: { result: "fail", explanation: "go away", explanationFromDomain: true } },
    settings: { rejectMessage: "{identity} {domain} {client_address} {helo_name} {sender} {receiver}: {explanation}" },
    answer: `550 5.7.23 mailfrom ${FROM} 192.0.2.10 ${HELO} joe@${FROM} mx.test: The domain ${FROM} explains: go away`,
  },
  {
    name: "answers a configured action for a pass",
    results: { [FROM]: "pass" },
    settings: { mailFrom: identity({ pass: { kind: "action", action: "mfrom_passed" } }) },
    answer: "mfrom_passed",
  },
  {
    name: "lets no HELO pass action in what MAIL FROM refuses",
    results: { [HELO]: "pass", [FROM]: "fail" },
    settings: { helo: identity({ pass: { kind: "action", action: "helo_passed" } }) },
    answer: "550 5.7.23 Message rejected due to: SPF fail: explained fail",
  },
  {
    name: "answers HELO's pass action when MAIL FROM only tags",
    results: { [HELO]: "pass" },
    settings: { helo: identity({ pass: { kind: "action", action: "helo_passed" } }) },
    answer: "helo_passed",
  },
  {
    name: "answers HELO's action for a fail before MAIL FROM's for a pass",
    results: { [HELO]: "fail", [FROM]: "pass" },
    settings: {
      helo: identity({ fail: { kind: "action", action: "HOLD" } }),
      mailFrom: identity({ pass: { kind: "action", action: "OK" } }),
    },
    answer: "HOLD",
  },
  {
    name: "does not look at a HELO that is not to be checked",
    results: { [HELO]: "fail", [FROM]: "pass" },
    settings: { helo: identity({}, false) },
    answer: "header pass mailfrom",
  },
  {
    name: "checks the null sender by MAIL FROM's rules when HELO is not to be checked",
    results: { [HELO]: "fail" },
    request: { sender: "" },
    settings: { helo: identity({}, false) },
    answer: "550 5.7.23 Message rejected due to: SPF fail: explained fail",
  },
  {
    name: "tags with HELO's result when MAIL FROM is not to be checked",
    results: { [FROM]: "fail" },
    settings: { mailFrom: identity({}, false) },
    answer: "header none helo",
  },
  {
    name: "says DUNNO when neither is to be checked",
    results: { [FROM]: "fail" },
    settings: { helo: identity({}, false), mailFrom: identity({}, false) },
    answer: "DUNNO",
  },
  {
    name: "checks MAIL FROM without a HELO",
    results: { [FROM]: "pass" },
    request: { helo_name: "" },
    answer: "header pass mailfrom",
  },
  { name: "says DUNNO when nothing is known", request: { helo_name: "", sender: "" }, answer: "DUNNO" },
  { name: "says DUNNO for an address that is none", request: { client_address: "unknown" }, answer: "DUNNO" },
  { name: "says DUNNO without an address", request: { client_address: "" }, answer: "DUNNO" },
  {
    name: "does not check authenticated clients",
    results: { [FROM]: "fail" },
    request: { sasl_username: "joe" },
    answer: "DUNNO",
  },
  {
    name: "checks authenticated clients when told to",
    results: { [FROM]: "pass" },
    request: { sasl_username: "joe" },
    settings: { skipAuthenticated: false },
    answer: "header pass mailfrom",
  },
  {
    name: "does not check loopback clients",
    results: { [FROM]: "fail" },
    request: { client_address: "127.9.8.7" },
    answer: "DUNNO",
  },
  {
    name: "does not check IPv4-mapped loopback clients",
    results: { [FROM]: "fail" },
    request: { client_address: "::ffff:127.0.0.1" },
    answer: "DUNNO",
  },
  {
    name: "does not check the IPv6 loopback client",
    results: { [FROM]: "fail" },
    request: { client_address: "::1" },
    answer: "DUNNO",
  },
  {
    name: "tells that an allow-listed client was not checked",
    results: { [FROM]: "fail" },
    settings: { allow: { addresses: [cidr("192.0.2.0/24")], spfDomains: [], heloNames: [], ptrDomains: [] } },
    answer: "header none mailfrom",
  },
  {
    name: "tells the same in Authentication-Results",
    results: { [FROM]: "fail" },
    settings: {
      headers: ["authentication-results"],
      allow: { addresses: [cidr("192.0.2.0/24")], spfDomains: [], heloNames: [], ptrDomains: [] },
    },
    answer: "results mx.test; none (SPF not checked: client is on the allow list addresses)",
  },
  {
    name: "defers instead of rejecting while DNS trouble hides whether the client is allowed",
    results: { [FROM]: "fail" },
    settings: { allow: { addresses: [], spfDomains: [], heloNames: [], ptrDomains: ["fwd.test"] } },
    dns: { "PTR 10.2.0.192.in-addr.arpa": "timeout" },
    answer: "DEFER_IF_PERMIT 4.7.24 Message deferred due to: SPF fail: explained fail",
  },
  {
    name: "rejects a domain that publishes no DMARC",
    results: { [FROM]: "fail" },
    settings: { mailFrom: identity({ fail: { kind: "reject-unless-dmarc" } }) },
    answer: "550 5.7.23 Message rejected due to: SPF fail: explained fail",
  },
  {
    name: "tags the fail of a domain that publishes DMARC",
    results: { [FROM]: "fail" },
    settings: { mailFrom: identity({ fail: { kind: "reject-unless-dmarc" } }) },
    dns: { "TXT _dmarc.sender.test": ["v=DMARC1; p=none"] },
    answer: "header fail mailfrom",
  },
  {
    name: "rejects a domain that sends no mail",
    results: { [FROM]: { result: "fail", record: "v=spf1 -all" } },
    settings: { mailFrom: identity({ fail: { kind: "reject-no-mail" } }) },
    answer: "550 5.7.23 Message rejected due to: SPF fail: explained fail",
  },
  {
    name: "tags the fail of a domain that sends mail",
    results: { [FROM]: { result: "fail", record: "v=spf1 mx -all" } },
    settings: { mailFrom: identity({ fail: { kind: "reject-no-mail" } }) },
    answer: "header fail mailfrom",
  },
  {
    name: "only tags in report mode",
    results: { [HELO]: "fail", [FROM]: "pass" },
    settings: { mode: "report" },
    answer: "header pass mailfrom",
  },
  {
    name: "gives no action for a pass in report mode",
    results: { [FROM]: "pass" },
    settings: { mode: "report", mailFrom: identity({ pass: { kind: "action", action: "OK" } }) },
    answer: "header pass mailfrom",
  },
  {
    name: "gives no header when none is configured",
    results: { [FROM]: "pass" },
    settings: { headers: [] },
    answer: "DUNNO",
  },
  {
    name: "reports both identities in Authentication-Results",
    results: { [HELO]: "pass", [FROM]: "softfail" },
    settings: { headers: ["authentication-results"] },
    answer: `results mx.test; spf=softfail (explained softfail) smtp.mailfrom=${FROM}; spf=pass (explained pass) smtp.helo=${HELO}`,
  },
  {
    name: "reports HELO alone in Authentication-Results for the null sender, under its own authserv-id",
    results: { [HELO]: "pass" },
    request: { sender: "" },
    settings: { headers: ["authentication-results"], authservId: "results.test" },
    answer: `results results.test; spf=pass (explained pass) smtp.helo=${HELO}`,
  },
  {
    name: "checks the prospective address, also for authenticated clients, and gives no header",
    results: { [FROM]: "pass" },
    request: { sasl_username: "joe", client_address: "127.0.0.1" },
    settings: { prospectiveAddress: "192.0.2.99" },
    answer: "DUNNO",
  },
  {
    name: "rejects by the prospective address",
    results: { [FROM]: "fail" },
    request: { sasl_username: "joe", client_address: "127.0.0.1" },
    settings: { prospectiveAddress: "192.0.2.99", rejectMessage: "{client_address}" },
    answer: "550 5.7.23 192.0.2.99",
  },
  {
    name: "says DUNNO at CONNECT",
    results: { [HELO]: "fail" },
    request: { protocol_state: "CONNECT", sender: "" },
    answer: "DUNNO",
  },
  {
    name: "gives no header at EHLO",
    results: { [HELO]: "pass" },
    request: { protocol_state: "EHLO", sender: "", instance: "" },
    answer: "DUNNO",
  },
  {
    name: "rejects a HELO that fails at HELO",
    results: { [HELO]: "fail" },
    request: { protocol_state: "HELO", sender: "", instance: "" },
    answer: "550 5.7.23 Message rejected due to: SPF fail: explained fail",
  },
  {
    name: "gives the header at DATA",
    results: { [FROM]: "pass" },
    request: { protocol_state: "DATA", recipient: "" },
    answer: "header pass mailfrom",
  },
  {
    name: "gives no header at END-OF-MESSAGE",
    results: { [FROM]: "pass" },
    request: { protocol_state: "END-OF-MESSAGE" },
    answer: "DUNNO",
  },
  {
    name: "rejects at END-OF-MESSAGE",
    results: { [FROM]: "fail" },
    request: { protocol_state: "END-OF-MESSAGE" },
    answer: "550 5.7.23 Message rejected due to: SPF fail: explained fail",
  },
  {
    name: "says DUNNO at VRFY",
    results: { [HELO]: "fail" },
    request: { protocol_state: "VRFY", sender: "" },
    answer: "DUNNO",
  },
  {
    name: "says DUNNO at ETRN",
    results: { [HELO]: "fail" },
    request: { protocol_state: "ETRN", sender: "" },
    answer: "DUNNO",
  },
  {
    name: "takes an unknown state for RCPT",
    results: { [FROM]: "pass" },
    request: { protocol_state: "" },
    answer: "header pass mailfrom",
  },
];

describe("the policy service", () => {
  test.each(ONE_REQUEST)("$name", async ({ results = {}, request = {}, settings: more = {}, dns = {}, answer }) => {
    expect(await answers(results, [request], more, tableResolver(dns))).toEqual([answer]);
  });
});

const FORGED = "550 5.7.23 Message rejected due to: SPF fail: explained fail";

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

describe("what the observer is told", () => {
  async function decide(results: Results, more: Partial<PolicySettings>, request = policyRequest()) {
    const observe = recorder();
    let clockMs = 100;
    const now = () => (clockMs += 5);
    const service = createPolicyService({ ...sources(results), settings: settings(more), now, observe });
    await Promise.resolve(service.answer(request)).catch(() => undefined);
    return observe.decisions;
  }

  test("a refusal, with both results, lookups and time", async () => {
    const results = { [FROM]: { result: "fail", lookups: 3 }, [HELO]: { result: "none", lookups: 1 } } as const;
    expect(await decide(results, {})).toEqual([
      {
        request: policyRequest(),
        heloResult: "none",
        mailFromResult: "fail",
        kind: "reject",
        action: FORGED,
        wouldKind: undefined,
        wouldAction: undefined,
        unchecked: undefined,
        elapsedMs: 10,
        lookups: 4,
      },
    ]);
  });

  test.each([
    { name: "a header", results: {}, more: {}, want: { kind: "prepend", mailFromResult: "none" } },
    {
      name: "a deferral",
      results: { [FROM]: "temperror" },
      more: { mailFrom: { check: true, dispositions: everyResult({ kind: "defer" }) } },
      want: { kind: "defer" },
    },
    {
      name: "an action",
      results: {},
      more: { mailFrom: { check: true, dispositions: everyResult({ kind: "action", action: "HOLD" }) } },
      want: { kind: "other", action: "HOLD" },
    },
    {
      name: "report mode",
      results: { [FROM]: "fail" },
      more: { mode: "report" },
      want: { kind: "prepend", wouldKind: "reject", wouldAction: FORGED },
    },
    {
      name: "an allow list",
      results: {},
      more: { allow: { addresses: [cidr("192.0.2.10")], spfDomains: [], heloNames: [], ptrDomains: [] } },
      want: { kind: "prepend", unchecked: "addresses", mailFromResult: undefined },
    },
    {
      name: "trouble of ours",
      results: { [FROM]: new Error("broken") },
      more: {},
      want: { kind: "error", action: "" },
    },
  ] satisfies { name: string; results: Results; more: Partial<PolicySettings>; want: object }[])(
    "$name",
    async ({ results, more, want }) => {
      expect(await decide(results, more)).toMatchObject([want]);
    },
  );

  test("a skipped client", async () => {
    expect(await decide({}, {}, policyRequest({ sasl_username: "joe" }))).toMatchObject([
      { kind: "dunno", unchecked: "authenticated" },
    ]);
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
    now: () => 500,
    observe: recorder(),
  });
  await service.answer(policyRequest());
  expect(checker.asked).toMatchObject([
    { identity: "helo", deadlineMs: 20_500, clientAddress: "192.0.2.10", heloName: HELO, sender: "joe@sender.test" },
    { identity: "mailfrom", deadlineMs: 20_500 },
  ]);
});
