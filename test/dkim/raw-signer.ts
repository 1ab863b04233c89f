/** Signs test messages with any tags, right or wrong, without our code and without mailauth's. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

export interface TestKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** p=. */
  readonly encoded: string;
}

export function rsaKey(bits: number): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  const encoded = publicKey.export({ type: "spki", format: "der" }).toString("base64");
  return { privateKey, publicKey, encoded };
}

export function ed25519Key(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const encoded = publicKey.export({ type: "spki", format: "der" }).subarray(12).toString("base64");
  return { privateKey, publicKey, encoded };
}

export interface RawOptions {
  readonly key: TestKey;
  /** Tags that differ from the usual ones. `undefined` leaves one out. */
  readonly tags?: Readonly<Record<string, string | undefined>>;
  /** Fields with CRLF at their ends, and the body, which must be canonical already. */
  readonly header?: string;
  readonly body?: string;
}

export const HEADER = "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: a test\r\n";
export const BODY = "Hello\r\n";

/** A message with its signature on top: relaxed/relaxed, d=example.com, s=sel, h=from:to:subject. */
export function signRaw({ key, tags = {}, header = HEADER, body = BODY }: RawOptions): string {
  return `${signatureLine({ key, tags, header, body })}\r\n${header}\r\n${body}`;
}

/** The signature alone, without line end. */
export function signatureLine({ key, tags = {}, header = HEADER, body = BODY }: RawOptions): string {
  const isRsa = key.privateKey.asymmetricKeyType === "rsa";
  const limit = tags.l === undefined ? body.length : Number(tags.l);
  const all: Record<string, string | undefined> = {
    v: "1",
    a: isRsa ? "rsa-sha256" : "ed25519-sha256",
    c: "relaxed/relaxed",
    d: "example.com",
    s: "sel",
    h: "from:to:subject",
    bh: createHash("sha256").update(body.slice(0, limit), "latin1").digest("base64"),
    ...tags,
    b: "",
  };
  const list = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  const unsigned = `DKIM-Signature: ${list.join("; ")}`;
  const fields = header.split("\r\n").filter(Boolean).map(relaxed);
  const signed: string[] = [];
  for (const name of (all.h ?? "").toLowerCase().split(":")) {
    const at = fields.findLastIndex((field) => field.startsWith(`${name.trim()}:`));
    if (at !== -1) signed.push(`${fields.splice(at, 1)[0]}\r\n`);
  }
  const data = Buffer.from(signed.join("") + relaxed(unsigned), "latin1");
  const bytes = isRsa
    ? sign("sha256", data, key.privateKey)
    : sign(null, createHash("sha256").update(data).digest(), key.privateKey);
  return `${unsigned}${bytes.toString("base64")}`;
}

function relaxed(field: string): string {
  const colon = field.indexOf(":");
  const value = field
    .slice(colon + 1)
    .replace(/[ \t]+/g, " ")
    .trim();
  return `${field.slice(0, colon).toLowerCase()}:${value}`;
}

/** The key record's zone. */
export function zoneOf(key: TestKey, more = "", name = "sel._domainkey.example.com"): Record<string, string[]> {
  const type = key.privateKey.asymmetricKeyType === "rsa" ? "rsa" : "ed25519";
  return { [name]: [`v=DKIM1; k=${type}; ${more}p=${key.encoded}`] };
}

/** p= for an RSA key with any numbers, in the form of RFC 6376's erratum 3017. Nobody has its private half. */
export function encodeRsa(modulus: Buffer, exponent: Buffer): string {
  return der(0x30, Buffer.concat([integer(modulus), integer(exponent)])).toString("base64");
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.alloc(1), bytes]));
}

function der(type: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, 0x82, content.length >> 8, content.length & 0xff]), content]);
}
