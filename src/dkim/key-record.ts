/**
 * Key records (RFC 6376 section 3.6.1, RFC 8463 section 4):
 *
 *     v=DKIM1; k=rsa|ed25519; p=key in base64; h=hashes; s=services; t=flags; n=notes
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { ExpiringCache } from "../collections/expiring-cache.ts";
import { parseTagList } from "../mailauth/dkim.ts";
import type { Algorithm } from "./signature.ts";

export interface PublicKey {
  readonly status: "usable";
  readonly algorithm: Algorithm;
  readonly key: KeyObject;
  /** The length of an RSA key. */
  readonly bits: number | undefined;
  /** p= as written, without blanks. */
  readonly encoded: string;
  /** t=y. */
  readonly isTesting: boolean;
  /** t=s: i= must have the very domain of d=. */
  readonly isForExactDomain: boolean;
}

/** A record that is of no use: `foreign` is no key record at all, `revoked` has an empty p=. */
interface NoKey {
  readonly status: "foreign" | "revoked" | "unusable";
  readonly reason: string;
}

export type KeyRecord = PublicKey | NoKey;

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Reads the text of a TXT record (latin1). */
export function readKeyRecord(text: string): KeyRecord {
  const { tags, syntaxErrors } = parseTagList(text, "allow");
  const values = new Map(tags.map(({ name, value }) => [name, value]));
  const encoded = values.get("p")?.replace(/\s+/g, "");
  const version = values.get("v");
  if (encoded === undefined) return { status: "foreign", reason: "no key record" };
  if (version !== undefined && (version !== "DKIM1" || tags[0]?.name !== "v")) return unusable("unknown key version");
  if (syntaxErrors.length > 0) return unusable("bad key record");
  if (encoded === "") return { status: "revoked", reason: "key revoked" };
  if (!BASE64.test(encoded)) return unusable("bad key");
  if (values.has("s") && !hasOne(values.get("s"), ["email", "*"])) return unusable("key not for email");
  if (values.has("h") && !hasOne(values.get("h"), ["sha256"])) return unusable("key not for sha256");
  const flags = values.get("t");
  const rest = { encoded, isTesting: hasOne(flags, ["y"]), isForExactDomain: hasOne(flags, ["s"]) };
  const bytes = Buffer.from(encoded, "base64");
  switch (values.get("k") ?? "rsa") {
    case "rsa":
      return rsaKey(bytes, rest);
    case "ed25519":
      return ed25519Key(bytes, rest);
    default:
      return unusable("unknown key type");
  }
}

type Rest = Pick<PublicKey, "encoded" | "isTesting" | "isForExactDomain">;

/** DER: a sequence whose first element is an integer is an RSAPublicKey; else it is a SubjectPublicKeyInfo. */
const SEQUENCE = 0x30;
const INTEGER = 0x02;

/**
 * Longest exponent that is accepted. The time of a verification grows with it: 7 ms with one as long as a key of 3,072
 * bits. OpenSSL has this limit too, but only for longer keys.
 */
const MAX_EXPONENT_BITS = 64n;

function rsaKey(der: Buffer, rest: Rest): KeyRecord {
  const lengthByte = der[1] ?? 0;
  const first = der[lengthByte < 0x80 ? 2 : 2 + (lengthByte & 0x7f)];
  const type = der[0] === SEQUENCE && first === INTEGER ? "pkcs1" : "spki";
  const key = tryPublicKey(() => createPublicKey({ key: der, format: "der", type }));
  const { modulusLength, publicExponent } = key?.asymmetricKeyDetails ?? {};
  if (key?.asymmetricKeyType !== "rsa" || modulusLength === undefined || publicExponent === undefined) {
    return unusable("bad RSA key");
  }
  if (publicExponent >> MAX_EXPONENT_BITS !== 0n) return unusable("RSA exponent too long");
  return { status: "usable", algorithm: "rsa-sha256", key, bits: modulusLength, ...rest };
}

/** What a SubjectPublicKeyInfo has before the 32 bytes of an ed25519 key (RFC 8410). */
const ED25519_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const ED25519_BYTES = 32;

function ed25519Key(bytes: Buffer, rest: Rest): KeyRecord {
  if (bytes.length !== ED25519_BYTES) return unusable("bad ed25519 key");
  const der = Buffer.concat([ED25519_PREFIX, bytes]);
  const key = tryPublicKey(() => createPublicKey({ key: der, format: "der", type: "spki" }));
  if (key === undefined) return unusable("bad ed25519 key");
  return { status: "usable", algorithm: "ed25519-sha256", key, bits: undefined, ...rest };
}

/** OpenSSL refuses what is no key. */
function tryPublicKey(make: () => KeyObject): KeyObject | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

function unusable(reason: string): NoKey {
  return { status: "unusable", reason };
}

function hasOne(list: string | undefined, wanted: readonly string[]): boolean {
  return (list ?? "").split(":").some((entry) => wanted.includes(entry.trim().toLowerCase()));
}

/** Records that were read before, by their text: making a key object takes longer than using it. */
const KEPT_RECORDS = 1024;
/** Longest record that is kept. Those of the longest keys have 750 characters. */
const MAX_KEPT_CHARS = 2048;

/** Reads key records and keeps the last ones. What is kept follows DNS, because it is found by the text of the record. */
export class KeyRecords {
  readonly #kept = new ExpiringCache<{ readonly expiresAtMs: number; readonly record: KeyRecord }>(KEPT_RECORDS);

  read(text: string): KeyRecord {
    const kept = this.#kept.get(text, 0);
    if (kept !== undefined) return kept.record;
    const record = readKeyRecord(text);
    if (text.length <= MAX_KEPT_CHARS) this.#kept.set(text, { expiresAtMs: Number.POSITIVE_INFINITY, record });
    return record;
  }
}
