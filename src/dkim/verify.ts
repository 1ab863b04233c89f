/**
 * Verifies the signatures of a message (RFC 6376 section 6) while it comes in:
 *
 *     const body = new BodyHashes();
 *     const verification = new Verification(settings, { fields, authorDomains, deadlineMs }, body);   // asks for keys
 *     body.update(chunk); ... body.end();
 *     const verdicts = await verification.finish();
 */
import { createHash, verify } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Eventual } from "../collections/eventual.ts";
import type { DnsAnswer, Resolver } from "../dns/types.ts";
import type { HeaderField } from "../mail/header-field.ts";
import type { BodyHash, BodyHashes, BodyHashTicket } from "./body-hash.ts";
import { chooseSignatures } from "./choose.ts";
import type { KeyRecord, KeyRecords, PublicKey } from "./key-record.ts";
import { isRefusal, type ReadSignature, readSignature, type Signature } from "./signature.ts";
import { SignedFields } from "./signed-fields.ts";
import type { Refusal, SignatureVerdict } from "./verdict.ts";

export interface VerifySettings {
  readonly resolver: Resolver;
  readonly keys: KeyRecords;
  /** Milliseconds since 1970. */
  readonly timeMs: () => number;
  /** Shortest RSA key that may pass; at least 1024 (RFC 8301 section 3.2). */
  readonly minKeyBits: number;
  /** Most signatures of a message that are verified. The others are left out. */
  readonly maxSignatures: number;
  /** What becomes of a good signature whose l= leaves a part of the body unsigned. */
  readonly bodyLength: "policy" | "accept";
}

/** The header of a message. */
export interface Header {
  readonly fields: readonly HeaderField[];
  /** The domains of the From field, in A-labels: their signatures come first if there are too many. */
  readonly authorDomains: readonly string[];
  /** The time at which DNS is given up, on the clock of `performance.now()`. */
  readonly deadlineMs: number;
}

/** Longest RSA key that is accepted (RFC 8301 section 3.2 asks for no more). */
const MAX_KEY_BITS = 4096;
/**
 * Key records of one name that are tried. There should be one; of several, a verifier may try each (RFC 6376 section
 * 6.1.2).
 */
const MAX_KEYS_OF_NAME = 4;
/** Records of one name that are read, to find these. */
const MAX_RECORDS_OF_NAME = 32;
/** Bytes of signed header after which others get a turn. */
const BYTES_PER_TURN = 262_144;

interface Candidate extends ReadSignature {
  readonly body: BodyHashTicket | undefined;
}

type KeyAnswer = DnsAnswer<"TXT">;

export class Verification {
  readonly #settings: VerifySettings;
  readonly #fields: SignedFields;
  readonly #candidates: readonly Candidate[];
  readonly #keys = new Map<string, Eventual<KeyAnswer>>();

