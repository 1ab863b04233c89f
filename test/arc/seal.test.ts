/** Seals messages, verifies the chains with ours and with others' code, and breaks them. */
import { verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import { sealedResults } from "../../src/arc/results.ts";
import type { SigningKey } from "../../src/dkim/sign.ts";
import { dkimpyChains, findDkimpy, mailauthChain, mailauthSeal } from "../dkim/peers.ts";
import { ed25519Key, rsaKey, type TestKey, zoneOf } from "../dkim/raw-signer.ts";
import { keyResolver } from "../dkim/verifying.ts";
import { skipReason } from "../helpers/requires.ts";
import { chainResult, type SealOptions, sealMessage, verifyChain } from "./verifying.ts";

const RSA = rsaKey(2048);
const ED25519 = ed25519Key();
const ZONE = {
  ...zoneOf(RSA, "", "sel._domainkey.one.example"),
  ...zoneOf(RSA, "", "sel._domainkey.two.example"),
  ...zoneOf(RSA, "", "sel._domainkey.three.example"),
  ...zoneOf(ED25519, "", "ed._domainkey.two.example"),
};
const SERVFAIL = { ...ZONE, "sel._domainkey.one.example": "SERVFAIL" };

const keyOf = (domain: string, key: TestKey = RSA, selector = "sel"): SigningKey => ({
  domain,
  selector,
  algorithm: key === RSA ? "rsa-sha256" : "ed25519-sha256",
  privateKey: key.privateKey,
});
const [ONE, TWO, THREE] = [keyOf("one.example"), keyOf("two.example"), keyOf("three.example")];

/** Today, because dkimpy has no other clock. */
const NOW_SECONDS = Math.floor(Date.now() / 1000);

const MESSAGE = [
  "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=x; h=from; bh=AA==; b=AA==",
  "From: Ann  Example <ann@example.com>",
  "To: Bob <bob@example.org>,\r\n\tCarol <carol@example.org>",
  "Subject: a test",
  "Date: Thu, 26 Nov 2026 08:00:00 +0000",
  "",
  " Hello \t world  \r\n\r\nEnd\r\n\r\n",
].join("\r\n");
const RESULTS = " mx.example.org;\r\n\tspf=pass smtp.mailfrom=example.com;\r\n\tdmarc=pass header.from=example.com";

async function sealed(message: string, key: SigningKey, more: Partial<SealOptions> = {}): Promise<string> {
  const outcome = await sealMessage(message, ZONE, { key, results: [RESULTS], nowSeconds: NOW_SECONDS, ...more });
  if ("refusal" in outcome) throw new Error(outcome.refusal);
  return outcome.message;
}

async function refusalOf(
  message: string,
  key: SigningKey,
  zone: Parameters<typeof sealMessage>[1] = ZONE,
): Promise<unknown> {
  return await sealMessage(message, zone, { key });
}

/** Messages with one, two and three sets, and one whose second set is ed25519's. */
async function chains(): Promise<[one: string, two: string, three: string, mixed: string]> {
  const one = await sealed(MESSAGE, ONE);
  const two = await sealed(one, TWO);
  return [one, two, await sealed(two, THREE), await sealed(one, keyOf("two.example", ED25519, "ed"))];
}

const changeBody = (message: string): string => message.replace("End", "end");
const changeSubject = (message: string): string => message.replace("Subject: a test", "Subject: [list] a test");

describe("What we seal", () => {
  test("passes with us, and tells who has sealed", async () => {
    const [, , three] = await chains();
    expect(await verifyChain(three, ZONE)).toEqual({
      result: "pass",
      reason: "all seals are good",
      instance: 3,
      sets: [
        { instance: 1, domain: "one.example", selector: "sel", cv: "none" },
        { instance: 2, domain: "two.example", selector: "sel", cv: "pass" },
        { instance: 3, domain: "three.example", selector: "sel", cv: "pass" },
      ],
    });
  });

  test("passes with mailauth, and mailauth's with us", async () => {
    for (const message of await chains()) expect(await mailauthChain(message, ZONE, NOW_SECONDS)).toBe("pass");
    const privateKey = RSA.privateKey.export({ type: "pkcs8", format: "pem" });
    const seal = { signingDomain: "two.example", selector: "sel", privateKey, authResults: "mx.example.org; none" };
    const theirs = await mailauthSeal(await sealed(MESSAGE, ONE), { ...seal, cv: "pass" });
    expect(await chainResult(theirs, ZONE)).toBe("pass: all seals are good");
    expect(await chainResult(await sealed(theirs, THREE), ZONE)).toBe("pass: all seals are good");
  });

  const python = findDkimpy();
  const missing = python === undefined ? skipReason("Cannot run: python3-dkim not installed") : undefined;
  test.skipIf(missing)("passes with dkimpy, and what was changed since does not", async () => {
    const [one, two, three] = await chains();
    const changed = [changeBody(three), changeSubject(two), two.replace("spf=pass", "spf=none")];
    expect(dkimpyChains(python ?? "", [one, two, three, ...changed], ZONE)).toEqual([
      ...Array<string>(3).fill("pass"),
      ...Array<string>(3).fill("fail"),
    ]);
  });

  test("has the seal on top, short lines, and our results", async () => {
    const [one] = await chains();
    const set = one.slice(0, one.indexOf("\r\nDKIM-Signature"));
    expect(set).toMatch(/^ARC-Seal: i=1; a=rsa-sha256; cv=none; d=one\.example; s=sel;\r\n\tt=\d+;\r\n\tb=/);
    expect(set).toMatch(/\r\nARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed\/relaxed; d=one\.example; s=sel;\r\n/);
    expect(set).toMatch(/\r\n\th=From:From:To:Subject:Subject:Date:DKIM-Signature;\r\n\tb=/);
    expect(set.slice(set.indexOf("ARC-Authentication-Results"))).toBe(`ARC-Authentication-Results: i=1;${RESULTS}`);
    expect(Math.max(...set.split("\r\n").map((line) => line.length))).toBeLessThanOrEqual(90);
  });
});

describe("A chain fails", () => {
  test.each<[what: string, change: (message: string) => string, reason: string]>([
    ["the body has changed", changeBody, "message signature: body hash did not verify"],
    ["a signed field has changed", changeSubject, "message signature: bad signature"],
    ["a second From was added", (text) => `From: eve@evil.example\r\n${text}`, "message signature: bad signature"],
    ["older results have changed", (text) => swap(text, "i=1; mx", "i=1; mX"), "seal i=3: bad signature"],
    ["the newest results have changed", (text) => swap(text, "i=3; mx", "i=3; mX"), "seal i=3: bad signature"],
    ["a seal is gone", (text) => swap(text, "ARC-Seal: i=2", "X-Seal: i=2"), "no ARC-Seal with i=2"],
    ["a seal is there twice", (text) => `ARC-Seal: i=2; cv=pass\r\n${text}`, "two fields ARC-Seal with i=2"],
    [
      "results without number",
      (text) => `ARC-Authentication-Results: mx; i=1\r\n${text}`,
      "ARC-Authentication-Results without a number from 1 to 50",
    ],
    ["a set 51", (text) => `ARC-Seal: i=51\r\n${text}`, "ARC-Seal without a number from 1 to 50"],
    ["a set is skipped", (text) => `ARC-Seal: i=5\r\n${text}`, "no ARC-Authentication-Results with i=4"],
    [
      "a seal says none",
      (text) => swap(text, "a=rsa-sha256; cv=pass; d=two", "a=rsa-sha256; cv=none; d=two"),
      "seal i=2 says cv=none",
    ],
    ["a seal has h=", (text) => swap(text, "cv=pass; d=three", "cv=pass; h=from; d=three"), "seal with h="],
    ["a seal has no b=", (text) => swap(text, "\r\n\tb=", "\r\n\tx="), "seal without b="],
    [
      "a seal is too long",
      (text) => swap(text, "cv=pass; d=three", `cv=pass; x=${"y".repeat(4096)}; d=three`),
      "seal over 4096 bytes",
    ],
    [
      "a seal has SHA-1",
      (text) => swap(text, "a=rsa-sha256; cv=pass; d=three", "a=rsa-sha1; cv=pass; d=three"),
      "rsa-sha1 is too weak",
    ],
  ])("%s", async (_what, change, reason) => {
    const [, , three] = await chains();
    expect(await chainResult(change(three), ZONE)).toBe(`fail: ${reason}`);
  });

  test("the key is gone, revoked, too short, or of another type", async () => {
    const [, two] = await chains();
    const at = (record: string): Promise<string> =>
      chainResult(two, { ...ZONE, "sel._domainkey.one.example": [record] });
    const { "sel._domainkey.one.example": _gone, ...without } = ZONE;
    expect(await chainResult(two, without)).toBe("fail: seal i=1: no key in DNS");
    expect(await at("v=DKIM1; p=")).toBe("fail: seal i=1: key revoked");
    expect(await at(`v=DKIM1; p=${rsaKey(512).encoded}`)).toBe(
      "fail: seal i=1: RSA key of 512 bits is shorter than 1024",
    );
    expect(await at(`v=DKIM1; k=ed25519; p=${ED25519.encoded}`)).toBe("fail: seal i=1: key of another type");
  });

  test("not because of a field that has the name of something else in JavaScript", async () => {
    const fields = "Constructor: x\r\n__proto__: i=1\r\n";
    expect(await chainResult(`${fields}${MESSAGE}`, ZONE)).toBe("none: no chain");
    expect(await chainResult(`${fields}${await sealed(MESSAGE, ONE)}`, ZONE)).toBe("pass: all seals are good");
  });

  test("what is not signed may change, and an older message signature may break", async () => {
    const one = await sealed(MESSAGE, ONE);
    const two = `X-Spam: no\r\n${await sealed(one, TWO)}`;
    expect(await chainResult(two, ZONE)).toBe("pass: all seals are good");
  });
});

describe("The seal says", () => {
  test("none without a chain, pass above a good one, and fail above a broken one", async () => {
    const one = await sealed(MESSAGE, ONE);
    const broken = await sealed(changeBody(one), TWO);
    expect(one).toMatch(/^ARC-Seal: i=1; .*cv=none;/);
    expect(await sealed(one, TWO)).toMatch(/^ARC-Seal: i=2; .*cv=pass;/);
    expect(broken).toMatch(/^ARC-Seal: i=2; .*cv=fail;/);
    expect(await chainResult(broken, ZONE)).toBe("fail: seal i=2 says cv=fail");
  });

  test("fail over its own set alone, which a broken chain cannot change", async () => {
    const broken = await sealed(changeBody(await sealed(MESSAGE, ONE)), TWO);
    const own = broken.slice(0, broken.indexOf("\r\nARC-Seal: i=1"));
    expect(ownSealIsGood(own)).toBe(true);
  });

  test.each<[what: string, chain: string, instance: number]>([
    ["a seal without number", "ARC-Seal: garbage", 1],
    ["results alone", "ARC-Authentication-Results: i=1; mx.example.net; none", 2],
    ["a set of which two fields are missing", "ARC-Message-Signature: i=7; b=x", 8],
  ])("fail above %s", async (_what, field, instance) => {
    const message = await sealed(`${field}\r\n${MESSAGE}`, ONE);
    expect(message).toContain(`ARC-Seal: i=${instance}; a=rsa-sha256; cv=fail;`);
  });
});

describe("Nothing is sealed", () => {
  test("above a seal that says fail, at the top or at the bottom", async () => {
    const broken = await sealed(changeBody(await sealed(MESSAGE, ONE)), TWO);
    const refusal = { refusal: "the newest seal says that the chain has failed" };
    expect(await refusalOf(broken, THREE)).toEqual(refusal);
    expect(await refusalOf(`ARC-Seal: i=2; cv=pass\r\n${broken}`, THREE)).toEqual(refusal);
    expect(await refusalOf(`ARC-Seal: i=9; CV=x; cv=FAIL\r\n${broken}`, THREE)).toEqual(refusal);
  });

  test("after 50 sets", async () => {
    const fields = ["ARC-Seal: i=50; cv=pass", MESSAGE].join("\r\n");
    expect(await refusalOf(fields, ONE)).toEqual({ refusal: "the chain has 50 sets" });
  });

  test("after DNS trouble: fail would be for good", async () => {
    const [one, two] = await chains();
    expect(await chainResult(one, SERVFAIL)).toMatch(/^temperror: /);
    expect(await chainResult(two, SERVFAIL)).toMatch(/^temperror: seal i=1: no answer from DNS/);
    expect(await refusalOf(two, THREE, SERVFAIL)).toMatchObject({
      refusal: expect.stringMatching(/cannot be verified now/),
    });
    // What is broken anyway stays broken.
    expect(await chainResult(changeBody(two), SERVFAIL)).toMatch(/^fail: /);
  });

  test("if the newest set is ours and still good: the message loops", async () => {
    const [one, two] = await chains();
    expect(await refusalOf(two, TWO)).toEqual({ refusal: "the newest set is ours" });
    expect(await sealed(two, ONE)).toMatch(/^ARC-Seal: i=3;/);
    expect(await sealed(changeBody(one), ONE)).toMatch(/^ARC-Seal: i=2; .*cv=fail/);
  });

  test.each(["From: a@example.com\r\nFrom: b@example.com\r\n\r\nx", "Subject: none\r\n\r\nx"])(
    "for %j",
    async (text) => {
      expect(await refusalOf(text, ONE)).toMatchObject({ refusal: expect.stringMatching(/^want one From field/) });
    },
  );
});

describe("Hostile chains", () => {
  test("50 sets of strangers cost two queries until the newest seal is good", async () => {
    const resolver = keyResolver({});
    const sets = Array.from({ length: 50 }, (_, at) => hostileSet(at + 1)).reverse();
    const message = `${sets.join("")}${MESSAGE}`;
    const { result, instance } = await verifyChain(message, {}, { resolver });
    expect([result, instance]).toEqual(["fail", 50]);
    expect(resolver.queries.length).toBeLessThanOrEqual(2);
  });

  test.each([
    ["a megabyte of seals", `${"ARC-Seal: i=1; cv=none\r\n".repeat(40_000)}${MESSAGE}`],
    ["a megabyte of blanks in i=", `ARC-Seal: i =${" ".repeat(1_000_000)}1\r\n${MESSAGE}`],
    ["a megabyte of semicolons", `ARC-Seal: ${";".repeat(1_000_000)}\r\n${MESSAGE}`],
    ["a megabyte of brackets", `ARC-Authentication-Results: ${"(".repeat(1_000_000)}i=1;\r\n${MESSAGE}`],
    [
      "150 fields of 7 kB of semicolons",
      `${Array.from({ length: 50 }, (_, at) => hostileSet(at + 1, ";".repeat(7000))).join("")}${MESSAGE}`,
    ],
  ])("%s are refused at once", async (_what, message) => {
    const startMs = process.cpuUsage();
    expect((await verifyChain(message, {})).result).toBe("fail");
    const { user, system } = process.cpuUsage(startMs);
    expect((user + system) / 1000).toBeLessThan(1000);
  });
});

describe("Results for a seal", () => {
  test.each<[values: string[], sealed: string]>([
    [[], " mx.example.org;\r\n\tnone"],
    [[" mx.example.org; none"], " mx.example.org;\r\n\tnone"],
    [[" mx.example.org; none (not checked)"], " mx.example.org;\r\n\tnone"],
    [[" mx.example.org;\r\n\tspf=pass;\r\n\tdmarc=none"], " mx.example.org;\r\n\tspf=pass;\r\n\tdmarc=none"],
    [[" mx.example.org; spf=pass ", ' (a;b) "m;x" 1; dkim=none'], " mx.example.org;\r\n\tspf=pass;\r\n\tdkim=none"],
    [[" mx.example.org"], " mx.example.org;\r\n\tnone"],
  ])("of %j", (values, wanted) => {
    expect(sealedResults(values, "mx.example.org")).toBe(wanted);
  });
});

/** Changes a part that must be there. */
function swap(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`no ${from}`);
  return text.replace(from, to);
}

