import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LookupResult } from "../../src/net/lookup.ts";
import { MAX_ADDRESS_BYTES } from "../../src/srs/rewriter.ts";
import type { AddressStore } from "../../src/srs/seams.ts";
import { forwardTable, forwardTransportTable, reverseTable, type SrsTables } from "../../src/srs/table.ts";
import { anyKey, mailbox } from "./mailboxes.ts";
import { writeMailbox } from "./model.ts";
import { aliasOf } from "./replay.ts";
import { memoryStore, srsTables } from "./tables.ts";

const TRANSPORT = "srs:[127.0.0.1]:12526";
/** Of alice@example.org on the tests' day. */
const OURS = "SRS0=-xpx=2W=example.org=alice@example.com";
const CONTROL_CHARACTERS = `${String.fromCharCode(...Array.from({ length: 32 }, (_, code) => code))}\x7f`;
const LONG = `${"l".repeat(60)}@example.org`;

/** A key, what the forward map answers (an outcome where nothing is found), and what the forward-transport map does. */
const SENDERS: readonly { name: string; key: string; forward: string; transport: string }[] = [
  { name: "a foreign sender", key: "alice@example.org", forward: OURS, transport: TRANSPORT },
  { name: "the null sender of canonical maps", key: '""', forward: "null", transport: "null" },
  { name: "the null sender of transport maps", key: "<>", forward: "null", transport: "null" },
  { name: "the null sender in quotes", key: '"<>"', forward: "null", transport: "null" },
  { name: "an empty key", key: "", forward: "null", transport: "null" },
  { name: "an own sender", key: "bob@example.com", forward: "own", transport: "own" },
  { name: "an own sender in any case, with a dot", key: "bob@EXAMPLE.com.", forward: "own", transport: "own" },
  { name: "Postfix's double-bounce", key: "double-bounce@mx.example.com", forward: "own", transport: "own" },
  { name: "an address that we signed, in our domain", key: OURS, forward: "own", transport: "own" },
  {
    name: "an address that we signed, elsewhere",
    key: OURS.replace("example.com", "x.y"),
    forward: "already",
    transport: "already",
  },
  { name: "the same in quotes", key: OURS.replace(/(.*)@.*/, '"$1"@x.y'), forward: "already", transport: "already" },
  { name: "no domain", key: "alice", forward: "malformed", transport: "malformed" },
  {
    name: "a domain alone, as transport maps ask",
    key: "@example.org",
    forward: "SRS0=p7bl=2W=example.org=@example.com",
    transport: "already",
  },
  { name: "a domain that cannot be carried", key: "alice@x=y.org", forward: "malformed", transport: "malformed" },
  { name: "SRS1 that leads nowhere", key: "SRS1=abcd@x.y", forward: "malformed", transport: "malformed" },
  {
    name: "foreign SRS0",
    key: "SRS0=abcd=2W=origin.example=bob@fwd.example",
    forward: "SRS1=vfSy=fwd.example==abcd=2W=origin.example=bob@example.com",
    transport: TRANSPORT,
  },
  {
    name: "an endless address",
    key: `${"l".repeat(MAX_ADDRESS_BYTES)}@x.y`,
    forward: "too_long",
    transport: "too_long",
  },
];

const tables = srsTables({ ownDomains: ["mx.example.com"] });

test.each([true, false])(
  "a sender that Postfix makes up is never rewritten, with alwaysRewrite = %s",
  (alwaysRewrite) => {
    const srs = srsTables({ alwaysRewrite, isPostfixSender: (address) => address === "probe@elsewhere.example" });
    for (const table of [forwardTable(srs), forwardTransportTable(srs)]) {
      expect(table.get("probe@elsewhere.example")).toMatchObject({ status: "notFound", outcome: "own" });
      expect(table.get("x@elsewhere.example")).toMatchObject({ status: "found" });
    }
  },
);

describe.each(SENDERS)("For $name", ({ key, forward, transport }) => {
  test("the forward map says it", () => expect(essence(forwardTable(tables).get(key))).toBe(forward));
  test("the forward-transport map agrees", () =>
    expect(essence(forwardTransportTable(tables).get(key))).toBe(transport));
});