  /** Chooses the signatures, asks for all their keys at once, and for their body hashes. */
  constructor(settings: VerifySettings, { fields, authorDomains, deadlineMs }: Header, body: BodyHashes) {
    this.#settings = settings;
    this.#fields = new SignedFields(fields);
    const nowSeconds = settings.timeMs() / 1000;
    const chosen = chooseSignatures(fields, authorDomains, settings.maxSignatures);
    this.#candidates = chosen.map((field) => {
      const { shown, read } = readSignature(field, nowSeconds);
      if (isRefusal(read)) return { shown, read, body: undefined };
      if (!this.#keys.has(read.keyName)) {
        this.#keys.set(read.keyName, settings.resolver.resolve(read.keyName, "TXT", { deadlineMs }));
      }
      return { shown, read, body: body.ask(read.bodyForm, read.bodyLimit) };
    });
  }

  /** The verdicts in the order of the message, after the end of the body. None if there is no signature. */
  async finish(): Promise<readonly SignatureVerdict[]> {
    const verdicts: SignatureVerdict[] = [];
    let bytes = 0;
    for (const { shown, read, body } of this.#candidates) {
      if (isRefusal(read) || body === undefined) {
        verdicts.push({ ...shown, ...(read as Refusal), isTesting: false, unsignedBytes: 0 });
        continue;
      }
      const { signedBytes, ...verdict } = await this.#judge(read, body());
      verdicts.push({ ...shown, ...verdict });
      bytes += signedBytes;
      if (bytes < BYTES_PER_TURN) continue;
      bytes = 0;
      await setImmediate();
    }
    return verdicts;
  }

  async #judge(signature: Signature, body: BodyHash): Promise<Judged> {
    const unsignedBytes = Math.max(0, body.canonicalBytes - (signature.bodyLimit ?? body.canonicalBytes));
    const refuse = (refusal: Refusal, more: Partial<Judged> = {}): Judged => ({
      ...refusal,
      isTesting: false,
      unsignedBytes,
      signedBytes: 0,
      ...more,
    });
    if (body.digest !== signature.bodyHash) return refuse({ result: "fail", reason: "body hash did not verify" });
    if ((signature.bodyLimit ?? 0) > body.canonicalBytes) {
      return refuse({ result: "fail", reason: "l= exceeds the body" });
    }
    const keys = await this.#usableKeys(signature);
    if ("result" in keys) return refuse(keys);

    const bytes = this.#fields.bytes(signature.signedNames, signature.field, signature.headerForm);
    const good = keys.find(({ key }) => isGood(signature, bytes, key));
    const key = good ?? keys[0];
    const of = { keyBits: key?.bits, isTesting: key?.isTesting === true, signedBytes: bytes.length };
    if (good === undefined) return refuse({ result: "fail", reason: "bad signature" }, of);
    const isWhole = unsignedBytes === 0 || this.#settings.bodyLength === "accept";
    if (!isWhole) return refuse({ result: "policy", reason: `${unsignedBytes} bytes of the body are not signed` }, of);
    const length = good.bits === undefined ? "ed25519" : `${good.bits}-bit`;
    return { result: "pass", reason: `${length} key`, unsignedBytes, ...of };
  }

  /** The keys that may verify a signature, at least one, or the reason why there is none. */
  async #usableKeys(signature: Signature): Promise<readonly PublicKey[] | Refusal> {
    const answer = await this.#keys.get(signature.keyName);
    if (answer === undefined || answer.status === "error") {
      return { result: "temperror", reason: `no answer from DNS: ${answer?.trouble ?? "not asked"}` };
    }
    if (answer.status !== "ok") return { result: "permerror", reason: "no key in DNS" };
    const ofKeys: KeyRecord[] = [];
    for (const text of answer.records.slice(0, MAX_RECORDS_OF_NAME)) {
      const record = this.#settings.keys.read(text);
      if (record.status !== "foreign") ofKeys.push(record);
      if (ofKeys.length === MAX_KEYS_OF_NAME) break;
    }
    const refusals: Refusal[] = [];
    const usable = ofKeys.filter((record): record is PublicKey => {
      const refusal = this.#refuseKey(record, signature);
      if (refusal !== undefined) refusals.push(refusal);
      return refusal === undefined;
    });
    if (usable.length > 0) return usable;
    return refusals[0] ?? { result: "permerror", reason: "no key record in DNS" };
  }

  #refuseKey(record: KeyRecord, { algorithm, isOfSubdomain }: Signature): Refusal | undefined {
    const permerror = (reason: string): Refusal => ({ result: "permerror", reason });
    if (record.status !== "usable") return permerror(record.reason);
    if (record.algorithm !== algorithm) return permerror("key of another type");
    if (record.isForExactDomain && isOfSubdomain) return permerror("key not for subdomains");
    if (record.bits === undefined) return undefined;
    const { minKeyBits } = this.#settings;
    const policy = (reason: string): Refusal => ({ result: "policy", reason });
    if (record.bits < minKeyBits) return policy(`RSA key of ${record.bits} bits is shorter than ${minKeyBits}`);
    return record.bits > MAX_KEY_BITS
      ? policy(`RSA key of ${record.bits} bits is longer than ${MAX_KEY_BITS}`)
      : undefined;
  }
}

/** What a look at body, key and signature gives. */
type Judged = Pick<SignatureVerdict, "result" | "reason" | "keyBits" | "isTesting" | "unsignedBytes"> & {
  readonly signedBytes: number;
};

function isGood({ algorithm, bytes }: Signature, signed: Buffer, key: PublicKey["key"]): boolean {
  try {
    if (algorithm === "rsa-sha256") return verify("sha256", signed, key, bytes);
    // RFC 8463 section 3: the signature is one of the hash.
    return verify(null, createHash("sha256").update(signed).digest(), key, bytes);
  } catch {
    return false; // OpenSSL reads some keys that it then cannot use.
  }
}
