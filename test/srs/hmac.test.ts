import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { HmacSha1 } from "../../src/srs/hmac.ts";

/** Bytes of every value, capitals among them. */
const TEXT = Array.from({ length: 300 }, (_, i) => String.fromCharCode((i * 37 + 65) & 0xff)).join("");
const KEY = Uint8Array.from({ length: 200 }, (_, i) => (i * 151 + 200) & 0xff);

const KEY_LENGTHS = Array.from({ length: KEY.length + 1 }, (_, i) => i);
const TEXT_LENGTHS = Array.from({ length: TEXT.length + 1 }, (_, i) => i);

test("HmacSha1 is node:crypto's, for keys of 0 to 200 bytes and texts of 0 to 300", () => {
  const wrong = KEY_LENGTHS.flatMap((keyLength) => {
    const key = KEY.subarray(0, keyLength);
    const hmac = new HmacSha1(key);
    return TEXT_LENGTHS.filter((length) => {
      const text = TEXT.slice(0, length);
      return hex(hmac.signLowerCase(text)) !== reference(key, text);
    }).map((length) => `key of ${keyLength}, text of ${length}`);
  });
  expect(wrong).toEqual([]);
});

/** RFC 2202 section 3, test 2; capitals are ours. */
test.each([
  { key: "Jefe", text: "what do ya want for nothing?", digest: "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
  { key: "Jefe", text: "WHAT do YA want FOR nothing?", digest: "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
])("HmacSha1 gives RFC 2202's digest for $text", ({ key, text, digest }) => {
  expect(hex(new HmacSha1(Buffer.from(key)).signLowerCase(text))).toBe(digest);
});

test("HmacSha1 lower-cases ASCII and nothing else", () => {
  const hmac = new HmacSha1(KEY);
  expect(hex(hmac.signLowerCase("AZ@[\xc9"))).toBe(reference(KEY, "az@[\xc9"));
});

test("Two keys do not disturb each other", () => {
  const [one, other] = [new HmacSha1(Buffer.from("one")), new HmacSha1(Buffer.from("other"))];
  const before = hex(one.signLowerCase("text"));
  other.signLowerCase("another text, and a long one".repeat(10));
  expect(hex(one.signLowerCase("text"))).toBe(before);
});

function hex(words: Readonly<Int32Array>): string {
  return Array.from(words, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

function reference(key: Uint8Array, text: string): string {
  const lower = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return createHmac("sha1", key).update(lower, "latin1").digest("hex");
}
