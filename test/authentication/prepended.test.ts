/** The policy service and the milter on one message: who adds which field, what stays of it, and who asks DNS. */
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/parse.ts";
import { policySettings } from "../../src/config/settings.ts";
import type { Decision } from "../../src/milter/application.ts";
import { createPolicyService } from "../../src/policy/service.ts";
import type { Setup } from "../../src/setup/setup.ts";
import { createChecker } from "../../src/setup/spf-checker.ts";
import { SpfTransactions } from "../../src/spf/transactions.ts";
import type { ZoneData } from "../helpers/zone.ts";
import { memoryResolver, zoneAuthority } from "../helpers/zone.ts";
import { policyRequest } from "../policy/fixtures.ts";
import { handleMessage, type Outcome, STRANGER } from "./handling.ts";

/** No record may be kept longer than for the transaction. */
const ZONE: ZoneData = {
  "example.com": [{ TXT: "v=spf1 include:_spf.example.com -all" }],
  "_spf.example.com": [{ TXT: "v=spf1 ip4:192.0.2.1 -all" }],
  "mail.example.net": [{ A: "192.0.2.1" }, { TXT: "v=spf1 a -all" }],
  "slow.example": ["SERVFAIL"],
};

const FROM = "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: a test\r\n\r\nHi\r\n";

interface Message {
  readonly sender?: string;
  readonly port?: number;
  readonly heloName?: string;
}

/** One process on mx.example.org, with both services. */
function host(toml = "") {
  const resolver = memoryResolver(zoneAuthority(ZONE, { ttlSeconds: 0 }));
  const transactions = new SpfTransactions();
  const { config } = parseConfig(toml, "test.toml");
  const setup = { config, hostname: "mx.example.org", srsDomain: "" } as Setup;
  const policy = createPolicyService({
    settings: policySettings(config, "mx.example.org"),
    hostname: "mx.example.org",
    checkHost: createChecker(setup, resolver as never).checkHost,
    resolver,
    clockMs: () => performance.now(),
    transactions,
    observe: { decided() {}, spfChecked() {}, clientHidden() {} },
  });
  let instances = 0;
  return {
    resolver,
    /** Has Postfix ask at RCPT. @returns the field that it is to prepend, or "" */
    async asked(
      { sender = "ann@example.com", port = 40_000, heloName = "mail.example.net" }: Message = {},
      instance = `${++instances}`,
    ) {
      const request = policyRequest({
        ...{ client_address: STRANGER.address, client_port: String(port), helo_name: heloName, sender, instance },
      });
      const action = (await policy.answer(request)).trim();
      return /^action=PREPEND (.*)$/s.exec(action)?.[1]?.concat("\r\n") ?? "";
    },
    /** Gives a message to the milter. */
    handled(message: string, of: Message = {}, beforeData?: () => Promise<unknown>) {
      const { sender = "ann@example.com", port = 40_000, heloName = "mail.example.net" } = of;
      const client = { ...STRANGER, port };
      const more = beforeData === undefined ? {} : { beforeData };
      return handleMessage(message, { resolver, transactions, toml, client, sender, heloName, ...more });
    },
  };
}

const removed = ({ decision }: Outcome): { name: string; index: number }[] => [
  ...((decision as Decision).edits?.remove ?? []),
];

