import { describe, expect, test } from "vitest";
import { BodyHashes } from "../../src/dkim/body-hash.ts";
import { KeyRecords } from "../../src/dkim/key-record.ts";
import { dkimResults } from "../../src/dkim/verdict.ts";
import { Verification } from "../../src/dkim/verify.ts";
import { authenticationResults } from "../../src/mail/authentication-results.ts";
import { splitMessage } from "../../src/mail/header-field.ts";
import { readAuthenticationResults } from "../helpers/header-grammar.ts";
import { BODY, ed25519Key, encodeRsa, HEADER, rsaKey, signatureLine, signRaw, zoneOf } from "./raw-signer.ts";
import { type KeyZone, keyResolver, patientResolver, results, verifyMessage } from "./verifying.ts";

const RSA = rsaKey(2048);
const ED25519 = ed25519Key();
const ZONE = zoneOf(RSA);

describe("A signature", () => {
  test.each<[name: string, tags: Record<string, string | undefined>, result: string]>([
    ["as usual", {}, "pass: 2048-bit key"],
    ["with an underscore in its selector", { s: "my_sel" }, "pass: 2048-bit key"],
    ["with an underscore in its domain", { d: "a_b.example.com" }, "pass: 2048-bit key"],
    ["with a selector of digits", { s: "1.2.3.4" }, "pass: 2048-bit key"],
    ["with tags nobody knows", { zz: "1" }, "pass: 2048-bit key"],
    ["without v=", { v: undefined }, "permerror: no v= tag"],
    ["with v=2", { v: "2" }, "permerror: unknown version"],
    ["with v=1.0", { v: "1.0" }, "permerror: unknown version"],
    ["with rsa-sha1", { a: "rsa-sha1" }, "policy: rsa-sha1 is too weak"],
    ["with an unknown algorithm", { a: "rsa-sha512" }, "permerror: unknown algorithm"],
    ["with an unknown canonicalization", { c: "nofws" }, "permerror: unknown canonicalization"],
    ["with three canonicalizations", { c: "simple/simple/simple" }, "permerror: unknown canonicalization"],
    ["of a domain with one label", { d: "com" }, "permerror: bad domain"],
    ["of a domain with a dot at its end", { d: "example.com." }, "permerror: bad domain"],
    ["of a domain with a line end", { d: "example.com\r\n evil" }, "permerror: bad domain"],
    ["of a selector with a blank", { s: "a b" }, "permerror: bad selector"],
    ["with an empty selector", { s: "" }, "permerror: bad selector"],
    ["with another query method", { q: "http" }, "permerror: unknown query method"],
    ["with another query method beside dns/txt", { q: "http:dns/txt" }, "pass: 2048-bit key"],
    ["with i= of a subdomain", { i: "ann@mail.example.com" }, "pass: 2048-bit key"],
    ["with i= of another domain", { i: "@example.org" }, "permerror: i= is not of the domain in d="],
    ["with i= that only ends alike", { i: "@badexample.com" }, "permerror: i= is not of the domain in d="],
    ["with i= without @", { i: "example.com" }, "permerror: bad i= tag"],
    ["with a line end in i=", { i: "a=0D=0Ab@example.com" }, "permerror: bad i= tag"],
    ["that does not sign From", { h: "to:subject" }, "permerror: From is not signed"],
    ["with an empty h=", { h: "" }, "permerror: From is not signed"],
    ["with 301 names in h=", { h: `from${":x".repeat(300)}` }, "permerror: over 300 names in h="],
    ["with 300 names in h=", { h: `from${":x".repeat(299)}` }, "pass: 2048-bit key"],
    ["with a bad l=", { l: "-1" }, "permerror: bad l= tag"],
    ["with l= beyond the body", { l: "8" }, "fail: l= exceeds the body"],
    ["with the largest l=", { l: "9".repeat(76) }, "fail: l= exceeds the body"],
    ["with l= of the whole body", { l: "7" }, "pass: 2048-bit key"],
    ["with l= of a part", { l: "5" }, "policy: 2 bytes of the body are not signed"],
    ["with a bad t=", { t: "now" }, "permerror: bad t= tag"],
    ["with a bad x=", { x: "1e9" }, "permerror: bad x= tag"],
    ["that expires when it was made", { t: "1700000000", x: "1700000000" }, "permerror: expires before it was made"],
    ["that has expired", { x: "1700000000" }, "permerror: expired"],
    ["with a body hash that is not base64", { bh: "a*b" }, "permerror: bad bh= tag"],
    ["of another body", { bh: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }, "fail: body hash did not verify"],
    ["with a tag that is empty", { "": "" }, "permerror: bad tag list"],
  ])("%s", async (_name, tags, result) => {
    const names = ["sel", "my_sel", "1.2.3.4"].map((selector) => `${selector}._domainkey.example.com`);
    const zone: KeyZone = Object.assign(
      {},
      ...[...names, "sel._domainkey.a_b.example.com"].map((name) => zoneOf(RSA, "", name)),
    );
    expect(await results(signRaw({ key: RSA, tags }), zone)).toEqual([result]);
  });

  test("over 16 kB is not read", async () => {
    const tags = { zz: "a".repeat(17_000) };
    expect(await results(signRaw({ key: RSA, tags }), ZONE)).toEqual(["permerror: field over 16384 bytes"]);
  });

  test("by ed25519 passes too", async () => {
    expect(await results(signRaw({ key: ED25519 }), zoneOf(ED25519))).toEqual(["pass: ed25519 key"]);
  });

  test("of an internationalised domain finds its key under the A-label", async () => {
    const tags = { d: Buffer.from("bücher.example").toString("latin1") };
    const zone = zoneOf(RSA, "", "sel._domainkey.xn--bcher-kva.example");
    const [verdict] = await verifyMessage(signRaw({ key: RSA, tags }), zone);
    expect(verdict).toMatchObject({
      result: "pass",
      domain: "xn--bcher-kva.example",
      identity: "@xn--bcher-kva.example",
    });
  });

  test("without b= or with junk in it fails", async () => {
    const message = signRaw({ key: RSA });
    expect(await results(message.replace(/b=[^;=]+==\r\n/, "\r\n"), ZONE)).toEqual(["permerror: no b= tag"]);
    expect(await results(message.replace(/; b=/, "; b=!"), ZONE)).toEqual(["permerror: bad b= tag"]);
    expect(await results(message.replace(/; b=/, "; b=AAAA"), ZONE)).toEqual(["fail: bad signature"]);
  });
});

