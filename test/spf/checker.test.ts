import { describe, expect, test } from "vitest";
import type { DnsAnswer, Resolver } from "../../src/dns/types.ts";
import { createSpfChecker, type SpfChecker, type SpfSettings } from "../../src/spf/checker.ts";
import type { SpfQuery, SpfVerdict } from "../../src/spf/verdict.ts";
import { type MemoryResolver, memoryResolver, type ZoneData, zoneAuthority } from "../helpers/zone.ts";

const QUERY: SpfQuery = {
  identity: "mailfrom",
  clientAddress: "192.0.2.1",
  heloName: "mail.example.net",
  sender: "joe@example.com",
  deadlineMs: 20_000,
};

/** A checker over a zone, with a clock that stands still unless it is set. */
function setUp(zone: ZoneData, settings: Partial<SpfSettings> & { ttlSecondsOf?: Record<string, number> } = {}) {
  const clock = { nowMs: 1000 };
  const { ttlSecondsOf = {}, ...others } = settings;
  const resolver = memoryResolver(zoneAuthority(zone, { ttlSecondsOf }), { clockMs: () => clock.nowMs });
  return { clock, resolver, checker: createSpfChecker({ resolver, ...limits(clock), ...others }) };
}

function limits(clock: { readonly nowMs: number }): Omit<SpfSettings, "resolver"> {
  return { maxDnsLookups: 10, maxVoidLookups: 2, receiver: "mx.example.org", clockMs: () => clock.nowMs };
}

/** A checker whose queries take time. */
function slowChecker(clock: { nowMs: number }, resolver: Resolver, elapsedMs: (type: string) => number): SpfChecker {
  const slow: Resolver = {
    resolve: (name, type, options) => {
      clock.nowMs += elapsedMs(type);
      return resolver.resolve(name, type, options);
    },
  };
  return createSpfChecker({ resolver: slow, ...limits(clock) });
}

async function verdictOn(zone: ZoneData, query: Partial<SpfQuery> = {}): Promise<SpfVerdict> {
  return await setUp(zone).checker.checkHost({ ...QUERY, ...query });
}

describe("A verdict", () => {
  const zone: ZoneData = {
    "example.com": [{ TXT: "v=spf1 A:b.example.com include:_spf.example.com ~MX -all" }, { MX: [1, "m.example.com"] }],
    "_spf.example.com": [{ TXT: "v=spf1 ip4:198.51.100.0/24 ?ip4:203.0.113.0/24 -all" }],
    "m.example.com": [{ A: "192.0.2.77" }],
    "redirected.example.com": [{ TXT: "v=spf1 redirect=example.com" }],
    "silent.example.com": [{ TXT: "v=spf1 ip4:198.51.100.1" }],
  };

  test.each<[string, string, string, Partial<SpfVerdict>]>([
    [
      "a matching include",
      "198.51.100.1",
      "example.com",
      { result: "pass", mechanism: "include:_spf.example.com", lookups: 2 },
    ],
    ["an include that did not pass", "203.0.113.1", "example.com", { result: "fail", mechanism: "-all", lookups: 3 }],
    ["a qualifier as written", "192.0.2.77", "example.com", { result: "softfail", mechanism: "~MX", voidLookups: 1 }],
    [
      "a redirect",
      "192.0.2.77",
      "redirected.example.com",
      { mechanism: "~MX", lookups: 4, record: "v=spf1 redirect=example.com" },
    ],
    ["no match", "192.0.2.1", "silent.example.com", { result: "neutral", mechanism: "default", lookups: 0 }],
    ["no record", "192.0.2.1", "m.example.com", { result: "none", mechanism: undefined, record: undefined }],
  ])("tells of %s", async (_name, clientAddress, domain, wanted) => {
    expect(await verdictOn(zone, { clientAddress, sender: `joe@${domain}` })).toMatchObject({
      problem: undefined,
      domain,
      ...wanted,
    });
  });

  test("names the domain as it was given, and the identity that was asked about", async () => {
    expect(await verdictOn(zone, { sender: "joe@EXAMPLE.com." })).toMatchObject({ domain: "EXAMPLE.com" });
    expect(await verdictOn(zone, { identity: "helo", heloName: "Example.COM" })).toMatchObject({
      identity: "helo",
      domain: "Example.COM",
      result: "fail",
    });
    expect(await verdictOn(zone, { sender: "", heloName: "Example.COM" })).toMatchObject({
      identity: "mailfrom",
      domain: "Example.COM",
    });
  });

  test.each(["unknown", "", "192.0.2.300"])(
    "is none for a client at %j, and nothing is asked",
    async (clientAddress) => {
      const { checker, resolver } = setUp(zone);
      expect(await checker.checkHost({ ...QUERY, clientAddress })).toMatchObject({
        result: "none",
        problem: undefined,
      });
      expect(resolver.queries).toEqual([]);
    },
  );

  test.each(["joe@localhost", "joe@[192.0.2.1]", "joe@192.0.2.1", "joe@a..b", "joe@", "@", '"@"', "joe@\xff.example"])(
    "is none for the sender %j, and says why",
    async (sender) => {
      const verdict = await verdictOn(zone, { sender });
      expect(verdict.result).toBe("none");
      expect(verdict.explanation).toMatch(/^[\x20-\x7e]+$/);
    },
  );

  test("measures its time on the clock it was given", async () => {
    const { checker, clock, resolver } = setUp(zone, { verdictCacheSize: 0 });
    const slow = slowChecker(clock, resolver, () => 7);
    const verdict = await slow.checkHost({ ...QUERY, sender: "joe@silent.example.com" });
    expect(verdict.elapsedMs).toBe(7);
    expect((await checker.checkHost(QUERY)).elapsedMs).toBe(0);
  });
});