describe("A Received-SPF field that we have had prepended", () => {
  test("stays, and copies of it go", async () => {
    const mx = host();
    const ours = await mx.asked();
    expect(ours).toMatch(/^Received-SPF: pass /);
    const foreign = ours.replace("pass", "fail");
    expect(removed(await mx.handled(`${ours}${foreign}${ours}Received-SPF: x\r\n${ours}${FROM}`))).toEqual([
      { name: "Received-SPF", index: 3 },
      { name: "Received-SPF", index: 5 },
    ]);
  });

  test("is given once for all recipients, and once for each message of a session", async () => {
    const mx = host();
    for (const instance of ["a", "b", "c"]) {
      const given = [await mx.asked({}, instance), await mx.asked({}, instance), await mx.asked({}, instance)];
      expect(given.map((one) => one !== "")).toEqual([true, false, false]);
      expect(removed(await mx.handled(`${given[0]}${given[0]}${FROM}`))).toEqual([{ name: "Received-SPF", index: 2 }]);
    }
  });

  test("is known to one message only: what we gave another is any text of the sender", async () => {
    const mx = host();
    const ours = await mx.asked();
    const planted = `${ours}${ours}${FROM}`;
    expect(removed(await mx.handled(planted, { port: 40_001 }))).toEqual([]);
    expect(removed(await mx.handled(planted, { heloName: "other.example" }))).toEqual([]);
    expect(removed(await mx.handled(planted, { sender: "eve@example.com" }))).toEqual([]);
    expect(removed(await mx.handled(planted))).toHaveLength(1);
    // The message has ended.
    expect(removed(await mx.handled(planted))).toEqual([]);
  });

  test("is known however Postfix quotes the sender and shows the name in HELO", async () => {
    const mx = host();
    const ours = await mx.asked({ sender: "a b@example.com", heloName: "mail?.example.net" });
    const seen = { sender: '"a\\ b"@example.com', heloName: "mail\xff.example.net" };
    expect(removed(await mx.handled(`${ours}${ours}${FROM}`, seen))).toHaveLength(1);
  });
});

test("A prepended Authentication-Results goes, and its results stand in the one field", async () => {
  const mx = host('[policy]\nheaders = ["authentication-results"]\n');
  const ours = await mx.asked();
  expect(ours).toMatch(/^Authentication-Results: mx\.example\.org; spf=pass /);
  const outcome = await mx.handled(`${ours}${FROM}`);
  expect(removed(outcome)).toEqual([{ name: "Authentication-Results", index: 1 }]);
  expect(outcome.inserted).toEqual(["Authentication-Results"]);
  for (const result of ours.trim().split("; ").slice(1))
    expect(outcome.message.replaceAll("\r\n\t", " ")).toContain(result);
});

test("and an authserv_id of the policy service's own changes nothing of that", async () => {
  const mx = host(
    '[policy]\nheaders = ["authentication-results"]\nauthserv_id = "spf.example.org"\n[milter]\nauthserv_id = "mx.example.org"',
  );
  const ours = await mx.asked();
  expect(ours).toMatch(/^Authentication-Results: spf\.example\.org; /);
  expect(removed(await mx.handled(`${ours}${FROM}`))).toHaveLength(1);
});

describe("DNS is asked once for a message", () => {
  /** The queries about SPF. */
  const spf = (asked: readonly string[]): string[] => asked.filter((one) => !/_dmarc|_domainkey/.test(one));

  test.each([
    { who: "the policy service comes first, as at RCPT", isFirst: true },
    { who: "the milter comes first, as with smtpd_data_restrictions", isFirst: false },
  ])("$who", async ({ isFirst }) => {
    const mx = host();
    if (isFirst) await mx.asked();
    await mx.handled(FROM, {}, isFirst ? undefined : () => setImmediate().then(() => mx.asked()));
    const once = spf(mx.resolver.queries);
    expect(once.length).toBeGreaterThan(3);
    expect(new Set(once).size).toBe(once.length);
  });

  test("and DNS trouble is not asked away: both say the same", async () => {
    const mx = host('[policy.mail_from]\ntemperror = "tag"\n');
    const sender = "ann@slow.example";
    expect(await mx.asked({ sender })).toMatch(/^Received-SPF: temperror /);
    const outcome = await mx.handled(FROM, { sender });
    expect(outcome.message).toMatch(/spf=temperror .*smtp\.mailfrom=slow\.example/);
    expect(spf(mx.resolver.queries).filter((one) => one.includes("slow.example"))).toHaveLength(1);
  });
});