describe("A key", () => {
  const OTHER = rsaKey(2048);
  const SHORT = rsaKey(1024);
  const LONG = encodeRsa(Buffer.alloc(513, 0x7f), Buffer.from([1, 0, 1]));
  const record = (text: string): KeyZone => ({ "sel._domainkey.example.com": [text] });
  const spki = (key: typeof RSA): string => `p=${key.encoded}`;

  test.each<[name: string, zone: KeyZone, result: string]>([
    ["without v= and k=", record(spki(RSA)), "pass: 2048-bit key"],
    ["in two pieces", { "sel._domainkey.example.com": [["v=DKIM1; p=", RSA.encoded]] }, "pass: 2048-bit key"],
    ["with blanks in it", record(`p=${RSA.encoded.replace(/.{60}/g, "$& \t")}`), "pass: 2048-bit key"],
    ["with empty tags", record(`v=DKIM1;; ${spki(RSA)};;`), "pass: 2048-bit key"],
    [
      "as RFC 6376 first had it",
      record(`p=${RSA.publicKey.export({ type: "pkcs1", format: "der" }).toString("base64")}`),
      "pass: 2048-bit key",
    ],
    ["that is for testing", record(`t=y; ${spki(RSA)}`), "pass: 2048-bit key"],
    ["for its domain alone", record(`t=s; ${spki(RSA)}`), "pass: 2048-bit key"],
    ["for all services", record(`s=*; ${spki(RSA)}`), "pass: 2048-bit key"],
    ["for email and more", record(`s=tlsrpt : email; ${spki(RSA)}`), "pass: 2048-bit key"],
    ["that is another", record(spki(OTHER)), "fail: bad signature"],
    ["that is absent", {}, "permerror: no key in DNS"],
    ["whose name has other types", { "sel._domainkey.example.com": "NODATA" }, "permerror: no key in DNS"],
    ["whose server fails", { "sel._domainkey.example.com": "SERVFAIL" }, "temperror: no answer from DNS: servfail"],
    ["beside another text", { "sel._domainkey.example.com": ["v=spf1 -all", spki(RSA)] }, "pass: 2048-bit key"],
    ["beside another key", { "sel._domainkey.example.com": [spki(OTHER), spki(RSA)] }, "pass: 2048-bit key"],
    [
      "after four others",
      { "sel._domainkey.example.com": [...Array<string>(4).fill(spki(OTHER)), spki(RSA)] },
      "fail: bad signature",
    ],
    [
      "behind 31 other texts",
      { "sel._domainkey.example.com": [...Array<string>(31).fill("a=b"), spki(RSA)] },
      "pass: 2048-bit key",
    ],
    [
      "behind 32 other texts",
      { "sel._domainkey.example.com": [...Array<string>(32).fill("a=b"), spki(RSA)] },
      "permerror: no key record in DNS",
    ],
    ["that is no key record", record("v=spf1 -all"), "permerror: no key record in DNS"],
    ["that is revoked", record("v=DKIM1; p="), "permerror: key revoked"],
    ["of another version", record(`v=DKIM2; ${spki(RSA)}`), "permerror: unknown key version"],
    ["whose version comes late", record(`k=rsa; v=DKIM1; ${spki(RSA)}`), "permerror: unknown key version"],
    ["with a tag without a value", record(`v=DKIM1; t; ${spki(RSA)}`), "permerror: bad key record"],
    ["given twice in a record", record(`${spki(RSA)}; ${spki(RSA)}`), "permerror: bad key record"],
    ["of an unknown type", record(`k=dsa; ${spki(RSA)}`), "permerror: unknown key type"],
    ["of another type", zoneOf(ED25519), "permerror: key of another type"],
    ["not for email", record(`s=tlsrpt; ${spki(RSA)}`), "permerror: key not for email"],
    ["not for SHA-256", record(`h=sha1; ${spki(RSA)}`), "permerror: key not for sha256"],
    ["that is not base64", record("p=a-b"), "permerror: bad key"],
    ["that is no key", record("p=AAAA"), "permerror: bad RSA key"],
    [
      "of ed25519 with 31 bytes",
      record(`k=ed25519; p=${Buffer.alloc(31).toString("base64")}`),
      "permerror: bad ed25519 key",
    ],
  ])("%s", async (_name, zone, result) => {
    expect(await results(signRaw({ key: RSA }), zone)).toEqual([result]);
  });

  test("for its domain alone does not verify i= of a subdomain", async () => {
    const message = signRaw({ key: RSA, tags: { i: "@a.example.com" } });
    expect(await results(message, record(`t=s; ${spki(RSA)}`))).toEqual(["permerror: key not for subdomains"]);
  });

  test("of fewer bits than wanted, or of more than 4096, never passes", async () => {
    const short = signRaw({ key: SHORT });
    expect(await results(short, zoneOf(SHORT))).toEqual(["pass: 1024-bit key"]);
    expect(await results(short, zoneOf(SHORT), { minKeyBits: 2048 })).toEqual([
      "policy: RSA key of 1024 bits is shorter than 2048",
    ]);
    expect(await results(signRaw({ key: RSA }), record(`p=${LONG}`))).toEqual([
      "policy: RSA key of 4103 bits is longer than 4096",
    ]);
  });

  test("is made into an object once", () => {
    const keys = new KeyRecords();
    expect(keys.read(`p=${RSA.encoded}`)).toBe(keys.read(`p=${RSA.encoded}`));
  });
});

