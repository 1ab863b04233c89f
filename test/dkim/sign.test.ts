import { describe, expect, test } from "vitest";
import { BodyHashes } from "../../src/dkim/body-hash.ts";
import { CANONICALIZATIONS } from "../../src/dkim/canonical-body.ts";
import { namesToSign, Signing, type SigningKey, type SignSettings } from "../../src/dkim/sign.ts";
import { headerField, splitMessage } from "../../src/mail/header-field.ts";
import { requirePrograms, skipReason } from "../helpers/requires.ts";
import { dkimpyResults, findDkimpy, mailauthResults, opendkimResults } from "./peers.ts";
import { ed25519Key, rsaKey, type TestKey, zoneOf } from "./raw-signer.ts";
import { results } from "./verifying.ts";

const RSA = rsaKey(2048);
const ED25519 = ed25519Key();
const RECORDS = { ...zoneOf(RSA), ...zoneOf(ED25519, "", "ed._domainkey.example.com") };

const signingKey = (key: TestKey, selector: string): SigningKey => ({
  domain: "example.com",
  selector,
  algorithm: key.privateKey.asymmetricKeyType === "rsa" ? "rsa-sha256" : "ed25519-sha256",
  privateKey: key.privateKey,
});
const BOTH = [signingKey(RSA, "sel"), signingKey(ED25519, "ed")];

const SETTINGS: SignSettings = {
  headerForm: "relaxed",
  bodyForm: "relaxed",
  headers: ["From", "Sender", "Reply-To", "Subject", "Date", "To", "Cc", "Message-ID", "List-Id", "Received"],
  oversign: ["from", "to", "cc", "subject", "date", "message-id", "mime-version", "content-type"],
  expireSeconds: undefined,
};

/** Today, because OpenDKIM and dkimpy have no other clock. */
const NOW_SECONDS = Math.floor(Date.now() / 1000);

const MESSAGE = [
  "Received: from a.example by b.example;\r\n\tThu, 26 Nov 2026 10:00:00 +0000",
  "Received: from c.example by d.example; Thu, 26 Nov 2026 09:00:00 +0000",
  // One blank after the colon: OpenDKIM takes away more when it reads a message from a file.
  "From: Ann  Example <ann@example.com>",
  "To: Bob <bob@example.org>,\r\n\tCarol <carol@example.org>",
  "Subject: =?utf-8?q?B=C3=BCcher?=  and   more ",
  "Date: Thu, 26 Nov 2026 08:00:00 +0000",
  "Message-ID: <1@example.com>",
  "X-Raw: \xfc\xff",
  "",
  " Hello \t world  \r\n\r\n\xfc\r\nEnd\r\n\r\n",
].join("\r\n");

/** The message with its signatures on top. */
async function signed(
  settings: Partial<SignSettings> = {},
  keys: readonly SigningKey[] = BOTH,
  message = MESSAGE,
): Promise<string> {
  const all = { ...SETTINGS, ...settings };
  const { fields, body } = splitMessage(Buffer.from(message, "latin1"));
  const found = namesToSign(fields, all);
  if ("refusal" in found) throw new Error(found.refusal);
  const hashes = new BodyHashes();
  const signing = new Signing(all, fields, found.names, keys, hashes);
  for (let at = 0; at < body.length; at += 7) hashes.update(body.subarray(at, at + 7));
  hashes.end();
  const signatures = await signing.finish(NOW_SECONDS);
  return `${signatures.map(({ line }) => `${line}\r\n`).join("")}${message}`;
}

const FORMS = CANONICALIZATIONS.flatMap((headerForm) =>
  CANONICALIZATIONS.map((bodyForm) => ({ headerForm, bodyForm })),
);
/** Changes that must break each signature, because the names are in h= once more than the message has them. */
const ADDED: readonly string[] = [
  "From: Eve <eve@evil.example>",
  "To: eve@evil.example",
  "Cc: eve@evil.example",
  "Subject: another",
  "Date: Fri, 27 Nov 2026 08:00:00 +0000",
  "Message-ID: <2@evil.example>",
  "MIME-Version: 1.0",
  "Content-Type: text/html",
];
/** Changes that mailing lists and relays make. */
const HARMLESS: readonly string[] = ["Reply-To: list@example.net", "List-Id: <list.example.net>", "X-Spam: no"];

