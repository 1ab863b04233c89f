import { describe, expect, test } from "vitest";
import { createPolicyService } from "../../src/policy/service.ts";
import { everyResult, type PolicySettings } from "../../src/policy/settings.ts";
import { cidr, FORGED, FROM, HELO } from "./answers.ts";
import { policyRequest, type Results, recorder, settings, sources } from "./fixtures.ts";

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