describe("Several signatures", () => {
  const message = (lines: readonly string[]): string =>
    `${lines.map((line) => `${line}\r\n`).join("")}${HEADER}\r\n${BODY}`;
  const signer = (d: string): string => signatureLine({ key: RSA, tags: { d } });
  const zone: KeyZone = Object.assign(
    {},
    ...["example.com", "mail.example.com", "example.org", "a.example.net", "b.example.net"].map((domain) =>
      zoneOf(RSA, "", `sel._domainkey.${domain}`),
    ),
  );

  test("are chosen by their distance from the author, and reported in the order of the message", async () => {
    const domains = ["example.org", "b.example.net", "a.example.net", "mail.example.com", "example.com"];
    const found = async (maxSignatures: number, author: string): Promise<string[]> =>
      (await verifyMessage(message(domains.map(signer)), zone, { maxSignatures, authorDomains: [author] })).map(
        ({ domain, result }) => `${domain} ${result}`,
      );
    expect(await found(1, "EXAMPLE.com")).toEqual(["example.com pass"]);
    expect(await found(2, "example.com")).toEqual(["mail.example.com pass", "example.com pass"]);
    expect(await found(2, "a.example.net")).toEqual(["b.example.net pass", "a.example.net pass"]);
    expect(await found(3, "example.edu")).toEqual(["example.org pass", "b.example.net pass", "a.example.net pass"]);
  });

  test("have their keys looked up at once, each name once, while the body still comes", async () => {
    const memory = keyResolver(zone);
    const { resolver, answer } = patientResolver(memory);
    const text = message([signer("example.com"), signer("example.com"), signer("example.org")]);
    const { fields, body } = splitMessage(Buffer.from(text, "latin1"));
    const hashes = new BodyHashes();
    const settings = { keys: new KeyRecords(), timeMs: () => 0, minKeyBits: 1024, maxSignatures: 10 };
    const verification = new Verification(
      { ...settings, resolver, bodyLength: "policy" },
      { fields, authorDomains: [], deadlineMs: 1 },
      hashes,
    );
    hashes.update(body);
    hashes.end();
    answer();
    expect(memory.queries).toEqual(["TXT sel._domainkey.example.com", "TXT sel._domainkey.example.org"]);
    expect((await verification.finish()).map(({ result }) => result)).toEqual(["pass", "pass", "pass"]);
  });

  test("of which the earlier ones are bad do not keep the last from passing", async () => {
    const lines = ["DKIM-Signature: garbage", "DKIM-Signature:", signer("nobody.example"), signer("example.com")];
    expect(await results(message(lines), zone)).toEqual([
      "permerror: bad tag list",
      "permerror: bad tag list",
      "permerror: no key in DNS",
      "pass: 2048-bit key",
    ]);
  });
});