test("%{h} is the HELO name without its trailing dot, where the HELO identity passes too", async () => {
  const zone: ZoneData = {
    "example.com": [{ TXT: "v=spf1 exists:%{h}.senders.example.com -all" }],
    "mail.example.net.senders.example.com": [{ A: "127.0.0.2" }],
    "mail.example.net": [{ TXT: "v=spf1 ip4:192.0.2.1 -all" }],
  };
  const heloName = "mail.example.net.";
  expect(await verdictOn(zone, { identity: "helo", heloName })).toMatchObject({ result: "pass" });
  expect(await verdictOn(zone, { heloName })).toMatchObject({ result: "pass" });
});

describe("A permerror says", () => {
  test.each<[string, readonly string[], string]>([
    [
      "which term is wrong",
      ["v=spf1 ipv4:192.0.2.1 -all"],
      'Cannot read "ipv4:192.0.2.1" in the record of "example.com": ',
    ],
    [
      "that two records are published",
      ["v=spf1 -all", "v=spf1 +all"],
      'Cannot choose the record of "example.com": 2 are',
    ],
    [
      "that a record is too long",
      [`v=spf1 ${"x".repeat(8185)}`],
      'Cannot use the record of "example.com": over 8191 bytes',
    ],
    [
      "that a record is not ASCII",
      ["v=spf1 x=\xe9 -all"],
      'Cannot use the record of "example.com": it holds U+00E9, want printable ASCII',
    ],
    [
      "that an included domain has no record",
      ["v=spf1 include:x.example -all"],
      'Cannot evaluate "include:x.example": "x.example" has no SPF record',
    ],
    [
      "that a redirect has no record",
      ["v=spf1 redirect=x.example"],
      'Cannot evaluate "redirect=x.example": "x.example" has no SPF',
    ],
    [
      "that a target is no name",
      ["v=spf1 include:%{l}..x.example"],
      'Cannot evaluate "include:%{l}..x.example": it names no domain',
    ],
    [
      "at which lookup the limit was passed",
      [`v=spf1${" ?a:example.net".repeat(11)} -all`],
      'Cannot evaluate "?a:example.net": over 10 terms with DNS lookups',
    ],
    [
      "at which lookup too little was found",
      ["v=spf1 a:x.example mx:y.example exists:z.example"],
      'Cannot find A of "z.example": over 2 void lookups',
    ],
    ["that there are too many MX hosts", ["v=spf1 mx:many.example -all"], "Cannot use MX: over 10 hosts"],
  ])("%s", async (_name, records, problem) => {
    const verdict = await verdictOn({
      "example.com": records.map((TXT) => ({ TXT })),
      "example.net": [{ A: "192.0.2.2" }],
      "many.example": Array.from({ length: 11 }, (_, i) => ({ MX: [i, `h${i}.example`] })),
    });
    expect(verdict).toMatchObject({ result: "permerror", mechanism: undefined });
    expect(verdict.problem).toContain(problem);
    expect(verdict.explanation).toContain("SPF of example.com is published with an error: Cannot");
  });
});