test("Postfix asks again for its answer, and the mail would never end if there were another", () => {
  fc.assert(
    fc.property(
      mailbox,
      fc.boolean(),
      fc.constantFrom("=", "+", "-"),
      ({ local, domain }, alwaysRewrite, separator) => {
        const table = forwardTable(srsTables({ alwaysRewrite, separator }));
        const first = table.get(writeMailbox(local, domain)) as LookupResult;
        fc.pre(first.status === "found");
        expect(table.get(first.value)).toMatchObject({
          status: "notFound",
          outcome: alwaysRewrite ? "already" : "own",
        });
        const elsewhere = first.value.replace(/@example\.com$/, "@elsewhere.example");
        expect(table.get(elsewhere)).toMatchObject({ status: "notFound", outcome: "already" });
      },
    ),
    { seed: 1, numRuns: 1000 },
  );
});

test("The forward-transport map has a transport for exactly those senders that the forward map rewrites", () => {
  fc.assert(
    fc.property(anyKey, (key) => {
      fc.pre(!key.startsWith("@"));
      const rewritten = forwardTable(tables).get(key) as LookupResult;
      const sent = forwardTransportTable(tables).get(key) as LookupResult;
      expect(sent.status).toBe(rewritten.status);
    }),
    { seed: 2, numRuns: 2000 },
  );
});

test("No key whatever makes a map throw or answer trouble", () => {
  fc.assert(
    fc.property(fc.oneof(anyKey, fc.string({ unit: "binary", maxLength: 2000 })), (key) => {
      for (const createTable of [forwardTable, reverseTable, forwardTransportTable]) {
        expect((createTable(tables).get(key) as LookupResult).status).not.toBe("tempFail");
      }
    }),
    { seed: 3, numRuns: 500 },
  );
});

describe("The reverse map", () => {
  test.each([
    { name: "an address of ours", key: OURS, result: "alice@example.org" },
    { name: "the same in quotes", key: '"SRS0=-xpx=2W=example.org=alice"@example.com', result: "alice@example.org" },
    {
      name: "the same under a former SRS domain",
      key: OURS.replace("example.com", "old.example"),
      result: "alice@example.org",
    },
    { name: "the same lower-cased", key: OURS.toLowerCase(), result: "alice@example.org" },
    { name: "a foreign SRS address", key: OURS.replace("-xpx", "abcd"), result: "bad_hash" },
    { name: "an address that is too old", key: OURS.replace("2W", "77"), result: "expired" },
    { name: "an ordinary address", key: "bob@example.com", result: "not_srs" },
    { name: "the null sender", key: '""', result: "null" },
    { name: "an address without its fields", key: "SRS0=-xpx=2W@example.com", result: "malformed" },
    { name: "an endless address", key: `SRS0=${"x".repeat(2000)}@example.com`, result: "too_long" },
  ])("says $result for $name", ({ key, result }) => {
    expect(essence(reverseTable(tables).get(key))).toBe(result);
  });
});

describe("With own domains that have to be asked for", () => {
  const asked = (has: () => Promise<boolean>): SrsTables => ({ ...tables, ownDomains: { has } });

  test.each([
    { name: "they are waited for: own", own: true, result: "own" },
    { name: "they are waited for: foreign", own: false, result: OURS },
  ])("$name", async ({ own, result }) => {
    expect(essence(await forwardTable(asked(() => Promise.resolve(own))).get("alice@example.org"))).toBe(result);
  });

  test("trouble is trouble, and the reason is told", async () => {
    const table = forwardTable(asked(() => Promise.reject(new Error("the table does not answer"))));
    expect(await table.get("alice@example.org")).toEqual({
      status: "tempFail",
      outcome: "tempfail",
      part: "own_domains",
      reason: "the table does not answer",
    });
  });

  test("always_rewrite asks nobody", () => {
    const table = forwardTable({ ...asked(() => Promise.reject(new Error("asked"))), alwaysRewrite: true });
    expect(essence(table.get("bob@example.com"))).toMatch(/^SRS0=....=2W=example\.com=bob@example\.com$/);
  });
});

