/** The evaluation: suites, each rule with its reason, DNS trouble, and mailauth and OpenDMARC beside us. */
import { describe, expect, test } from "vitest";
import { evaluateDmarc } from "../../src/dmarc/evaluate.ts";
import { readFrom } from "../../src/dmarc/from.ts";
import type { DmarcResult } from "../../src/dmarc/verdict.ts";
import { type DmarcZone, dmarcResolver, evaluate, readCases } from "./fixtures.ts";

interface SuiteCase {
  readonly name: string;
  readonly zone: DmarcZone;
  readonly from: string;
  readonly spf?: readonly string[];
  readonly dkim?: readonly string[];
  readonly exp: { readonly r?: string; readonly policy?: string };
}

test.each(readCases<SuiteCase>("dmarc-cases").map((one) => [one.name, one] as const))("%s", async (_name, one) => {
  const { from, zone, spf = [], dkim = [], exp } = one;
  const passed = [...spf.map((domain) => `spf=pass ${domain}`), ...dkim.map((domain) => `dkim=pass ${domain}`)];
  const verdict = await evaluate(from, zone, passed);
  if (exp.r !== undefined) expect(verdict.result).toBeOneOf(exp.r.split("|"));
  if (exp.policy !== undefined) expect(verdict.policy?.applied).toBe(exp.policy);
});

const REJECT: DmarcZone = { "_dmarc.example.com": ["v=DMARC1; p=reject"], "example.com": { A: ["192.0.2.1"] } };
const STRICT: DmarcZone = { "_dmarc.example.com": ["v=DMARC1; p=reject; adkim=s; aspf=s"] };
const NP: DmarcZone = { "_dmarc.example.com": ["v=DMARC1; p=none; np=reject"], "a.example.com": { A: ["192.0.2.1"] } };
const EXTERNAL = "Cannot look up TXT";

interface Row {
  readonly name: string;
  readonly from?: string;
  readonly zone?: DmarcZone;
  readonly identifiers?: readonly string[];
  readonly result: DmarcResult;
  readonly reason: string;
  readonly mend?: string | undefined;
}

