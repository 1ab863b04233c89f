import { describe, expect, test } from "vitest";
import { type ConfiguredKey, SigningKeys } from "../../src/dkim/keys.ts";
import { publicationOf, recordText, zoneLine } from "../../src/dkim/record.ts";
import type { DnsAnswer } from "../../src/dns/types.ts";
import { ed25519Key, rsaKey } from "./raw-signer.ts";

const answer = (...records: string[]): DnsAnswer<"TXT"> =>
  records.length > 0 ? { status: "ok", records, expiresAtMs: 0 } : { status: "nxdomain", expiresAtMs: 0 };
const TROUBLE: DnsAnswer<"TXT"> = { status: "error", trouble: "servfail", detail: "" };

function key(selector: string, options: Partial<ConfiguredKey> = {}): ConfiguredKey {
  const domain = options.domain ?? "example.net";
  const { privateKey } = ed25519Key();
  return { domain, selector, algorithm: "ed25519-sha256", from: [domain], privateKey, ...options };
}

/** All keys may sign at once. */
function free(...keys: readonly ConfiguredKey[]): SigningKeys {
  return new SigningKeys(keys, { requirePublished: false, seen: [] });
}

const chosen = (keys: SigningKeys, address: string): string[] => {
  const [local = "", domain = ""] = address.split("@");
  return keys.choose(local, domain).map(({ selector }) => selector);
};

describe("The keys for an author", () => {
  const keys = free(
    key("domain"),
    key("below", { from: [".example.net"] }),
    key("deep", { from: [".mail.example.net"] }),
    key("user", { from: ["User@example.net"] }),
    key("both", { domain: "example.org", from: ["example.org", ".example.org"] }),
    key("rsa", { domain: "example.org", from: ["example.org"], algorithm: "rsa-sha256" }),
  );

  test.each([
    ["ann@example.net", ["domain"]],
    ["ANN@EXAMPLE.NET", ["domain"]],
    ["user@example.net", ["user"]],
    ["ann@a.example.net", ["below"]],
    ["ann@b.a.example.net", ["below"]],
    ["ann@a.mail.example.net", ["deep"]],
    ["ann@mail.example.net", ["below"]],
    ["user@a.example.net", ["below"]],
    ["ann@example.org", ["both", "rsa"]],
    ["ann@a.example.org", ["both"]],
    ["ann@notexample.net", []],
    ["ann@net", []],
    ["ann@", []],
  ])("%s are %j", (address, selectors) => {
    expect(chosen(keys, address)).toEqual(selectors);
  });

  test("are the newest of each algorithm", () => {
    const rotated = free(key("e1"), key("r1", { algorithm: "rsa-sha256" }), key("e2"));
    expect(chosen(rotated, "a@example.net")).toEqual(["r1", "e2"]);
  });
});