test("A check compares no more than 10,000 addresses, however many the hosts of its MX have", async () => {
  const hosts = Array.from({ length: 10 }, (_, i) => `h${i}.example`);
  const addresses = Array.from({ length: 1000 }, (_, i) => ({ A: `198.51.${100 + (i >> 8)}.${i & 255}` }));
  const zone: ZoneData = {
    "example.com": [{ TXT: "v=spf1 mx -all" }, ...hosts.map((host, i) => ({ MX: [i, host] }))],
    "more.example": [{ TXT: "v=spf1 a:h0.example mx:example.com -all" }],
    ...Object.fromEntries(hosts.map((host) => [host, addresses])),
  };
  expect((await verdictOn(zone)).result).toBe("fail");
  expect(await verdictOn(zone, { clientAddress: "198.51.103.231" })).toMatchObject({ result: "pass", mechanism: "mx" });
  expect(await verdictOn(zone, { sender: "joe@more.example" })).toMatchObject({
    result: "permerror",
    problem: "Cannot compare the addresses: over 10000",
  });
});

describe("A temperror says", () => {
  test.each<[string, ZoneData]>([
    ['Cannot look up TXT of "example.com": servfail', { "example.com": ["SERVFAIL"] }],
    ['Cannot look up TXT of "example.com": timeout', { "example.com": ["TIMEOUT"] }],
    [
      'Cannot look up A of "b.example": refused',
      { "example.com": [{ TXT: "v=spf1 a:b.example" }], "b.example": ["REFUSED"] },
    ],
    [
      'Cannot look up TXT of "b.example": servfail',
      { "example.com": [{ TXT: "v=spf1 redirect=b.example" }], "b.example": ["SERVFAIL"] },
    ],
  ])("%s", async (problem, zone) => {
    expect(await verdictOn(zone)).toMatchObject({ result: "temperror", problem });
  });

  test("that the time is up, before the next query", async () => {
    const { clock, resolver } = setUp({ "example.com": [{ TXT: "v=spf1 a:b.example ptr a:c.example -all" }] });
    const slow = slowChecker(clock, resolver, (type) => (type === "PTR" ? 20_000 : 0));
    expect(await slow.checkHost(QUERY)).toMatchObject({
      result: "temperror",
      problem: "Cannot finish the check: out of time",
    });
    expect(resolver.queries.at(-1)).toMatch(/^PTR /);
  });

  test("what the servers said beside that they fail", async () => {
    const resolver = {
      resolve: () => ({ status: "error", trouble: "servfail", detail: "", cause: "DNSSEC Bogus" }),
    } as unknown as Resolver;
    const settings = { resolver, maxDnsLookups: 10, maxVoidLookups: 2, receiver: "r", clockMs: () => 0 };
    expect(await createSpfChecker(settings).checkHost(QUERY)).toMatchObject({
      result: "temperror",
      problem: 'Cannot look up TXT of "example.com": servfail (DNSSEC Bogus)',
    });
  });

  test("that the time was up while the answer was waited for", async () => {
    const { clock } = setUp({});
    const late = (): DnsAnswer<"TXT"> => {
      clock.nowMs = QUERY.deadlineMs;
      return { status: "error", trouble: "timeout", detail: "" };
    };
    const resolver = { resolve: async () => late() } as Resolver;
    const checker = createSpfChecker({ resolver, ...limits(clock) });
    const verdict = await checker.checkHost(QUERY);
    expect(verdict).toMatchObject({ result: "temperror", problem: 'Cannot look up TXT of "example.com": out of time' });
  });

  test("nothing when only a reverse name could not be looked up: then it does not match", async () => {
    const zone = { "example.com": [{ TXT: "v=spf1 ptr ~all" }], "1.2.0.192.in-addr.arpa": ["SERVFAIL"] };
    expect(await verdictOn(zone)).toMatchObject({ result: "softfail", problem: undefined });
  });
});