const ROWS: readonly Row[] = [
  {
    name: "DKIM of the same domain",
    identifiers: ["spf=fail example.net", "dkim=fail example.com s1", "dkim=pass example.com s2"],
    result: "pass",
    reason: 'the signature of "example.com" (selector "s2") passed, the same domain',
  },
  {
    name: "SPF of a domain below, with capitals and a dot",
    identifiers: ["spf=pass Mail.Example.COM."],
    result: "pass",
    reason: 'SPF for "mail.example.com" passed, aligned by the organizational domain "example.com"',
  },
  {
    name: "nothing",
    result: "fail",
    reason: "there is no result of SPF or DKIM",
    mend: 'Sign with DKIM as "example.com".',
  },
  {
    name: "strangers",
    identifiers: ["spf=pass example.net", "dkim=pass example.org s"],
    result: "fail",
    reason:
      'SPF for "example.net" passed, not aligned with "example.com"; ' +
      'the signature of "example.org" (selector "s") passed, not aligned with "example.com"',
    mend: 'Sign as "example.com" too: the signature of "example.org" is good, but that is another domain.',
  },
  {
    name: "a stranger whose name ends in ours",
    identifiers: ["spf=pass evil-example.com"],
    result: "fail",
    reason: 'SPF for "evil-example.com" passed, not aligned with "example.com"',
    mend: 'Sign with DKIM as "example.com", or send with an envelope sender below "example.com" instead of "evil-example.com".',
  },
  {
    name: "a broken signature of our own",
    identifiers: ["spf=softfail example.com", "dkim=permerror sub.example.com (no key in DNS)"],
    result: "fail",
    reason:
      'SPF for "example.com" has the result softfail, the same domain; ' +
      'the signature of "sub.example.com" has the result permerror (no key in DNS), below the organizational domain "example.com"',
    mend: 'Mend the DKIM signature of "sub.example.com", whose domain is right but whose result is permerror: no key in DNS.',
  },
  {
    name: "SPF that fails for our own domain",
    identifiers: ["spf=fail example.com"],
    result: "fail",
    reason: 'SPF for "example.com" has the result fail, the same domain',
    mend: 'Sign with DKIM as "example.com", which forwarding leaves whole, or name the client in the SPF record of "example.com".',
  },
  {
    name: "a signature of which a part of the body is free",
    identifiers: ["dkim=policy example.com"],
    result: "fail",
    reason: 'the signature of "example.com" has the result policy, the same domain',
    mend: 'Mend the DKIM signature of "example.com", whose domain is right but whose result is policy.',
  },
  {
    name: "DKIM of a domain below with strict alignment",
    zone: STRICT,
    identifiers: ["dkim=pass mail.example.com"],
    result: "fail",
    reason: 'the signature of "mail.example.com" passed, not "example.com" itself, which strict alignment wants',
    mend: 'Sign as "example.com" instead of "mail.example.com", or publish adkim=r in place of adkim=s.',
  },
  {
    name: "SPF of a domain below with strict alignment",
    zone: STRICT,
    identifiers: ["spf=pass mail.example.com"],
    result: "fail",
    reason: 'SPF for "mail.example.com" passed, not "example.com" itself, which strict alignment wants',
    mend: 'Send with an envelope sender of "example.com" instead of "mail.example.com", or publish aspf=r in place of aspf=s.',
  },
  {
    name: "five identifiers, of which three are told",
    identifiers: ["a", "b", "c", "d", "e"].map((name) => `dkim=fail ${name}.example`),
    result: "fail",
    reason: expect.stringMatching(/^the signature of "a\.example" .*; 2 more do not help$/) as string,
    mend: 'Sign with DKIM as "example.com".',
  },
  {
    name: "an identifier that is no domain name",
    identifiers: ["dkim=pass \xff.example.com", "spf=pass ."],
    result: "fail",
    reason:
      'the signature of "?.example.com" passed, not aligned with "example.com"; SPF for "" passed, not aligned with "example.com"',
    mend: 'Sign as "example.com" too: the signature of "?.example.com" is good, but that is another domain.',
  },
  {
    name: "no policy",
    zone: {},
    identifiers: ["spf=pass example.com"],
    result: "none",
    reason: '"example.com" has no DMARC policy',
  },
  {
    name: "a policy that cannot be used",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=rejct"] },
    identifiers: ["spf=pass example.com"],
    result: "none",
    reason: '"example.com" has no DMARC policy; Cannot read "p=rejct": want none, quarantine, reject',
  },
  {
    name: "a record full of faults",
    zone: { "_dmarc.example.com": [`v=DMARC1${"; y".repeat(2000)}`] },
    result: "none",
    reason: expect.stringMatching(
      /^"example\.com" has no DMARC policy; Cannot read "y": .{0,340}; 1991 more faults$/,
    ) as string,
  },
  {
    name: "two records",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=reject", "v=DMARC1; p=none"] },
    result: "none",
    reason: '"example.com" has no DMARC policy; "_dmarc.example.com" has 2 DMARC records, which count as none',
  },
  {
    name: "a record with a tag twice",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=reject; p=none"] },
    result: "none",
    reason: '"example.com" has no DMARC policy; Cannot use the record of "_dmarc.example.com": tag "p" stands twice',
  },
  {
    name: "no From that can be used",
    from: "ann@example.com, bob@example.net",
    identifiers: ["spf=pass example.com"],
    result: "permerror",
    reason: "2 domains",
    mend: "Put addresses of one domain only into the From field, and name a Sender.",
  },

  // DNS trouble
  {
    name: "the author's own record unknown",
    zone: { "_dmarc.example.com": "SERVFAIL" },
    identifiers: ["spf=pass example.com"],
    result: "temperror",
    reason: `${EXTERNAL} of "_dmarc.example.com": servfail`,
  },
  {
    name: "the record above unknown",
    from: "x@a.example.com",
    zone: { "_dmarc.example.com": "TIMEOUT" },
    result: "temperror",
    reason: `${EXTERNAL} of "_dmarc.example.com": timeout`,
  },
  {
    name: "the key of an aligned signature unknown",
    identifiers: ["spf=fail example.net", "dkim=temperror mail.example.com"],
    result: "temperror",
    reason:
      'the signature of "mail.example.com" has the result temperror, aligned by the organizational domain "example.com"',
  },
  {
    name: "SPF of an aligned domain unknown",
    identifiers: ["spf=temperror example.com"],
    result: "temperror",
    reason: 'SPF for "example.com" has the result temperror, the same domain',
  },
  {
    name: "the key of a stranger's signature unknown, which changes nothing",
    identifiers: ["dkim=temperror example.net"],
    result: "fail",
    reason: 'the signature of "example.net" has the result temperror, not aligned with "example.com"',
    mend: 'Sign with DKIM as "example.com".',
  },
  {
    name: "trouble beside a pass, which changes nothing",
    zone: { ...REJECT, "_dmarc.com": "SERVFAIL" },
    identifiers: ["spf=temperror example.com", "dkim=pass example.com"],
    result: "pass",
    reason: 'the signature of "example.com" passed, the same domain',
  },
  {
    name: "the organizational domain unknown, with a signature that may be aligned",
    zone: { ...REJECT, "_dmarc.com": "SERVFAIL" },
    identifiers: ["dkim=pass mail.example.com"],
    result: "temperror",
    reason: 'the signature of "mail.example.com" passed, its alignment could not be looked up',
  },
  {
    name: "the organizational domain unknown, with a signature that fails",
    zone: { ...REJECT, "_dmarc.com": "SERVFAIL" },
    identifiers: ["dkim=fail mail.example.com"],
    result: "fail",
    reason: 'the signature of "mail.example.com" has the result fail, its alignment could not be looked up',
    mend: 'Sign with DKIM as "example.com".',
  },
  {
    name: "the organizational domain of a good signature unknown",
    zone: { ...REJECT, "_dmarc.mail.example.com": "SERVFAIL" },
    identifiers: ["dkim=pass mail.example.com"],
    result: "temperror",
    reason: 'the signature of "mail.example.com" passed, its alignment could not be looked up',
  },
  {
    name: "the existence of the author's domain unknown, where np= differs",
    from: "x@a.example.com",
    zone: { ...NP, "a.example.com": "SERVFAIL" },
    result: "temperror",
    reason: 'Cannot look up A of "a.example.com": servfail',
  },
  {
    name: "the same beside a pass",
    from: "x@a.example.com",
    zone: { ...NP, "a.example.com": "SERVFAIL" },
    identifiers: ["dkim=pass a.example.com"],
    result: "pass",
    reason: 'the signature of "a.example.com" passed, the same domain',
  },
];

