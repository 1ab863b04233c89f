import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DnsAnswer, RecordType } from "../../src/dns/types.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { type NameServers, startNameServers } from "../helpers/unbound.ts";
import { type TestResolver, testResolver } from "./resolving.ts";

const HEAD = "@ 3600 IN SOA ns root 1 3600 600 86400 77\n@ 3600 IN NS ns\nns 3600 IN A 127.0.0.1\n";
const TEXT_250 = "0123456789".repeat(25);
const LABEL_63 = "l".repeat(63);
const NAME_253 = `${LABEL_63}.${LABEL_63}.${LABEL_63}.${"m".repeat(61 - ".mail.example".length)}.mail.example`;

const MAIL_ZONE = `$ORIGIN mail.example.
${HEAD}
@           600 IN A 192.0.2.1
@           600 IN A 192.0.2.2
@           600 IN AAAA 2001:db8::1
@           600 IN MX 10 mx1
@           600 IN MX 20 mx2.mail.example.
@           600 IN TXT "v=spf1 " "a mx -all"
nullmx      600 IN MX 0 .
octets      600 IN TXT "\\000\\255\\"\\\\;"
two         600 IN TXT "v=spf1 -all"
two         600 IN TXT "other"
long        600 IN TXT ${Array(12).fill(`"${TEXT_250}"`).join(" ")}
alias       500 IN CNAME alias2
alias2      400 IN CNAME alias3.other.example.
toabsent    500 IN CNAME absent
tonodata    500 IN CNAME two
loop        500 IN CNAME loop2
loop2       500 IN CNAME loop
tree        500 IN DNAME other.example.
*.wild      500 IN TXT "wild"
deep.below.empty 500 IN A 192.0.2.9
a+b=c       500 IN A 192.0.2.10
foo\\:bar/baz 500 IN A 192.0.2.11
a\\032b      500 IN A 192.0.2.12
it's%20\\"\\@\\; 500 IN A 192.0.2.13
\\252\\000   500 IN A 192.0.2.14
_x.-y-      500 IN A 192.0.2.15
${NAME_253.slice(0, -".mail.example".length)} 500 IN A 192.0.2.16
${Array.from({ length: 150 }, (_, index) => `many 500 IN A 198.51.100.${index}`).join("\n")}
`;
const OTHER_ZONE = `$ORIGIN other.example.
${HEAD}
alias3      300 IN A 192.0.2.20
leaf        450 IN TXT "v=spf1 ?all"
`;
const REVERSE_ZONE = `$ORIGIN 2.0.192.in-addr.arpa.
${HEAD}
1           600 IN PTR mail.example.
7           600 IN PTR a\\032b.mail.example.
`;

function lifetimeMs(answer: DnsAnswer<RecordType>): number {
  return answer.status === "error" ? Number.NaN : answer.expiresAtMs;
}

/** Up to 15 s less: what unbound has learnt with an earlier answer counts down meanwhile. */
function expectLifetime(answer: DnsAnswer<RecordType>, ttl: number): void {
  expect(lifetimeMs(answer)).toBeLessThanOrEqual(ttl * 1000);
  expect(lifetimeMs(answer)).toBeGreaterThan(ttl * 1000 - 15_000);
}

const missing = requirePrograms("nsd", "unbound");

