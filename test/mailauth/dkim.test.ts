/**
 * What src/dkim/ repairs. Each test shows the fault in mailauth as it is installed; the right answer of ours is beside
 * it, or in test/dkim/. When one of the first kind fails, mailauth has mended that fault.
 */
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { canonicalField, canonicalSignature } from "../../src/dkim/canonical-header.ts";
import { headerField } from "../../src/mail/header-field.ts";
import { parseTagList } from "../../src/mailauth/dkim.ts";
import { BODY, ed25519Key, encodeRsa, HEADER, rsaKey, signatureLine, signRaw, zoneOf } from "../dkim/raw-signer.ts";
import { type KeyZone, keyResolver, ODD_NOW_SECONDS, patientResolver, readCases, results } from "../dkim/verifying.ts";
import { Random } from "../spf/random-policies.ts";

interface BareResult {
  readonly status: { readonly result: string; readonly comment?: string; readonly underSized?: number };
}
interface Hasher {
  update(chunk: Buffer): void;
  digest(encoding: "base64"): string;
}
interface HeaderRow {
  readonly line: Buffer;
}

const require = createRequire(import.meta.url);
const { dkimVerify } = require("mailauth/lib/dkim/verify.js") as {
  dkimVerify(message: Buffer, options: object): Promise<{ readonly results: readonly BareResult[] }>;
};
const { dkimSign } = require("mailauth/lib/dkim/sign.js") as {
  dkimSign(message: Buffer, options: object): Promise<{ signatures: string; errors: { err: Error }[] }>;
};
const { dkimBody } = require("mailauth/lib/dkim/body/index.js") as {
  dkimBody(form: string, algorithm: string, limit: number | false): Hasher;
};
const tools = require("mailauth/lib/tools.js") as {
  parseHeaders(bytes: Buffer): { readonly parsed: readonly HeaderRow[] };
  parseTagList(text: string, options: { strict: true }): { readonly syntaxErrors: readonly string[] };
  formatRelaxedLine(line: string, end?: string): Buffer;
  toALabel(name: string): string;
  getPublicKey(type: "DKIM", name: string, bits: number, resolver: () => Promise<string[][]>): Promise<BareKey>;
};
interface BareKey {
  readonly publicKey: unknown;
  readonly modulusLength: number;
}

const RSA = rsaKey(2048);
const ED25519 = ed25519Key();

/** What mailauth itself makes of a message, in strict mode. */
async function bare(message: string, zone: KeyZone): Promise<string[]> {
  const { results: all } = await dkimVerify(Buffer.from(message, "latin1"), {
    strict: true,
    curTime: new Date(ODD_NOW_SECONDS * 1000),
    resolver: bareResolver(zone),
  });
  return all.map(({ status }) => `${status.result}${status.comment === undefined ? "" : `: ${status.comment}`}`);
}

function bareResolver(zone: KeyZone): (name: string) => Promise<string[][]> {
  const resolver = keyResolver(zone);
  return async (name) => {
    const answer = await resolver.resolve(name, "TXT", { deadlineMs: 0 });
    if (answer.status === "ok") return answer.records.map((text) => [text]);
    throw Object.assign(new Error(answer.status), { code: answer.status === "error" ? "ESERVFAIL" : "ENOTFOUND" });
  };
}

function odd(name: string): [message: string, zone: KeyZone] {
  const found = readCases("odd").find((one) => one.name === name);
  return [found?.message ?? "", found?.zone ?? {}];
}