/** Verifies the seal of a set over this set alone, without our code. */
function ownSealIsGood(set: string): boolean {
  const [seal = "", signature = "", results = ""] = set
    .replace(/\r\n[ \t]+/g, " ")
    .split("\r\n")
    .map(
      (line) =>
        `${line.slice(0, line.indexOf(":")).toLowerCase()}:${line
          .slice(line.indexOf(":") + 1)
          .replace(/[ \t]+/g, " ")
          .trim()}`,
    );
  const [unsigned = "", value = ""] = seal.split(/(?<= b=)/);
  const bytes = Buffer.from(`${results}\r\n${signature}\r\n${unsigned}`, "latin1");
  return verify("sha256", bytes, RSA.publicKey, Buffer.from(value, "base64"));
}

/** A set that looks like one, of a domain of its own. */
function hostileSet(instance: number, filler = ""): string {
  const cv = instance === 1 ? "none" : "pass";
  const tags = `i=${instance}; a=rsa-sha256; d=d${instance}.example; s=s; b=AAAA`;
  const body = "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  return [
    `ARC-Seal: ${tags}; cv=${cv}${filler}\r\n`,
    `ARC-Message-Signature: ${tags}; h=from; ${body}${filler}\r\n`,
    `ARC-Authentication-Results: i=${instance}; mx.example; none${filler}\r\n`,
  ].join("");
}