test.each(ROWS)(
  "$name: $result",
  async ({ from = "x@example.com", zone = REJECT, identifiers = [], result, reason, mend }) => {
    const verdict = await evaluate(from, zone, identifiers);
    expect(verdict).toMatchObject({ result, reason });
    const later = result === "temperror" ? "Try again later, or mend the name servers of that name." : undefined;
    expect(verdict.mend).toBe(mend ?? later);
  },
);

describe("The policy", () => {
  const applied = async (from: string, zone: DmarcZone): Promise<unknown> => {
    const { policy, orgDomain } = await evaluate(from, zone, []);
    return policy && [policy.tag, policy.requested, policy.applied, policy.domain, orgDomain];
  };
  const ALIAS: DmarcZone = {
    ...NP,
    "b.example.com": { CNAME: ["gone.example"] },
    "x.c.example.com": { A: ["192.0.2.1"] },
  };

  test.each<[from: string, zone: DmarcZone, expected: readonly string[]]>([
    ["x@example.com", REJECT, ["p", "reject", "reject", "example.com", "example.com"]],
    ["x@a.example.com", NP, ["p", "none", "none", "example.com", "example.com"]],
    ["x@ghost.example.com", NP, ["np", "reject", "reject", "example.com", "example.com"]],
    // An alias exists, whatever it leads to; so does a name that only has names below it.
    ["x@b.example.com", ALIAS, ["p", "none", "none", "example.com", "example.com"]],
    ["x@c.example.com", ALIAS, ["p", "none", "none", "example.com", "example.com"]],
    [
      "x@sub.example.com",
      { "_dmarc.example.com": ["v=DMARC1; p=none; sp=reject; t=y"] },
      ["sp", "reject", "quarantine", "example.com", "example.com"],
    ],
    // The record of a public suffix, for a domain without one.
    [
      "x@mail.example.bank",
      { "_dmarc.bank": ["v=DMARC1; p=reject; psd=y"] },
      ["p", "reject", "reject", "bank", "example.bank"],
    ],
    // psd=n makes a department its own organization.
    [
      "x@a.dept.example.com",
      { "_dmarc.dept.example.com": ["v=DMARC1; p=none; sp=quarantine; psd=n"], ...REJECT },
      ["sp", "quarantine", "quarantine", "dept.example.com", "dept.example.com"],
    ],
  ])("for %s", async (from, zone, expected) => {
    expect(await applied(from, zone)).toEqual(expected);
  });
});