describe("mailauth's rules", () => {
  const [subRecord = ""] = Object.values(zoneOf(RSA))[0] ?? [];
  const at = (...records: string[]): KeyZone => ({ "sel._domainkey.example.com": records });

  test.each<[fault: string, given: [message: string, zone: KeyZone], theirs: string[], ours: string[]]>([
    [
      "an underscore in s= is an error",
      odd("s-underscore"),
      ["neutral: signature syntax error"],
      ["pass: 2048-bit key"],
    ],
    [
      "an underscore in d= is an error",
      odd("d-underscore"),
      ["neutral: signature syntax error"],
      ["pass: 2048-bit key"],
    ],
    [
      "only the first TXT record is read",
      [signRaw({ key: RSA }), at("v=spf1 -all", subRecord)],
      ["neutral: invalid public key"],
      ["pass: 2048-bit key"],
    ],
    ["an empty tag is an error", odd("key-double-semicolon"), ["neutral: invalid public key"], ["pass: 2048-bit key"]],
    [
      "l= may exceed the body",
      [signRaw({ key: RSA, tags: { l: "8" } }), zoneOf(RSA)],
      ["pass"],
      ["fail: l= exceeds the body"],
    ],
    ["l= may leave the body unsigned", odd("l-zero"), ["pass"], ["policy: 43 bytes of the body are not signed"]],
    ["t= may lie in the future", odd("t-future-a-year"), ["pass"], ["policy: made in the future"]],
    ["a missing key is neutral", odd("key-nxdomain"), ["neutral: no key"], ["permerror: no key in DNS"]],
    ["an expired signature is neutral", odd("x-past"), ["neutral: expired"], ["permerror: expired"]],
    [
      "a missing tag is neutral",
      odd("h-missing"),
      ["neutral: signature missing required tag"],
      ["permerror: no h= tag"],
    ],
    [
      "any number of names may be signed",
      [signRaw({ key: RSA, tags: { h: `from${":x".repeat(300)}` } }), zoneOf(RSA)],
      ["pass"],
      ["permerror: over 300 names in h="],
    ],
    [
      "a field may have any length",
      [signRaw({ key: RSA, tags: { zz: "a".repeat(20_000) } }), zoneOf(RSA)],
      ["pass"],
      ["permerror: field over 16384 bytes"],
    ],
  ])("%s", async (_fault, [message, zone], theirs, ours) => {
    expect(await bare(message, zone)).toEqual(theirs);
    expect(await results(message, zone)).toEqual(ours);
  });

  test("all signatures are verified, however many", async () => {
    const line = signatureLine({ key: ED25519 });
    const message = `${`${line}\r\n`.repeat(30)}${HEADER}\r\n${BODY}`;
    expect(await bare(message, zoneOf(ED25519))).toHaveLength(30);
    expect(await results(message, zoneOf(ED25519))).toHaveLength(10);
  });

  test("keys are asked for one after another", async () => {
    const lines = ["a", "b"].map((s) => `${signatureLine({ key: RSA, tags: { s } })}\r\n`);
    const asked: string[] = [];
    const { resolver } = patientResolver({
      resolve: () => ({ status: "nxdomain", expiresAtMs: 0 }),
    });
    void dkimVerify(Buffer.from(`${lines.join("")}${HEADER}\r\n${BODY}`), {
      resolver: (name: string) => {
        asked.push(name);
        return resolver.resolve(name, "TXT", { deadlineMs: 0 });
      },
    });
    await new Promise((done) => setTimeout(done, 100));
    expect(asked).toEqual(["a._domainkey.example.com"]);
  });
});

describe("mailauth's keys", () => {
  const read = async (record: string): Promise<BareKey> =>
    await tools.getPublicKey("DKIM", "sel._domainkey.example.com", 1024, async () => [[record]]);

  test("are text, which is parsed again for each signature", async () => {
    expect(typeof (await read(`p=${RSA.encoded}`)).publicKey).toBe("string");
  });

  test("may be longer than 4096 bits", async () => {
    const long = encodeRsa(Buffer.alloc(513, 0x7f), Buffer.from([1, 0, 1]));
    expect((await read(`p=${long}`)).modulusLength).toBe(4103);
    const zone = { "sel._domainkey.example.com": [`p=${long}`] };
    expect(await results(signRaw({ key: RSA }), zone)).toEqual(["policy: RSA key of 4103 bits is longer than 4096"]);
  });

  test("may have an exponent as long as they are", async () => {
    const modulus = Buffer.from(String(RSA.publicKey.export({ format: "jwk" }).n), "base64url");
    const encoded = encodeRsa(modulus, Buffer.alloc(modulus.length - 1, 0x7f));
    expect((await read(`p=${encoded}`)).modulusLength).toBe(2048);
    const zone = { "sel._domainkey.example.com": [`p=${encoded}`] };
    expect(await results(signRaw({ key: RSA }), zone)).toEqual(["permerror: RSA exponent too long"]);
  });
});

