/** Mail of ours that is signed already, when the milter gets it. */
import { describe, expect, test } from "vitest";
import { type ConfiguredKey, SigningKeys } from "../../src/dkim/keys.ts";
import { rsaKey, signRaw, zoneOf } from "../dkim/raw-signer.ts";
import { type KeyZone, keyResolver } from "../dkim/verifying.ts";
import { handleMessage, type Outcome } from "./handling.ts";

const [KEY, OTHER] = [rsaKey(2048), rsaKey(2048)];
const ZONE: KeyZone = {
  ...zoneOf(KEY, "", "s1._domainkey.example.org"),
  ...zoneOf(OTHER, "", "s2._domainkey.example.org"),
};
const HEADER = "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: a test\r\n";
const BODY = "Hi\r\n";
const MESSAGE = `${HEADER}\r\n${BODY}`;

function keyOf(selector: string): ConfiguredKey {
  const { privateKey } = selector === "s1" ? KEY : OTHER;
  return { domain: "example.org", selector, algorithm: "rsa-sha256", privateKey, from: ["example.org"] };
}

function handle(message: string, { selector = "s1", zone = ZONE } = {}): Promise<Outcome> {
  const keys = new SigningKeys([keyOf(selector)], { requirePublished: false, seen: [] });
  return handleMessage(message, { keys, resolver: keyResolver(zone) });
}

/** A good signature with other tags. */
function raw(tags: Readonly<Record<string, string>>): string {
  const names = { d: "example.org", s: "s1" };
  return signRaw({ key: KEY, header: HEADER, body: BODY, tags: { ...names, ...tags } });
}

describe("Mail with a signature of ours", () => {
  test("does not get the same once more", async () => {
    const first = await handle(MESSAGE);
    expect(first.inserted).toEqual(["DKIM-Signature"]);
    const second = await handle(first.message);
    expect(second.inserted).toEqual([]);
    expect([second.report?.signed, second.report?.results]).toEqual([[], []]);
  });

  test.each<[what: string, change: (message: string) => string, options: Parameters<typeof handle>[1]]>([
    ["that no longer fits", (text) => text.replace("\r\nHi", "\r\nHo"), {}],
    ["of another selector", (text) => text, { selector: "s2" }],
    ["whose record does not answer", (text) => text, { zone: { ...ZONE, "s1._domainkey.example.org": "SERVFAIL" } }],
    ["that lets anybody add to the body", () => raw({ l: String(BODY.length) }), {}],
    ["that lets anybody add a field", () => raw({ h: "from:to:subject" }), {}],
  ])("is signed if it is one %s", async (_what, change, options) => {
    const { message } = await handle(MESSAGE);
    expect((await handle(change(message), options)).inserted).toEqual(["DKIM-Signature"]);
  });
});