describe("The explanation", () => {
  const failing = (text: string): ZoneData => ({
    "example.com": [{ TXT: "v=spf1 -all exp=why.example.com" }],
    "why.example.com": [{ TXT: text }],
  });

  test.each<[string, string, string]>([
    ["with macros expanded", "%{i} is not %{d}'s, says %{r}", "192.0.2.1 is not example.com's, says mx.example.org"],
    ["with several blanks", "see  http://example.com/", "see  http://example.com/"],
    ["cut to 200 characters", "x".repeat(300), `${"x".repeat(197)}...`],
  ])("is the domain's own %s", async (_name, text, wanted) => {
    expect(await verdictOn(failing(text))).toMatchObject({ explanation: wanted, explanationFromDomain: true });
  });

  test.each([
    ["holds a line break", "a\r\nb"],
    ["is not ASCII", "caf\xe9"],
    ["is blank", "   "],
    ["has a wrong macro", "%{x}"],
  ])("is ours if the domain's %s", async (_name, text) => {
    expect(await verdictOn(failing(text))).toMatchObject({
      explanation: "192.0.2.1 is not authorized to send mail of example.com",
      explanationFromDomain: false,
    });
  });

  test("shows no bytes of the HELO name that could end a line", async () => {
    const verdict = await verdictOn(failing("no, %{h}"), { heloName: "a\r\nX: y\xff" });
    expect(verdict.explanation).toBe("no, a??X: y?");
  });

  test("is never the domain's for anything but a fail", async () => {
    const zone = { ...failing("why"), "soft.example.com": [{ TXT: "v=spf1 ~all exp=why.example.com" }] };
    const { checker, resolver } = setUp(zone);
    const verdict = await checker.checkHost({ ...QUERY, sender: "joe@soft.example.com" });
    expect(verdict).toMatchObject({ result: "softfail", explanationFromDomain: false });
    expect(resolver.queries).toEqual(["TXT soft.example.com"]);
  });

  test("cannot turn a fail into an error when it cannot be had", async () => {
    const zone = { "example.com": [{ TXT: "v=spf1 -all exp=why.example.com" }], "why.example.com": ["SERVFAIL"] };
    expect(await verdictOn(zone)).toMatchObject({ result: "fail", explanationFromDomain: false });
  });
});

test("A name over 253 bytes loses labels from its left, written out or expanded (RFC 7208 section 7.3)", async () => {
  const rest = `${"m".repeat(63)}.${"n".repeat(63)}.${"o".repeat(63)}.example.com`;
  const long = `${"l".repeat(60)}.${rest}`;
  const zone = {
    "a.example": [{ TXT: `v=spf1 include:${long}. -all` }],
    "b.example": [{ TXT: `v=spf1 include:${long.replace("example", "%{l}")} -all` }],
    [rest]: [{ TXT: "v=spf1 +all" }],
  };
  expect((await verdictOn(zone, { sender: "joe@a.example" })).result).toBe("pass");
  expect((await verdictOn(zone, { sender: "example@b.example" })).result).toBe("pass");
});

test("A local part that is not ASCII matches no term that names it (RFC 8616)", async () => {
  const zone = {
    "example.com": [{ TXT: "v=spf1 exists:%{l}.x.example include:%{s}.x.example redirect=%{l}.x.example" }],
  };
  expect(await verdictOn(zone, { sender: "j\xc3\xb6@example.com" })).toMatchObject({ result: "neutral", lookups: 3 });
});

