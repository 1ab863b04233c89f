/**
 * What src/mailauth/spf.ts repairs. Each row shows the fault in mailauth as it is installed and the right answer of
 * ours. When a row's first half fails after an update, mailauth has mended it: take the repair out, then the row.
 */
import { createRequire } from "node:module";
import { spf as bareSpf } from "mailauth/lib/spf/index.js";
import { afterEach, describe, expect, test, vi } from "vitest";
import { findSyntaxError } from "../../src/mailauth/spf.ts";
import { createSpfChecker } from "../../src/spf/checker.ts";
import type { SpfVerdict } from "../../src/spf/verdict.ts";
import { bareResolver } from "../helpers/bare-mailauth.ts";
import { memoryResolver, type ZoneData, zoneAuthority } from "../helpers/zone.ts";

const CLIENT = "192.0.2.1";

type Row = readonly [fault: string, sender: string, zone: ZoneData, bare: string, right: string];

const FAULTS: readonly Row[] = [
  [
    "refuses a domain with an underscore",
    "joe@my_host.example",
    { "my_host.example": [{ TXT: `v=spf1 ip4:${CLIENT} -all` }] },
    "none",
    "pass",
  ],
  [
    "takes an MX host that is an address for an error",
    "joe@mx.example",
    { "mx.example": [{ TXT: `v=spf1 mx ip4:${CLIENT} -all` }, { MX: [10, "192.0.2.9"] }] },
    "permerror",
    "pass",
  ],
  [
    "takes an MX host of one label for an error",
    "joe@mx.example",
    { "mx.example": [{ TXT: `v=spf1 mx ip4:${CLIENT} -all` }, { MX: [10, "localhost"] }] },
    "permerror",
    "pass",
  ],
  [
    "makes a range of a hyphen between delimiters",
    "a1-b@dash.example",
    { "dash.example": [{ TXT: "v=spf1 exists:%{l,-=}.x.example -all" }], "a1.b.x.example": [{ A: "127.0.0.2" }] },
    "fail",
    "pass",
  ],
  [
    "makes a broken RegExp of a hyphen between delimiters",
    "a-b.c@dash.example",
    { "dash.example": [{ TXT: "v=spf1 exists:%{l/-.}.x.example -all" }], "a.b.c.x.example": [{ A: "127.0.0.2" }] },
    "temperror",
    "pass",
  ],
  [
    "does the same to an explanation",
    "a-b.c@exp.example",
    { "exp.example": [{ TXT: "v=spf1 -all exp=x.example.net" }], "x.example.net": [{ TXT: "not %{l/-.}" }] },
    "fail ",
    "fail not a.b.c",
  ],
];

