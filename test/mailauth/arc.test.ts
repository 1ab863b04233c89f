/** What src/arc/ repairs: each test shows the fault in mailauth as it is installed, and the right answer of ours beside it. */
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { chainResult, sealMessage } from "../arc/verifying.ts";
import { mailauthSeal } from "../dkim/peers.ts";
import { rsaKey, zoneOf } from "../dkim/raw-signer.ts";

const require = createRequire(import.meta.url);
const { authenticate } = require("mailauth/lib/mailauth.js") as {
  authenticate(
    message: Buffer,
    options: object,
  ): Promise<{ readonly arc: { readonly status: { readonly result: string; readonly shouldSeal?: boolean } } }>;
};

const KEY = rsaKey(2048);
const ZONE = zoneOf(KEY, "", "sel._domainkey.one.example");
const SIGNER = { domain: "one.example", selector: "sel", algorithm: "rsa-sha256", privateKey: KEY.privateKey } as const;
const MESSAGE = "From: a@example.com\r\nSubject: x\r\n\r\nHi\r\n";

async function sealed(): Promise<string> {
  const outcome = await sealMessage(MESSAGE, ZONE, { key: SIGNER });
  if ("refusal" in outcome) throw new Error(outcome.refusal);
  return outcome.message;
}

describe("mailauth's ARC", () => {
  test("takes DNS trouble for a broken chain, and would say so for good", async () => {
    const message = await sealed();
    const trouble = Object.assign(new Error("no answer"), { code: "ESERVFAIL" });
    const { arc } = await authenticate(Buffer.from(message, "latin1"), {
      strict: true,
      disableBimi: true,
      disableDmarc: true,
      resolver: () => Promise.reject(trouble),
    });
    expect(arc.status).toMatchObject({ result: "fail", shouldSeal: true });

    const zone = { "sel._domainkey.one.example": "SERVFAIL" };
    expect(await chainResult(message, zone)).toMatch(/^temperror: /);
    const key = { ...SIGNER, domain: "two.example" };
    expect(await sealMessage(message, zone, { key })).toMatchObject({ refusal: expect.stringContaining("no answer") });
  });

  test("copies the text of results, line ends and all", async () => {
    const privateKey = KEY.privateKey.export({ type: "pkcs8", format: "pem" });
    const seal = { signingDomain: "one.example", selector: "sel", privateKey, cv: "none" };
    const theirs = await mailauthSeal(MESSAGE, { ...seal, authResults: "mx; none\r\nX-Forged: yes" });
    expect(theirs).toContain("\r\nX-Forged: yes\r\n");

    const outcome = await sealMessage(MESSAGE, ZONE, {
      key: SIGNER,
      results: [" mx; spf=pass\r\nX-Forged: yes\n\n\rX: y"],
    });
    if ("refusal" in outcome) throw new Error(outcome.refusal);
    expect(outcome.message).not.toMatch(/^X/m);
  });
});