describe("A rotation", () => {
  const old = key("old");
  const next = key("next");
  const rsa = rsaKey(1024);

  test("goes from the old key to the new one when its record appears, and back when it vanishes", () => {
    const keys = new SigningKeys([old, next], { requirePublished: true, seen: [] });
    const steps: [ConfiguredKey, DnsAnswer<"TXT">, changed: boolean, signs: string[]][] = [
      [old, answer(), false, []],
      [old, answer(recordText(old.privateKey)), true, ["old"]],
      [old, answer(recordText(old.privateKey)), false, ["old"]],
      [next, answer(), false, ["old"]],
      [next, TROUBLE, false, ["old"]],
      [next, answer(recordText(old.privateKey)), false, ["old"]],
      [next, answer(recordText(next.privateKey)), true, ["next"]],
      [old, answer(), true, ["next"]],
      [next, TROUBLE, false, ["next"]],
      [next, { status: "nodata", expiresAtMs: 0 }, true, []],
      [old, answer(recordText(old.privateKey)), true, ["old"]],
      [next, answer(recordText(next.privateKey)), true, ["next"]],
      [next, answer(`k=rsa; p=${rsa.encoded}`), true, ["old"]],
      [next, answer("v=spf1 -all", recordText(next.privateKey)), true, ["next"]],
      [next, answer("v=DKIM1; p="), true, ["old"]],
    ];
    for (const [which, given, changed, signs] of steps) {
      expect({ changed: keys.learn(which, given), signs: chosen(keys, "a@example.net") }).toEqual({ changed, signs });
    }
    expect(keys.candidates("a", "example.net")).toEqual([old, next]);
    expect(keys.candidates("a", "example.org")).toEqual([]);
  });

  test("tells the state of each key", () => {
    const keys = new SigningKeys([old, next], { requirePublished: true, seen: [] });
    const states = (): string[] => [old, next].map((one) => keys.stateOf(one));
    expect(states()).toEqual(["waiting", "waiting"]);
    keys.learn(old, answer(recordText(old.privateKey)));
    expect(states()).toEqual(["signing", "waiting"]);
    keys.learn(next, answer(recordText(next.privateKey)));
    expect(states()).toEqual(["spare", "signing"]);
  });

  test("outlives a restart without DNS, but another key under the same selector does not inherit it", () => {
    const keys = new SigningKeys([old, next], { requirePublished: true, seen: [] });
    keys.learn(next, answer(recordText(next.privateKey)));
    const again = new SigningKeys([old, next], { requirePublished: true, seen: keys.seen });
    expect(chosen(again, "a@example.net")).toEqual(["next"]);
    const swapped = new SigningKeys([old, key("next")], { requirePublished: true, seen: keys.seen });
    expect(chosen(swapped, "a@example.net")).toEqual([]);
    expect(swapped.seen).toEqual([]);
  });

  test("falls back to a wider pattern while the key for the exact one waits", () => {
    const user = key("user", { from: ["ann@example.net"] });
    const keys = new SigningKeys([old, user], { requirePublished: true, seen: [] });
    keys.learn(old, answer(recordText(old.privateKey)));
    expect(chosen(keys, "ann@example.net")).toEqual(["old"]);
  });
});

describe("What DNS says of a key", () => {
  const { privateKey } = rsaKey(2048);
  const own = recordText(privateKey);

  test.each<[name: string, answer: DnsAnswer<"TXT">, publication: object]>([
    ["its record", answer(own), { state: "published", others: 0, isTesting: false }],
    [
      "the record of opendkim-genkey",
      answer(own.replace("h=sha256; k=rsa", "k=rsa; t=y")),
      { state: "published", others: 0, isTesting: true },
    ],
    ["another record beside it", answer("v=spf1 -all", own), { state: "published", others: 1, isTesting: false }],
    ["nothing", answer(), { state: "missing" }],
    ["another text", answer("v=spf1 -all"), { state: "missing" }],
    ["another key", answer(recordText(rsaKey(1024).privateKey)), { state: "other-key" }],
    ["an empty key", answer("v=DKIM1; p="), { state: "revoked" }],
    ["half a key", answer(own.slice(0, 200)), { state: "unusable", reason: "bad RSA key" }],
    ["no answer", TROUBLE, { state: "trouble", reason: "servfail" }],
  ])("%s", (_name, given, publication) => {
    expect(publicationOf(privateKey, given)).toEqual(publication);
  });

  test("its zone line has pieces of at most 255 characters that make up the record", () => {
    const line = zoneLine("sel._domainkey.example.net", own);
    const pieces = [...line.matchAll(/"([^"]*)"/g)].map(([, piece = ""]) => piece);
    expect(line).toMatch(/^sel\._domainkey\.example\.net\. IN TXT \( "[^"]+" "[^"]+" \)$/);
    expect(Math.max(...pieces.map(({ length }) => length))).toBe(255);
    expect(pieces.join("")).toBe(own);
  });
});
