/** Tests mailauth's DMARC beside ours: its faults that src/mailauth/dmarc.ts names, and the same results elsewhere. */
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import type { DmarcResult } from "../../src/dmarc/verdict.ts";
import { type DmarcZone, dmarcResolver, evaluate, identifier } from "../dmarc/fixtures.ts";

interface Options {
  readonly headerFrom: readonly string[];
  readonly spfDomains: readonly { readonly domain: string }[];
  readonly dkimDomains: readonly { readonly domain: string }[];
  readonly resolver: (name: string, type: string) => Promise<unknown>;
  readonly strict: true;
}

interface Response {
  readonly status: { readonly result: string; readonly policy?: { readonly dmarc: string } };
}

const require = createRequire(import.meta.url);
const { dmarc } = require("mailauth/lib/dmarc/index.js") as { dmarc(options: Options): Promise<Response | false> };
/** What mailauth reads From fields with. */
const addressparser = createRequire(require.resolve("mailauth/lib/dmarc/index.js"))("nodemailer/lib/addressparser") as (
  text: string,
) => { readonly address: string }[];

/** mailauth's response, false for a message that it skips. It takes domains that passed, and knows no other results. */
async function mailauthsResponse(from: string, zone: DmarcZone, passed: readonly string[]): Promise<Response | false> {
  const ours = dmarcResolver(zone);
  const identifiers = passed.map(identifier);
  const domains = (method: string): { domain: string }[] => identifiers.filter((one) => one.method === method);
  return await dmarc({
    headerFrom: addressparser(from).map(({ address }) => address),
    spfDomains: domains("spf"),
    dkimDomains: domains("dkim"),
    resolver: async (name, type) => {
      const answer =
        type === "CNAME" ? { status: "nodata" as const } : await ours.resolve(name, type as "TXT", { deadlineMs: 1 });
      if (answer.status === "ok") return answer.records;
      const codes = { error: "ESERVFAIL", nxdomain: "ENOTFOUND", nodata: "ENODATA" };
      throw Object.assign(new Error(answer.status), { code: codes[answer.status] });
    },
    strict: true,
  });
}

async function mailauthsResult(from: string, zone: DmarcZone, passed: readonly string[]): Promise<string> {
  const response = await mailauthsResponse(from, zone, passed);
  if (response === false) return "skipped";
  return `${response.status.result} ${response.status.policy?.dmarc ?? ""}`.trim();
}

async function ourResult(from: string, zone: DmarcZone, identifiers: readonly string[]): Promise<string> {
  const { result, policy } = await evaluate(from, zone, identifiers);
  const applied: DmarcResult[] = ["pass", "fail"];
  return `${result} ${(applied.includes(result) && policy?.trouble === undefined && policy?.applied) || ""}`.trim();
}

const REJECT: DmarcZone = { "_dmarc.example.com": ["v=DMARC1; p=reject"] };

describe("mailauth still has the fault that", () => {
  test("it skips DMARC for a good From field, which is a way round p=reject", async () => {
    expect(await mailauthsResult("<ann@example.com(x)>", REJECT, [])).toBe("skipped");
    expect(await ourResult("<ann@example.com(x)>", REJECT, [])).toBe("fail reject");
  });

  test("it reads a malformed From field as one of its addresses", async () => {
    const from = "ann@evil.example (x) <b@example.com>";
    expect(await mailauthsResult(from, REJECT, ["dkim=pass example.com"])).toBe("pass reject");
    expect(await ourResult(from, REJECT, ["dkim=pass example.com"])).toBe("permerror");
  });

  test("it says nothing about a message that it skips", async () => {
    expect(await mailauthsResult("a@example.com, b@example.net", REJECT, [])).toBe("skipped");
    expect(await ourResult("a@example.com, b@example.net", REJECT, [])).toBe("permerror");
  });

  test("it does not say what is wrong with a record", async () => {
    const zone: DmarcZone = { "_dmarc.example.com": ["v=DMARC1; p=rejct"] };
    expect(JSON.stringify(await mailauthsResponse("a@example.com", zone, []))).not.toContain("rejct");
    expect((await evaluate("a@example.com", zone, [])).reason).toContain("rejct");
  });

  test("DNS trouble of SPF and DKIM makes a message fail", async () => {
    // It takes only the domains that passed.
    expect(await mailauthsResult("a@example.com", REJECT, [])).toBe("fail reject");
    expect(await ourResult("a@example.com", REJECT, ["dkim=temperror example.com"])).toBe("temperror");
  });
});

const NAMES = ["com", "example.com", "a.example.com", "b.a.example.com", "c.example.com", "example.net"];
const TAGS = ["p=none", "p=reject", "p=quarantine; sp=none", "p=none; np=reject", "p=reject; psd=y", "p=none; psd=n"];
const MORE_TAGS = [
  "p=reject; adkim=s",
  "p=reject; aspf=s; t=y",
  "p=x",
  "p=x; rua=mailto:a@b.example",
  "p=none; p=none",
];

/** A generator of numbers below a limit, the same in every run. */
function dice(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

test("Ours and mailauth's results are the same for 3,000 zones", async () => {
  const counts: Record<string, number> = {};
  const tags = [...TAGS, ...MORE_TAGS];
  for (let seed = 1; seed <= 3000; seed++) {
    const roll = dice(seed);
    const pick = <T>(list: readonly T[]): T => list[roll(list.length)] as T;
    const zone: Record<string, DmarcZone[string]> = {};
    for (const name of NAMES) {
      if (roll(3) === 0) zone[`_dmarc.${name}`] = roll(12) === 0 ? "SERVFAIL" : [`v=DMARC1; ${pick(tags)}`];
      if (roll(3) === 0) zone[name] = roll(12) === 0 ? "SERVFAIL" : { A: ["192.0.2.1"] };
    }
    const from = `x@${pick(NAMES)}`;
    const passed = [`spf=pass ${pick(NAMES)}`, `dkim=pass ${pick(NAMES)}`].slice(0, roll(3));
    const ours = await ourResult(from, zone, passed);
    expect([from, zone, passed, ours]).toEqual([from, zone, passed, await mailauthsResult(from, zone, passed)]);
    counts[ours] = (counts[ours] ?? 0) + 1;
  }
  expect(Object.keys(counts).length).toBeGreaterThanOrEqual(8);
});