/** CPU time of one call in milliseconds. */
function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Letters that are all different. */
const IDEOGRAPHS = String.fromCharCode(...Array.from({ length: 8000 }, (_, at) => 0x4e00 + ((at * 7919) % 8009)));

describe("mailauth's time grows with the square of the input", () => {
  const hash = (form: string, body: Buffer): string => {
    const hasher = dkimBody(form, "sha256", false);
    for (let at = 0; at < body.length; at += 100) hasher.update(body.subarray(at, at + 100));
    return hasher.digest("base64");
  };
  test.each<[what: string, work: (size: number) => unknown, size: number]>([
    ["the lines of a field", (size) => tools.parseHeaders(Buffer.from(`X: a${"\r\n x".repeat(size)}`)), 800],
    ["blanks within a tag", (size) => tools.parseTagList(`a=b${" ".repeat(size)}c`, { strict: true }), 1500],
    ["blanks before a colon", (size) => tools.formatRelaxedLine(`X${" ".repeat(size)}y: z`), 1500],
    ["the letters of a name", (size) => tools.toALabel(IDEOGRAPHS.slice(0, size)), 700],
    ["the length of a line in a relaxed body", (size) => hash("relaxed", Buffer.alloc(size, "a")), 10_000],
  ])("%s", (_what, work, size) => {
    work(size);
    const growth = Math.max(
      ...[1, 2].map(
        () =>
          cpuMs(() => work(size * 6)) /
          Math.max(
            0.1,
            cpuMs(() => work(size)),
          ),
      ),
    );
    expect(growth).toBeGreaterThan(10);
  });

  test("ours is bounded: such a tag list is read with single blanks", () => {
    expect(parseTagList(` a = b${" \r\n\t".repeat(4000)}c; d=;`, "refuse")).toEqual({
      tags: [
        { name: "a", value: "b c" },
        { name: "d", value: "" },
      ],
      syntaxErrors: [],
    });
  });
});

test("mailauth's body hash is one for each l=, which all hash the whole body", () => {
  expect(dkimBody("relaxed", "sha256", 1)).not.toBe(dkimBody("relaxed", "sha256", 2));
});

test("The relaxed form of a field is mailauth's, for random fields", () => {
  const random = new Random(3);
  const words = ["a", "B", " ", "\t", "\r\n ", "\r\n\t", "\r\n", "\r", "\xe9", ":", "  ", "\0"];
  for (let run = 0; run < 5000; run++) {
    const field = headerField(random.pick(["X", "Subject", "x-Y"]), random.some(12, () => random.pick(words)).join(""));
    const shown = (bytes: Buffer): string => bytes.toString("latin1");
    expect(shown(canonicalField(field, "relaxed"))).toBe(shown(tools.formatRelaxedLine(field.line, "\r\n")));
  }
});

test("What a signature signs of itself is all but the value of b=", () => {
  const field = headerField("DKIM-Signature", " v=1; b=abc\r\n\tdef ; bh=x; z=b=1; x=y");
  expect(canonicalSignature(field, "simple").toString()).toBe("DKIM-Signature: v=1; b=; bh=x; z=b=1; x=y");
  expect(canonicalSignature(field, "relaxed").toString()).toBe("dkim-signature:v=1; b=; bh=x; z=b=1; x=y");
});

describe("mailauth's signer", () => {
  const pem = String(RSA.privateKey.export({ type: "pkcs8", format: "pem" }));
  const options = { signingDomain: "example.com", selector: "sel", headerList: "from:from:reply-to:subject" };
  const message = Buffer.from(`${HEADER}\r\n${BODY}`);

  test("leaves out names that are repeated or absent, so it cannot oversign", async () => {
    const { signatures } = await dkimSign(message, { signatureData: [{ ...options, privateKey: pem }] });
    expect(/h=([^;]*);/.exec(signatures)?.[1]?.replace(/\s+/g, "").toLowerCase()).toBe("subject:from");
  });

  test("takes no key object", async () => {
    const { signatures, errors } = await dkimSign(message, {
      signatureData: [{ ...options, privateKey: RSA.privateKey }],
    });
    expect({ signatures, errors: errors.length }).toEqual({ signatures: "", errors: 1 });
  });
});