describe("mailauth as installed", () => {
  test.each(FAULTS)("still %s, which is repaired", async (_fault, sender, zone, bare, right) => {
    const wrong = await bareSpf({ sender, ip: CLIENT, helo: "mx.example", strict: true, resolver: bareResolver(zone) });
    expect(`${wrong.status.result}${bare.includes(" ") ? ` ${wrong.explanation ?? ""}` : ""}`).toBe(bare);
    const verdict = await check(sender, zone);
    expect(right.includes(" ") ? `${verdict.result} ${verdict.explanation}` : verdict.result).toBe(right);
  });

  test("still expands the evaluated name as if it were a macro-string, which is repaired", async () => {
    const domain = "a%{h}.example";
    const zone = { [domain]: [{ TXT: "v=spf1 a -all" }, { A: CLIENT }] };
    const { spfVerify } = createRequire(import.meta.url)("mailauth/lib/spf/spf-verify.js") as {
      spfVerify(domain: string, options: object): Promise<{ qualifier: string }>;
    };
    const options = { sender: `joe@${domain}`, ip: CLIENT, helo: "mx.example", strict: true };
    const wrong = await spfVerify(domain, { ...options, resolver: emptyIfAbsent(bareResolver(zone)) });
    expect(wrong.qualifier).toBe("-");
    expect(await check(`joe@${domain}`, zone)).toMatchObject({ result: "pass", mechanism: "a", lookups: 1 });
  });

  test("still does not say which directive matched, which ours does", async () => {
    const zone = { "a.example": [{ TXT: `v=spf1 a:b.example IP4:${CLIENT} -all` }], "b.example": [{ A: "192.0.2.2" }] };
    const bare = await bareSpf({ sender: "joe@a.example", ip: CLIENT, strict: true, resolver: bareResolver(zone) });
    expect(JSON.stringify({ ...bare, rr: "" })).not.toContain("IP4");
    expect((await check("joe@a.example", zone)).mechanism).toBe(`IP4:${CLIENT}`);
  });

  test("still reads limits of 0 as the usual ones, which are repaired", async () => {
    const zone = { "a.example": [{ TXT: `v=spf1 a:b.example ip4:${CLIENT} -all` }] };
    const limits = { maxResolveCount: 0, maxVoidCount: 0 };
    const resolver = bareResolver(zone);
    const bare = await bareSpf({ sender: "joe@a.example", ip: CLIENT, strict: true, resolver, ...limits });
    expect(bare.status.result).toBe("pass");
    expect(await check("joe@a.example", zone, { maxVoidLookups: 0 })).toMatchObject({
      result: "permerror",
      problem: 'Cannot find A of "b.example": over 0 void lookups',
    });
    expect(await check("joe@a.example", zone, { maxDnsLookups: 0 })).toMatchObject({
      result: "permerror",
      problem: 'Cannot evaluate "a:b.example": over 0 terms with DNS lookups',
    });
  });

  test("still makes a permerror of a name that cannot be asked for at the first lookup, where ours is none", async () => {
    const refuse = () => Promise.reject(Object.assign(new Error("bad name"), { code: "EBADNAME" }));
    const bare = await bareSpf({ sender: "joe@a+b.example", ip: CLIENT, strict: true, resolver: refuse });
    expect(bare.status.result).toBe("none"); // Its own check of names comes first...
    const underneath = await bareSpf({ sender: "joe@ab.example", ip: CLIENT, strict: true, resolver: refuse });
    expect(underneath.status.result).toBe("permerror"); // ...but not for all that a resolver refuses.
    expect((await check("joe@a+b.example", {})).result).toBe("none");
  });
});

describe("mailauth's time limit", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test("is still absent unless asked for; ours is the deadline of the query", async () => {
    vi.useFakeTimers();
    const silent = () => new Promise<never>(() => undefined);
    const bare = bareSpf({ sender: "joe@a.example", ip: CLIENT, strict: true, resolver: silent });
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(await Promise.race([bare, Promise.resolve("pending")])).toBe("pending");
    expect(await check("joe@a.example", { "a.example": ["TIMEOUT"] }, {}, 0)).toMatchObject({
      result: "temperror",
      problem: "Cannot finish the check: out of time",
    });
  });
});

describe("findSyntaxError", () => {
  test.each([
    [["a", "ipv4:192.0.2.1", "b:x"], "ipv4:192.0.2.1"],
    [["ip4:192.0.2.1", "-all", "exists:%{q}.x.y"], "exists:%{q}.x.y"],
    [["redirect=a.b", "redirect=a.b"], undefined],
  ])("finds the wrong term among %j", (terms, wrong) => {
    expect(findSyntaxError(terms)).toMatchObject({ term: wrong });
  });

  test("finds none in a right record", () => {
    expect(findSyntaxError(["a", "mx/24//64", "x=%{t}", "exp=%{d}", "-all"])).toBeUndefined();
  });
});

async function check(
  sender: string,
  zone: ZoneData,
  limits: { maxDnsLookups?: number; maxVoidLookups?: number } = {},
  deadlineMs = Number.MAX_VALUE,
): Promise<SpfVerdict> {
  const resolver = memoryResolver(zoneAuthority(zone));
  const clockMs = () => 1;
  const checker = createSpfChecker({
    resolver,
    maxDnsLookups: 10,
    maxVoidLookups: 2,
    receiver: "r",
    clockMs,
    ...limits,
  });
  return await checker.checkHost({
    identity: "mailfrom",
    clientAddress: CLIENT,
    heloName: "mx.example",
    sender,
    deadlineMs,
  });
}

/** What mailauth's own wrapper around the resolver does. */
function emptyIfAbsent(resolver: (name: string, type: string) => Promise<string[]>) {
  return (name: string, type: string) => resolver(name, type).catch(() => []);
}
