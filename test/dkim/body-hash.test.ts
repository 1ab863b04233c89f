import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { BodyHashes } from "../../src/dkim/body-hash.ts";
import { CANONICALIZATIONS, CanonicalBody, type Canonicalization } from "../../src/dkim/canonical-body.ts";
import { Random } from "../spf/random-policies.ts";

interface Hasher {
  update(chunk: Buffer): void;
  digest(encoding: "base64"): string;
  readonly bodyHashedBytes: number;
  readonly canonicalizedLength: number;
}
const { dkimBody } = createRequire(import.meta.url)("mailauth/lib/dkim/body/index.js") as {
  dkimBody(canonicalization: string, algorithm: string, limit: number | false): Hasher;
};

/** The canonical form of a body that comes in chunks of `step` bytes. */
function canonical(canonicalization: Canonicalization, body: string, step: number): string {
  const pieces: string[] = [];
  const form = new CanonicalBody(canonicalization, (piece) => pieces.push(piece.toString("latin1")));
  for (const chunk of chunks(body, () => step)) form.update(chunk);
  form.end();
  return pieces.join("");
}

function chunks(body: string, step: () => number): Buffer[] {
  const bytes = Buffer.from(body, "latin1");
  const all: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const next = at + step();
    all.push(bytes.subarray(at, next));
    at = next;
  }
  return all;
}

/** Body, simple form, relaxed form. */
const BODIES: readonly (readonly [name: string, body: string, simple: string, relaxed: string])[] = [
  ["nothing", "", "\r\n", ""],
  ["an empty line", "\r\n", "\r\n", ""],
  ["the example of RFC 6376 section 3.4.5", " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"],
  ["only blanks", " \t \r\n  \r\n", " \t \r\n  \r\n", ""],
  ["no line end", "a", "a\r\n", "a\r\n"],
  ["a blank at the end", "a ", "a \r\n", "a\r\n"],
  ["empty lines within", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"],
  ["empty lines with blanks", "a\r\n \r\n\t\r\n", "a\r\n \r\n\t\r\n", "a\r\n"],
  ["a CR of its own", "a\rb \r c\r\r\n", "a\rb \r c\r\r\n", "a\rb \r c\r\r\n"],
  ["a CR at the end", "a\r", "a\r\r\n", "a\r\r\n"],
  ["a blank and a CR at the end", "a \t\r", "a \t\r\r\n", "a \r\r\n"],
  ["LF as line end", "a \nb\n\n", "a \r\nb\r\n", "a\r\nb\r\n"],
  ["8-bit and NUL", "\xff\0\x80\r\n", "\xff\0\x80\r\n", "\xff\0\x80\r\n"],
  ["a tab", "a\tb\r\n", "a\tb\r\n", "a b\r\n"],
];

describe.each([{ step: 100 }, { step: 1 }, { step: 3 }])("A body in chunks of $step bytes", ({ step }) => {
  test.each(BODIES)("has its canonical forms: %s", (_name, body, simple, relaxed) => {
    expect(canonical("simple", body, step)).toBe(simple);
    expect(canonical("relaxed", body, step)).toBe(relaxed);
  });
});

test("The canonical form is made of pieces that are valid only during the call, and needs no more room than a chunk", () => {
  const sizes: number[] = [];
  const form = new CanonicalBody("relaxed", (piece) => sizes.push(piece.length));
  for (let i = 0; i < 100; i++) form.update(Buffer.alloc(1000, "\r\n"));
  expect(sizes).toEqual([]);
  form.update(Buffer.from("x"));
  expect(sizes.reduce((sum, size) => sum + size)).toBe(100_001);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(4096);
});

test("Hashes, lengths and l= are mailauth's, for random bodies in random chunks", () => {
  const random = new Random(7);
  for (let run = 0; run < 4000; run++) {
    const words = ["a", " ", "\t", "\r\n", "\r\n", "\r", " \r\n", "  ", "b".repeat(30), ...(run % 2 ? ["\n"] : [])];
    const body = Array.from({ length: random.below(40) }, () => random.pick(words)).join("");
    for (const canonicalization of CANONICALIZATIONS) {
      // Its simple hash leaves a LF without CR as it is; its reader of messages has made it CRLF before.
      const given = canonicalization === "simple" ? body.replace(/(?<!\r)\n/g, "\r\n") : body;
      const limits = [Number.POSITIVE_INFINITY, random.below(60), random.below(60), 0];
      const hashes = new BodyHashes();
      const asked = limits.map((limit) => hashes.ask(canonicalization, limit));
      for (const chunk of chunks(body, () => 1 + random.below(9))) hashes.update(chunk);
      hashes.end();
      const bare = limits.map((limit) => {
        const hasher = dkimBody(canonicalization, "sha256", Number.isFinite(limit) ? limit : false);
        for (const chunk of chunks(given, () => 1 + random.below(9))) hasher.update(chunk);
        return { digest: hasher.digest("base64"), canonicalBytes: hasher.canonicalizedLength };
      });
      expect({ body, canonicalization, found: asked.map((ask) => ask()) }).toEqual({
        body,
        canonicalization,
        found: bare,
      });
    }
  }
});

test("So are those of long bodies, with long and short pieces between what has to be changed", () => {
  const random = new Random(11);
  const words = [
    "a b",
    "  ",
    "\t",
    "\r\n",
    " \r\n",
    "x".repeat(30),
    "y".repeat(1024),
    "z".repeat(1025),
    "w".repeat(20_000),
  ];
  for (let run = 0; run < 40; run++) {
    // Some bodies have no long pieces, so that many short ones are put together.
    const some = words.slice(0, run % 2 ? 6 : words.length);
    const body = Array.from({ length: run % 2 ? 9000 : 100 }, () => random.pick(some)).join("");
    for (const canonicalization of CANONICALIZATIONS) {
      const hashes = new BodyHashes();
      const ask = hashes.ask(canonicalization);
      for (const chunk of chunks(body, () => 1 + random.below(65_535))) hashes.update(chunk);
      hashes.end();
      const hasher = dkimBody(canonicalization, "sha256", false);
      hasher.update(Buffer.from(body, "latin1"));
      expect(ask()).toEqual({ digest: hasher.digest("base64"), canonicalBytes: hasher.canonicalizedLength });
    }
  }
});

test("What nobody asked about is not hashed, and what is beyond every l= is only counted", () => {
  const hashes = new BodyHashes();
  const ask = hashes.ask("simple", 3);
  hashes.update(Buffer.from("abcdef\r\n"));
  hashes.end();
  expect(ask()).toEqual({ digest: createHash("sha256").update("abc").digest("base64"), canonicalBytes: 8 });
});