describe("The results in Authentication-Results", () => {
  test("name domain, identity, selector, algorithm and the start of the signature", async () => {
    const [verdict] = await verifyMessage(signRaw({ key: RSA, tags: { i: "ann@example.com" } }), zoneOf(RSA, "t=y; "));
    expect(authenticationResults("mx.test", dkimResults(verdict === undefined ? [] : [verdict]))).toMatch(
      /^Authentication-Results: mx\.test; dkim=pass \(2048-bit key; the key is for testing\) header\.d=example\.com header\.i="ann@example\.com" header\.s=sel header\.a=rsa-sha256 header\.b="?[A-Za-z0-9+/]{8}"?$/,
    );
  });

  test("say that there is no signature", () => {
    expect(authenticationResults("mx.test", dkimResults([]))).toBe(
      "Authentication-Results: mx.test; dkim=none (no signature)",
    );
  });

  test.each([
    'v=1; a="x; d=a.example; s=b) dkim=pass (; b=x\r\n',
    'v=1; a=rsa-sha256; d=a.example; s=b; i="=22=0D=0A; dkim=pass"@a.example; bh=a; b=a; h=from',
    "d=\xff\xfe; s=\xc2\x85; b=\x01",
  ])("hold nothing that a sender could write into them: %j", async (value) => {
    const verdicts = await verifyMessage(`DKIM-Signature: ${value}\r\n${HEADER}\r\n${BODY}`, {});
    const field = authenticationResults("mx.test", dkimResults(verdicts));
    expect(field).toMatch(/^[\x20-\x7e]+$/);
    expect(readAuthenticationResults(field).results).toHaveLength(1);
  });
});
