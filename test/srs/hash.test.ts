import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { encodeHash, hashMatches, MAX_HASH_LENGTH } from "../../src/srs/hash.ts";

/** MACs that between them have every sextet at every place. */
const MACS = Array.from({ length: 400 }, (_, i) => createHash("sha1").update(String(i)).digest());
const LENGTHS = Array.from({ length: MAX_HASH_LENGTH }, (_, i) => i + 1);

describe.each([
  { alphabet: "standard" as const, encoding: "base64" as const },
  { alphabet: "url-safe" as const, encoding: "base64url" as const },
])("encodeHash in $alphabet", ({ alphabet, encoding }) => {
  test.each(LENGTHS)("writes the first %i characters of base64", (length) => {
    for (const mac of MACS)
      expect(encodeHash(words(mac), length, alphabet)).toBe(mac.toString(encoding).slice(0, length));
  });
});

describe("hashMatches", () => {
  test("takes every beginning in any case and either alphabet", () => {
    for (const mac of MACS.slice(0, 100)) {
      for (const length of LENGTHS) {
        const hash = mac.toString("base64").slice(0, length);
        for (const claim of [
          hash,
          hash.toLowerCase(),
          hash.toUpperCase(),
          mac.toString("base64url").slice(0, length),
        ]) {
          expect(hashMatches(claim, words(mac))).toBe(true);
        }
      }
    }
  });

  test("refuses every other byte at every place", () => {
    const [mac = Buffer.alloc(20)] = MACS;
    const hash = mac.toString("base64").slice(0, MAX_HASH_LENGTH);
    for (let at = 0; at < hash.length; at++) {
      for (let code = 0; code < 256; code++) {
        const char = String.fromCharCode(code);
        const claim = hash.slice(0, at) + char + hash.slice(at + 1);
        expect(hashMatches(claim, words(mac))).toBe(fold(char) === fold(hash.charAt(at)));
      }
    }
  });

  test.each([
    { name: "what is longer than a whole hash", claim: (hash: string) => `${hash}A` },
    { name: "the padding of base64", claim: (hash: string) => `${hash}=` },
    { name: "characters beyond bytes", claim: (hash: string) => `${hash.slice(0, -1)}\u0141` },
  ])("refuses $name", ({ claim }) => {
    const [mac = Buffer.alloc(20)] = MACS;
    expect(hashMatches(claim(mac.toString("base64").slice(0, MAX_HASH_LENGTH)), words(mac))).toBe(false);
  });
});

function words(mac: Buffer): Int32Array {
  return Int32Array.from({ length: 5 }, (_, i) => mac.readInt32BE(i * 4));
}

function fold(char: string): string {
  const lower = /[A-Z]/.test(char) ? char.toLowerCase() : char;
  return lower.replace("-", "+").replace("_", "/");
}