describe.each(FORMS)("Signed $headerForm/$bodyForm by RSA and ed25519 at once", (forms) => {
  const pass = async (message: string): Promise<boolean[]> =>
    (await results(message, RECORDS, { nowSeconds: NOW_SECONDS })).map((result) => result.startsWith("pass"));

  test("both signatures pass with us and with mailauth", async () => {
    const message = await signed(forms);
    expect(await pass(message)).toEqual([true, true]);
    expect(await mailauthResults(message, RECORDS, NOW_SECONDS)).toEqual(["pass", "pass"]);
  });

  test("they break when a field is added that the author did not write", async () => {
    const message = await signed(forms);
    for (const field of ADDED) expect(await pass(`${field}\r\n${message}`), field).toEqual([false, false]);
    for (const field of HARMLESS) expect(await pass(`${field}\r\n${message}`), field).toEqual([true, true]);
  });

  const missingOpendkim = requirePrograms("opendkim");
  test.skipIf(missingOpendkim)("OpenDKIM says the same", async () => {
    const message = await signed(forms);
    expect(opendkimResults(message, RECORDS)).toEqual(["pass", "pass"]);
    // OpenDKIM verifies no message with two From fields; it may not pass.
    for (const field of ADDED) expect(opendkimResults(`${field}\r\n${message}`, RECORDS), field).not.toContain("pass");
    for (const field of HARMLESS) {
      expect(opendkimResults(`${field}\r\n${message}`, RECORDS), field).toEqual(["pass", "pass"]);
    }
  });

  const python = findDkimpy();
  const missingDkimpy = python === undefined ? skipReason("Cannot run: python3-dkim not installed") : undefined;
  test.skipIf(missingDkimpy)("dkimpy says the same", async () => {
    const message = await signed(forms);
    // Below the signatures, because dkimpy counts all fields of a name from the top.
    const changed = [...ADDED, ...HARMLESS].map((field) => message.replace("\r\nReceived", `\r\n${field}\r\nReceived`));
    expect(dkimpyResults(python ?? "", [message, ...changed], RECORDS, 2)).toEqual([
      [true, true],
      ...ADDED.map(() => [false, false]),
      ...HARMLESS.map(() => [true, true]),
    ]);
  });
});

describe("A signature", () => {
  const fieldOf = async (settings: Partial<SignSettings> = {}, message = MESSAGE): Promise<string> => {
    const { fields } = splitMessage(Buffer.from(await signed(settings, BOTH.slice(0, 1), message), "latin1"));
    return fields[0]?.value ?? "";
  };

  test("has short lines, tells its time, and never a length", async () => {
    const value = await fieldOf({ expireSeconds: 86_400 });
    expect(value).toMatch(
      /^ v=1; a=rsa-sha256; c=relaxed\/relaxed; d=example\.com; s=sel;\r\n\tt=(\d+); x=(\d+); bh=[^;]{44};\r\n\th=[A-Za-z:\r\n\t-]+;\r\n\tb=[^;]+$/,
    );
    expect(Math.max(...value.split("\r\n").map((line) => line.length))).toBeLessThanOrEqual(78);
    expect(value).toContain(`t=${NOW_SECONDS}; x=${NOW_SECONDS + 86_400};`);
    expect(await fieldOf()).not.toMatch(/ x=| l=/);
  });

  test("covers every field of a listed name, in the order of the list, and one more of the oversigned", async () => {
    const [, names = ""] = /\th=([^;]+)/.exec(await fieldOf()) ?? [];
    expect(names.replace(/\s+/g, "")).toBe(
      "From:From:Subject:Subject:Date:Date:To:To:Cc:Message-ID:Message-ID:Received:Received:mime-version:content-type",
    );
  });

  test("covers From whatever the settings", async () => {
    expect(await fieldOf({ headers: ["Subject"], oversign: [] })).toContain("h=From:Subject;");
  });

  test("expires", async () => {
    const message = await signed({ expireSeconds: 60 }, BOTH.slice(0, 1));
    expect(await results(message, RECORDS, { nowSeconds: NOW_SECONDS + 60 })).toEqual(["pass: 2048-bit key"]);
    expect(await results(message, RECORDS, { nowSeconds: NOW_SECONDS + 61 })).toEqual(["permerror: expired"]);
  });

  test("of a message without a body passes", async () => {
    for (const forms of FORMS) {
      const message = await signed(forms, BOTH, "From: a@example.com\r\n\r\n");
      expect(opendkimResults(message, RECORDS), JSON.stringify(forms)).toEqual(["pass", "pass"]);
    }
  });
});

describe("A message is not signed", () => {
  const names = (fields: readonly string[]): unknown =>
    namesToSign(
      fields.map((name) => headerField(name, " x")),
      SETTINGS,
    );

  test("without From, and with two", () => {
    expect(names(["To"])).toEqual({ refusal: "want one From field, got 0" });
    expect(names(["From", "To", "from"])).toEqual({ refusal: "want one From field, got 2" });
  });

  test("with more fields to sign than verifiers read", () => {
    expect(names(["From", ...Array<string>(400).fill("Received")])).toEqual({ refusal: "over 300 fields to sign" });
    expect(names(["From", ...Array<string>(400).fill("X-Other")])).toHaveProperty("names");
  });
});