describe("The queries", () => {
  const queriesFor = async (from: string, zone: DmarcZone, identifiers: readonly string[]): Promise<string[]> => {
    const resolver = dmarcResolver(zone);
    await evaluate(from, zone, identifiers, resolver);
    return resolver.queries;
  };

  test("are eight at most for a walk", async () => {
    const queries = await queriesFor("x@a.b.c.d.e.f.g.h.i.j.mail.example.com", {}, []);
    const walk = ["a.b.c.d.e.f.g.h.i.j.mail", "g.h.i.j.mail", "h.i.j.mail", "i.j.mail", "j.mail", "mail"];
    const names = [...walk.map((name) => `${name}.example.com`), "example.com", "com"];
    expect(queries).toEqual(names.map((name) => `TXT _dmarc.${name}`));
  });

  test("are made once for each name, and not for identifiers that cannot help", async () => {
    const strangers = ["spf=pass example.net", "dkim=fail a.example.com", "dkim=pass evil.example"];
    expect(await queriesFor("x@example.com", REJECT, [...strangers, "dkim=pass b.example.com"])).toEqual([
      "TXT _dmarc.example.com",
      "TXT _dmarc.com",
      "TXT _dmarc.b.example.com",
    ]);
  });

  test("stop at psd=y", async () => {
    const zone: DmarcZone = { "_dmarc.co.example": ["v=DMARC1; psd=y"] };
    expect(await queriesFor("x@a.co.example", zone, [])).toEqual(["TXT _dmarc.a.co.example", "TXT _dmarc.co.example"]);
  });

  test("have the deadline of the message", async () => {
    const deadlines: number[] = [];
    const zone = dmarcResolver({});
    const query = { from: readFrom(["x@example.com"]), identifiers: [], deadlineMs: 1234 };
    await evaluateDmarc(query, {
      resolve: (name, type, options) => {
        deadlines.push(options.deadlineMs);
        return zone.resolve(name, type, options);
      },
    });
    expect(deadlines).toEqual([1234, 1234]);
  });
});

interface OpenDmarcCase {
  readonly name: string;
  readonly from: readonly string[];
  readonly dkim: readonly { readonly domain: string; readonly result: string }[];
  readonly zone: DmarcZone;
  readonly opendmarc: string | null;
}

/** Where we answer otherwise than OpenDMARC, by class. */
const DIFFERENCES: Readonly<Record<string, readonly string[]>> = {
  "a From field that it reads, and we do not": ["from-display-unquoted-address", "from-trailing-dot", "from-two-ats"],
  "the upper one of two From fields": ["two-from-one-signed"],
  "a U-label that it looks up as it is": ["eai-from-ulabel"],
  "no field for a message without an author": ["from-absent", "from-empty", "from-no-domain"],
  "a signature whose key DNS hides, which it counts as failed": [
    "key-double-semicolon",
    "key-two-keys",
    "key-two-txt-key-first",
  ],
  "a signature of d=com, which it takes for one of example.com": ["d-single-label"],
  "a dot at the end of d=": ["d-trailing-dot"],
};

test("OpenDMARC's results for 97 messages are ours, but for the differences listed by class", async () => {
  const found: string[] = [];
  for (const { name, from, dkim, zone, opendmarc } of readCases<OpenDmarcCase>("opendmarc")) {
    const identifiers = dkim.map(({ domain, result }) => ({ method: "dkim" as const, domain, result }));
    const query = { from: readFrom(from), identifiers, deadlineMs: Number.MAX_VALUE };
    const { result } = await evaluateDmarc(query, dmarcResolver(zone));
    if (result !== opendmarc) found.push(name);
  }
  expect(found.sort()).toEqual(Object.values(DIFFERENCES).flat().sort());
});
