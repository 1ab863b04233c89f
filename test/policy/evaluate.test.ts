import { describe, expect, test } from "vitest";
import type { PolicySettings } from "../../src/policy/settings.ts";
import type { SpfResult, SpfVerdict } from "../../src/spf/verdict.ts";
import { answers, cidr, FORGED, FROM, HELO, identity } from "./answers.ts";
import { type policyRequest, tableResolver } from "./fixtures.ts";

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
    name: "quotes an address literal in Authentication-Results, and takes an underscore as it is",
    request: { helo_name: "[192.0.2.10]", sender: "joe@my_host.test" },
    settings: { headers: ["authentication-results"] },
    answer:
      'results mx.test; spf=none (explained none) smtp.mailfrom=my_host.test; spf=none (explained none) smtp.helo="[192.0.2.10]"',
  },
  {
    name: "names no domain in Authentication-Results for a sender without one",
    results: { joe: { domain: "" } },
    request: { helo_name: "", sender: "joe" },
    settings: { headers: ["authentication-results"] },
    answer: 'results mx.test; spf=none (explained none) smtp.mailfrom=""',
  },
  {
    name: "marks the domain's own words in Authentication-Results",
    results: { [FROM]: { result: "softfail", explanation: "go (away)", explanationFromDomain: true } },
    request: { helo_name: "" },
    settings: { headers: ["authentication-results"] },
    answer: `results mx.test; spf=softfail (The domain ${FROM} explains: go \\(away\\)) smtp.mailfrom=${FROM}`,
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
    name: "says DUNNO at XCLIENT",
    results: { [HELO]: "fail" },
    request: { protocol_state: "XCLIENT", sender: "" },
    answer: "DUNNO",
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

const NO_MAIL: readonly { record: string | undefined; isRejected: boolean }[] = [
  { record: "v=spf1 -all", isRejected: true },
  { record: "V=SPF1  -ALL ", isRejected: true },
  { record: "v=spf1 -all exp=why.example.net", isRejected: true },
  { record: "v=spf1 redirect=other.example.net", isRejected: false },
  { record: "v=spf1 ip4:192.0.2.1 -all", isRejected: false },
  { record: "v=spf1 ~all", isRejected: false },
  { record: "v=spf1", isRejected: false },
  { record: undefined, isRejected: false },
];

test.each(NO_MAIL)("reject-no-mail rejects by the record $record: $isRejected", async ({ record, isRejected }) => {
  const mailFrom = identity({ fail: { kind: "reject-no-mail" } });
  const [answer] = await answers({ [FROM]: { result: "fail", record } }, [{}], { mailFrom });
  expect(answer).toBe(isRejected ? FORGED : "header fail mailfrom");
});

describe("the policy service", () => {
  test.each(ONE_REQUEST)("$name", async ({ results = {}, request = {}, settings: more = {}, dns = {}, answer }) => {
    expect(await answers(results, [request], more, tableResolver(dns))).toEqual([answer]);
  });
});