describe("With a store", () => {
  const stored = `SRS0=....=2W=1=${aliasOf(LONG)}@example\\.com`;

  test("mode long keeps what does not fit, and nothing else", async () => {
    const kept = new Map<string, string>();
    const table = forwardTable(srsTables({ store: memoryStore(kept), storeMode: "long" }));
    expect(essence(await table.get("alice@example.org"))).toBe(OURS);
    expect(essence(await table.get(LONG))).toMatch(new RegExp(`^${stored}$`));
    expect(kept).toEqual(new Map([[aliasOf(LONG), LONG]]));
  });

  test("mode all keeps every address but those of other forwarders", async () => {
    const kept = new Map<string, string>();
    const table = forwardTable(srsTables({ store: memoryStore(kept), storeMode: "all" }));
    await table.get("alice@example.org");
    await table.get("SRS0=abcd=2W=o.example=bob@f.example");
    await table.get("bob@example.com");
    expect(kept).toEqual(new Map([[aliasOf("alice@example.org"), "alice@example.org"]]));
  });

  test.each([
    { name: "a domain that cannot be carried in a local part", key: "alice@x=y.org" },
    { name: "a domain with a quote", key: 'alice@x"y.org' },
    { name: "no local part", key: '""@x.org' },
  ])("mode all keeps $name, and the maps agree", async ({ key }) => {
    const withStore = srsTables({ store: memoryStore(), storeMode: "all" });
    const rewritten = essence(await forwardTable(withStore).get(key));
    expect(rewritten).toMatch(/^SRS0=....=2W=1=[0-9A-V]{32}@example\.com$/);
    expect(essence(forwardTransportTable(withStore).get(key))).toBe(TRANSPORT);
    expect(essence(await reverseTable(withStore).get(rewritten))).toBe(key);
  });

  test.each(["all", "long"] as const)("mode %s keeps no address with a control character", async (storeMode) => {
    const kept = new Map<string, string>();
    const withStore = srsTables({ store: memoryStore(kept), storeMode });
    for (const char of CONTROL_CHARACTERS) {
      for (const key of [`a${char}b@x.org`, `"a${char}b"@x.org`, `a@x${char}y.org`, `${LONG}${char}`]) {
        const rewritten = await forwardTable(withStore).get(key);
        expect((await forwardTransportTable(withStore).get(key)).status).toBe(rewritten.status);
        expect(rewritten.status === "found" ? rewritten.value : "").not.toMatch(/=1=[0-9A-V]{32}@/);
      }
    }
    expect(kept.size).toBe(0);
  });

  test.each(["all", "long"] as const)(
    "mode %s: the forward-transport map finds what the forward map rewrites",
    async (storeMode) => {
      await fc.assert(
        fc.asyncProperty(anyKey, async (key) => {
          fc.pre(!key.startsWith("@"));
          const withStore = srsTables({ store: memoryStore(), storeMode });
          const rewritten = await forwardTable(withStore).get(key);
          expect((await forwardTransportTable(withStore).get(key)).status).toBe(rewritten.status);
          if (rewritten.status !== "found" || !/=1=[0-9A-V]{32}@/.test(rewritten.value)) return;
          expect(await reverseTable(withStore).get(rewritten.value)).toMatchObject({ status: "found", value: key });
        }),
        { seed: 4, numRuns: 1000 },
      );
    },
  );

  test("a domain alone, which postsrsd kept too, is not given out as canonical(5) would misread it", async () => {
    const alias = aliasOf("@example.org");
    const withStore = srsTables({ store: memoryStore(new Map([[alias, "@example.org"]])), storeMode: "all" });
    const signed = essence(await forwardTable(withStore).get("@example.org"));
    expect(essence(await reverseTable(withStore).get(signed))).toBe('""@example.org');
  });

  test.each([
    { name: "an empty value", value: "" },
    { name: "5,000 characters", value: `${"l".repeat(5000)}@x.org` },
    { name: "no address", value: "alice" },
    { name: "two lines", value: "a\r\nb@x.example" },
    { name: "NUL", value: "a\0b@x.org" },
    { name: "ESC", value: "a\x1b[31mb@x.org" },
  ])("what is no address is not given out: $name", async ({ value }) => {
    const alias = aliasOf("alice@example.org");
    const withStore = srsTables({ store: memoryStore(new Map([[alias, value]])), storeMode: "all" });
    const signed = essence(await forwardTable(srsTables({ store: memoryStore() })).get("alice@example.org"));
    expect(signed).toContain(alias);
    expect(await reverseTable(withStore).get(signed)).toEqual({
      status: "notFound",
      outcome: "malformed",
      reason: "what the store holds is no address",
    });
  });

  test("what was kept comes back to the byte, in any case of its alias, and is gone when it is gone", async () => {
    const kept = new Map<string, string>();
    const withStore = srsTables({ store: memoryStore(kept), storeMode: "all" });
    const sender = '"J\xf6hn D."@Ex\xe9mple.ORG';
    const rewritten = essence(await forwardTable(withStore).get(sender));
    expect(essence(await reverseTable(withStore).get(rewritten.toLowerCase()))).toBe(sender);
    kept.clear();
    expect(essence(await reverseTable(withStore).get(rewritten))).toBe("expired");
  });

  test("an address is kept at least as long as its stamp is good: the day before, the day itself and 21 more", async () => {
    const ttls: number[] = [];
    const store: AddressStore = { ...memoryStore(), put: (_alias, _address, ttlSeconds) => void ttls.push(ttlSeconds) };
    await forwardTable(srsTables({ store, storeMode: "all" })).get("alice@example.org");
    expect(ttls).toEqual([23 * 86_400]);
  });

  test("a store that is down is trouble in both directions, and never a lost bounce", async () => {
    const down = {
      ...memoryStore(),
      put: () => Promise.reject(new Error("down")),
      get: () => Promise.reject(new Error("down")),
    };
    const good = srsTables({ store: memoryStore() });
    const rewritten = essence(await forwardTable(good).get("alice@example.org"));
    const bad = srsTables({ store: down });
    const trouble = { status: "tempFail", outcome: "tempfail", part: "store", reason: "down" };
    expect(await forwardTable(bad).get("alice@example.org")).toEqual(trouble);
    expect(await reverseTable(bad).get(rewritten)).toEqual(trouble);
  });

  test("an address too long for a line of tcp_table(5) is not kept: there would be no way to answer it", () => {
    const withStore = srsTables({ store: memoryStore(), storeMode: "all" });
    const key = `${"l".repeat(MAX_ADDRESS_BYTES)}@x.y`;
    expect(essence(forwardTable(withStore).get(key))).toBe("too_long");
    expect(essence(forwardTransportTable(withStore).get(key))).toBe("too_long");
  });

  test("an address that fits needs no store, so one that is down does not matter", async () => {
    const down = { ...memoryStore(), put: () => Promise.reject(new Error("down")) };
    expect(essence(await forwardTable(srsTables({ store: down, storeMode: "long" })).get("alice@example.org"))).toBe(
      OURS,
    );
  });

  test("a stored address waits for its store when none is named", async () => {
    const rewritten = essence(await forwardTable(srsTables({ store: memoryStore() })).get("alice@example.org"));
    expect(await reverseTable(srsTables()).get(rewritten)).toMatchObject({ status: "tempFail" });
  });

  test("the forward-transport map does not fill it", async () => {
    const kept = new Map<string, string>();
    const table = forwardTransportTable(srsTables({ store: memoryStore(kept), storeMode: "all" }));
    expect(essence(await table.get("alice@example.org"))).toBe(TRANSPORT);
    expect(essence(await table.get(LONG))).toBe(TRANSPORT);
    expect(kept.size).toBe(0);
  });
});

test("Without a store what does not fit is rewritten all the same, and counted", () => {
  expect(forwardTable(tables).get(LONG)).toMatchObject({ status: "found", outcome: "too_long" });
});

/** What is found, or the outcome. */
function essence(result: LookupResult | Promise<LookupResult>): string {
  if (result instanceof Promise) throw new TypeError("Cannot read the result: it is still a promise");
  return result.status === "found" ? result.value : result.outcome;
}
