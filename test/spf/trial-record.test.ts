import { expect, test } from "vitest";
import { createSpfChecker } from "../../src/spf/checker.ts";
import { withTrialRecord } from "../../src/spf/trial-record.ts";
import { memoryResolver, zoneAuthority } from "../helpers/zone.ts";

const ZONE = {
  "example.com": [{ TXT: "v=spf1 -all" }, { TXT: "other=1" }, { A: "192.0.2.1" }],
  "own.example": [{ TXT: "v=spf1 include:Example.com -all" }],
};

async function resultOf(domain: string, record: string, sender: string): Promise<string> {
  const resolver = withTrialRecord(memoryResolver(zoneAuthority(ZONE)), domain, record);
  if (resolver === undefined) return "no domain";
  const limits = { maxDnsLookups: 10, maxVoidLookups: 2, receiver: "r.example", clockMs: () => 0 };
  const query = { identity: "mailfrom", clientAddress: "192.0.2.1", heloName: "h.example", deadlineMs: 1 } as const;
  return (await createSpfChecker({ resolver, ...limits }).checkHost({ ...query, sender })).result;
}

test.each([
  ["in place of the published one", "example.com", "v=spf1 a -all", "a@example.com", "pass"],
  ["in any case, with a trailing dot", "EXAMPLE.com.", "v=spf1 a -all", "a@Example.COM", "pass"],
  ["where another record includes it", "example.com", "v=spf1 a -all", "a@own.example", "pass"],
  ["for a name that is not there", "new.example", "v=spf1 ip4:192.0.2.0/24 -all", "a@new.example", "pass"],
  ["for an international name", "b\xc3\xbccher.example", "v=spf1 ~all", "a@xn--bcher-kva.example", "softfail"],
  ["and no other name", "example.com", "v=spf1 a -all", "a@sub.example.com", "none"],
  ["which may be no SPF record", "example.com", "v=spf2 a", "a@example.com", "none"],
])("withTrialRecord evaluates the record %s", async (_name, domain, record, sender, wanted) => {
  expect(await resultOf(domain, record, sender)).toBe(wanted);
});

test.each(["", "localhost", "192.0.2.1", "a..example", "[192.0.2.1]"])(
  "withTrialRecord refuses the name %j",
  async (name) => {
    expect(await resultOf(name, "v=spf1 a", "a@example.com")).toBe("no domain");
  },
);