/** Asks twice and tells whether the second answer came from the cache, and which queries it cost. */
async function askTwice(checker: SpfChecker, resolver: MemoryResolver, first: SpfQuery, second: SpfQuery) {
  const one = await checker.checkHost(first);
  const before = resolver.queries.length;
  const two = checker.checkHost(second);
  const remembered = !(two instanceof Promise);
  return { one, two: await two, remembered, queries: resolver.queries.slice(before) };
}

describe("A verdict from the cache", () => {
  const zone: ZoneData = {
    "example.com": [{ TXT: "v=spf1 include:_spf.example.com a:nx.example.com -all exp=why.example.com" }],
    "_spf.example.com": [{ TXT: "v=spf1 exists:%{ir}.%{v}.%{d2}.%{o} ip4:198.51.100.1 -all" }],
    "why.example.com": [{ TXT: "%{i} %{d} %{r}" }],
  };

  test("comes at once and says the same", async () => {
    const { checker, resolver } = setUp(zone);
    const { one, two, remembered, queries } = await askTwice(checker, resolver, QUERY, QUERY);
    expect([remembered, queries]).toEqual([true, []]);
    expect(two).toEqual(one);
  });

  test("serves another local part, HELO name, identity and spelling, each told as asked", async () => {
    const { checker, resolver } = setUp(zone);
    const other: SpfQuery = { ...QUERY, identity: "helo", heloName: "Example.com.", sender: "x@other.example" };
    const { one, two, remembered } = await askTwice(checker, resolver, QUERY, other);
    expect(remembered).toBe(true);
    expect(two).toEqual({ ...one, identity: "helo", domain: "Example.com" });
  });

  test.each<[string, Partial<SpfQuery>]>([
    ["client", { clientAddress: "192.0.2.2" }],
    ["domain", { sender: "joe@_spf.example.com" }],
  ])("does not serve another %s", async (_name, change) => {
    const { checker, resolver } = setUp(zone);
    expect((await askTwice(checker, resolver, QUERY, { ...QUERY, ...change })).remembered).toBe(false);
  });

  test("keeps errors of the record, explained for the domain as it was asked", async () => {
    const { checker, resolver } = setUp({ "example.com": [{ TXT: "v=spf1 foo" }] });
    const { one, two, remembered } = await askTwice(checker, resolver, QUERY, QUERY);
    expect(remembered).toBe(true);
    expect(two).toEqual(one);
    expect(two.result).toBe("permerror");
  });

  const MACROS: readonly (readonly [string, string, boolean, boolean, boolean])[] = [
    // the record; whether the same query, another HELO name, another local part is served
    ["v=spf1 exists:%{i}.%{o}.x.example ~all", "why", true, true, true],
    ["v=spf1 exists:%{h}.x.example ~all", "why", true, false, true],
    ["v=spf1 exists:%{l}.x.example ~all", "why", false, false, false],
    ["v=spf1 exists:%{S2}.x.example ~all", "why", false, false, false],
    ["v=spf1 ip4:192.0.2.1 exists:%{l}.x.example ~all", "why", true, true, true],
    ["v=spf1 include:%{l}.x.example ~all", "why", false, false, false],
    ["v=spf1 redirect=%{h}.example", "why", true, false, true],
    ["v=spf1 foo=%{l} ~all", "why", true, true, true],
    ["v=spf1 ~all exp=why.example.com", "%{s}", true, true, true],
    ["v=spf1 -all exp=why.example.com", "%{s}", false, false, false],
    ["v=spf1 -all exp=why.example.com", "%{h}", true, false, true],
    ["v=spf1 -all exp=why.example.com", "%{t}", false, false, false],
    ["v=spf1 -all exp=%{l}.example.com", "why", false, false, false],
  ];

  test.each(MACROS)("of %s with %s depends on what its macros say", async (record, text, same, helo, local) => {
    const served = async (change: Partial<SpfQuery>) => {
      const { checker, resolver } = setUp({ "example.com": [{ TXT: record }], "why.example.com": [{ TXT: text }] });
      return (await askTwice(checker, resolver, QUERY, { ...QUERY, ...change })).remembered;
    };
    expect(await served({})).toBe(same);
    expect(await served({ heloName: "other.example.net" })).toBe(helo);
    expect(await served({ sender: "jim@example.com" })).toBe(local);
  });

  test("keeps apart what differs by HELO name", async () => {
    const { checker, resolver } = setUp({
      "example.com": [{ TXT: "v=spf1 exists:%{h}.x.example -all" }],
      "mail.example.net.x.example": [{ A: "127.0.0.2" }],
    });
    const other = { ...QUERY, heloName: "other.example.net" };
    expect((await askTwice(checker, resolver, QUERY, other)).two.result).toBe("fail");
    const again = await askTwice(checker, resolver, QUERY, other);
    expect([again.one.result, again.two.result, again.remembered]).toEqual(["pass", "fail", true]);
  });

  test.each<[string, ZoneData]>([
    ["a temperror", { "example.com": ["SERVFAIL"] }],
    [
      "what a failed reverse lookup had a part in",
      { "example.com": [{ TXT: "v=spf1 ptr -all" }], "1.2.0.192.in-addr.arpa": ["TIMEOUT"] },
    ],
    [
      "a fail whose explanation could not be had",
      { "example.com": [{ TXT: "v=spf1 -all exp=x.example" }], "x.example": ["SERVFAIL"] },
    ],
    ["what is no domain name", {}],
  ])("is never %s", async (name, bad) => {
    const { checker, resolver } = setUp(bad);
    const query = name === "what is no domain name" ? { ...QUERY, sender: "joe@localhost" } : QUERY;
    expect((await askTwice(checker, resolver, query, query)).remembered).toBe(false);
  });

  test.each(["example.com", "_spf.example.com", "why.example.com"])(
    "lives as long as the shortest-lived answer, if that is the one of %s",
    async (name) => {
      const { checker, resolver, clock } = setUp(zone, { ttlSecondsOf: { [name]: 5 } });
      await checker.checkHost(QUERY);
      clock.nowMs += 4_999;
      expect((await askTwice(checker, resolver, QUERY, QUERY)).remembered).toBe(true);
      clock.nowMs += 1;
      expect(checker.checkHost(QUERY)).toBeInstanceOf(Promise);
    },
  );

  test("lives no longer than the answer that something does not exist", async () => {
    const { checker, clock } = setUp(zone);
    await checker.checkHost(QUERY);
    clock.nowMs += 59_999;
    expect(checker.checkHost(QUERY)).not.toBeInstanceOf(Promise);
    clock.nowMs += 1;
    expect(checker.checkHost(QUERY)).toBeInstanceOf(Promise);
  });

  test("is not kept if an answer may not be kept", async () => {
    const { checker, resolver } = setUp(zone, { ttlSecondsOf: { "example.com": 0 } });
    expect((await askTwice(checker, resolver, QUERY, QUERY)).remembered).toBe(false);
  });

  test("can be turned off", async () => {
    const { checker, resolver } = setUp(zone, { verdictCacheSize: 0 });
    expect((await askTwice(checker, resolver, QUERY, QUERY)).remembered).toBe(false);
  });
});

test("A verdict that DNS had to be waited for is not remembered, and the next one is", async () => {
  const { clock, resolver } = setUp({ "example.com": [{ TXT: "v=spf1 -all" }] });
  let isCold = true;
  const warming: Resolver = {
    resolve: (name, type, options) => {
      const answer = resolver.resolve(name, type, options);
      if (!isCold) return answer;
      isCold = false;
      return Promise.resolve(answer);
    },
  };
  const checker = createSpfChecker({ resolver: warming, ...limits(clock) });
  const first = checker.checkHost(QUERY);
  expect(first).toBeInstanceOf(Promise);
  const wanted = { ...(await first) };
  const second = checker.checkHost(QUERY);
  expect(second).toBeInstanceOf(Promise);
  expect(await second).toEqual(wanted);
  expect(checker.checkHost(QUERY)).toEqual(wanted);
});