describe.skipIf(missing !== undefined)(`through unbound and nsd${missing === undefined ? "" : ` (${missing})`}`, () => {
  let servers: NameServers;
  let world: TestResolver;

  beforeAll(async () => {
    servers = await startNameServers({
      zones: {
        "mail.example": MAIL_ZONE,
        "other.example": OTHER_ZONE,
        "2.0.192.in-addr.arpa": REVERSE_ZONE,
        "bogus.example": `$ORIGIN bogus.example.\n${HEAD}`,
      },
      brokenZones: ["broken.example"],
      unboundServer: [
        'local-zone: "refused.example." always_refuse',
        'module-config: "validator iterator"',
        "ede: yes",
        `trust-anchor: "bogus.example. DS 12345 8 2 ${"00".repeat(32)}"`,
        'local-zone: "silent.example." always_deny',
        'local-zone: "local.example." static',
        'local-data: "www.local.example. 500 IN A 192.0.2.30"',
      ],
    });
    // The clock stands still: an answer's lifetime is its TTL in milliseconds.
    world = testResolver([servers.resolver], { timeoutMs: 5000 }, { clockMs: () => 0 });
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await servers?.[Symbol.asyncDispose]();
  });

  const FOUND: readonly { name: string; type: RecordType; records: readonly unknown[]; ttl: number }[] = [
    { name: "mail.example", type: "A", records: ["192.0.2.1", "192.0.2.2"], ttl: 600 },
    { name: "MAIL.Example.", type: "AAAA", records: ["2001:db8::1"], ttl: 600 },
    {
      name: "mail.example",
      type: "MX",
      records: [
        { preference: 10, exchange: "mx1.mail.example" },
        { preference: 20, exchange: "mx2.mail.example" },
      ],
      ttl: 600,
    },
    { name: "nullmx.mail.example", type: "MX", records: [{ preference: 0, exchange: "" }], ttl: 600 },
    { name: "mail.example", type: "TXT", records: ["v=spf1 a mx -all"], ttl: 600 },
    { name: "two.mail.example", type: "TXT", records: ["other", "v=spf1 -all"], ttl: 600 },
    { name: "octets.mail.example", type: "TXT", records: ['\u0000\u00ff"\\;'], ttl: 600 },
    { name: "1.2.0.192.in-addr.arpa", type: "PTR", records: ["mail.example"], ttl: 600 },
    { name: "7.2.0.192.in-addr.arpa", type: "PTR", records: ["a b.mail.example"], ttl: 600 },
    { name: "alias.mail.example", type: "A", records: ["192.0.2.20"], ttl: 300 },
    { name: "leaf.tree.mail.example", type: "TXT", records: ["v=spf1 ?all"], ttl: 450 },
    { name: "any.thing.wild.mail.example", type: "TXT", records: ["wild"], ttl: 500 },
    { name: "a+b=c.mail.example", type: "A", records: ["192.0.2.10"], ttl: 500 },
    { name: "A+B=C.mail.example", type: "A", records: ["192.0.2.10"], ttl: 500 },
    { name: "foo:bar/baz.mail.example", type: "A", records: ["192.0.2.11"], ttl: 500 },
    { name: "a b.mail.example", type: "A", records: ["192.0.2.12"], ttl: 500 },
    { name: "it's%20\"@;.mail.example", type: "A", records: ["192.0.2.13"], ttl: 500 },
    { name: "\u00fc\u0000.mail.example", type: "A", records: ["192.0.2.14"], ttl: 500 },
    { name: "_x.-y-.mail.example", type: "A", records: ["192.0.2.15"], ttl: 500 },
    { name: NAME_253, type: "A", records: ["192.0.2.16"], ttl: 500 },
  ];

  test.each(FOUND)("$type $name has its records and TTL", async ({ name, type, records, ttl }) => {
    const answer = await world.ask(name, type);
    expect(answer).toMatchObject({ status: "ok", records: expect.arrayContaining([...records]) });
    expect(answer.status === "ok" && answer.records.length).toBe(records.length);
    expectLifetime(answer, ttl);
  });

  test.each([
    { name: "absent.mail.example", type: "A", status: "nxdomain", ttl: 77 },
    { name: "a.b+c.mail.example", type: "A", status: "nxdomain", ttl: 77 },
    { name: "toabsent.mail.example", type: "A", status: "nxdomain", ttl: 77 },
    { name: "mail.example", type: "PTR", status: "nodata", ttl: 77 },
    { name: "tonodata.mail.example", type: "A", status: "nodata", ttl: 77 },
    { name: "below.empty.mail.example", type: "A", status: "nodata", ttl: 77 },
  ] as const)("$type $name is $status, for the time that the SOA says", async ({ name, type, status, ttl }) => {
    const answer = await world.ask(name, type);
    expect(answer.status).toBe(status);
    expectLifetime(answer, ttl);
  });

  test.each([
    { name: "mail.broken.example", trouble: "servfail" },
    { name: "mail.refused.example", trouble: "refused" },
    { name: "loop.mail.example", trouble: "servfail" },
  ] as const)("$name is $trouble", async ({ name, trouble }) => {
    expect(await world.ask(name, "TXT")).toMatchObject({ status: "error", trouble });
  });

  test("a zone whose signatures are missing is reported as such, in the words of RFC 8914", async () => {
    const answer = await world.ask("bogus.example", "TXT");
    expect(answer).toMatchObject({
      status: "error",
      trouble: "servfail",
      cause: expect.stringMatching(/DNSKEY Missing|DNSSEC Bogus/),
    });
    expect(answer.status === "error" && answer.detail).toContain("servfail (RCODE 2, ");
  });

  test("3 kB of text and 150 addresses come over TCP, where they are too long for UDP", async () => {
    const before = world.outcomes.length;
    expect(await world.ask("long.mail.example", "TXT")).toMatchObject({ records: [TEXT_250.repeat(12)] });
    const many = await world.ask("many.mail.example", "A");
    expect(many.status === "ok" && many.records.length).toBe(150);
    expect(world.outcomes.slice(before)).toEqual(["TXT truncated", "TXT noerror", "A truncated", "A noerror"]);
  });

  test("a query that is never answered is a timeout, at its deadline at the latest", async () => {
    await using hurried = testResolver([servers.resolver], { timeoutMs: 100 });
    expect(await hurried.ask("mail.silent.example", "A")).toMatchObject({ status: "error", trouble: "timeout" });
    expect(hurried.outcomes).toEqual(["A timeout", "A timeout"]);
    expect(await hurried.ask("www.silent.example", "A", 30)).toMatchObject({ status: "error", trouble: "timeout" });
  });

  test("of two servers, one that is not there does not matter", async () => {
    const gone = await startNameServers({ zones: {} });
    await gone[Symbol.asyncDispose]();
    await using pair = testResolver([gone.resolver, servers.resolver], { timeoutMs: 5000 });
    expect(await pair.ask("mail.example", "TXT")).toMatchObject({ status: "ok", records: ["v=spf1 a mx -all"] });
    expect(await pair.ask("mail.example", "A")).toMatchObject({ status: "ok" });
    expect(pair.outcomes).toEqual(["TXT network", "TXT noerror", "A noerror"]);
  });

  test("of two servers, the second makes good for a first that refuses", async () => {
    await using pair = testResolver([servers.authority, servers.resolver], { timeoutMs: 5000 });
    expect(await pair.ask("www.local.example", "A")).toMatchObject({ status: "ok", records: ["192.0.2.30"] });
    expect(pair.outcomes).toEqual(["A refused", "A noerror"]);
    expect(await pair.ask("mail.refused.example", "A")).toMatchObject({ trouble: "refused" });
  });

  test("the TTL counts down in unbound, and an answer asked for later expires no later", async () => {
    const ask = async () => {
      await using empty = testResolver([servers.resolver], {}, { clockMs: () => 0 });
      return await empty.ask("ns.mail.example", "A");
    };
    const first = await ask();
    await new Promise((done) => setTimeout(done, 2100));
    const second = await ask();
    expectLifetime(first, 3600);
    expect(lifetimeMs(second)).toBeLessThan(lifetimeMs(first) - 1000);
  });

  test("an authority that does not recurse is asked on for an alias that leads out of its zone", async () => {
    await using direct = testResolver([servers.authority], {}, { clockMs: () => 0 });
    expect(await direct.ask("alias.mail.example", "A")).toEqual({
      status: "ok",
      records: ["192.0.2.20"],
      expiresAtMs: 300_000,
      canonicalName: "alias3.other.example",
    });
    expect(await direct.ask("x.tree.mail.example", "A")).toMatchObject({ status: "nxdomain", expiresAtMs: 77_000 });
    expect(await direct.ask("www.elsewhere.example", "A")).toMatchObject({ trouble: "refused" });
  });
});
