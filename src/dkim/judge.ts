/** Judges one signature: by its body hash, and by the keys that DNS has for it. */
import { createHash, verify } from "node:crypto";
import type { Eventual } from "../collections/eventual.ts";
import type { DnsAnswer, Resolver } from "../dns/types.ts";
import type { BodyHash } from "./body-hash.ts";
import type { KeyRecord, KeyRecords, PublicKey } from "./key-record.ts";
import type { Signature, Signer } from "./signature.ts";
import type { SignedFields } from "./signed-fields.ts";
import type { Refusal, SignatureVerdict } from "./verdict.ts";

export interface JudgeSettings {
  readonly resolver: Resolver;
  readonly keys: KeyRecords;
  /** Shortest RSA key that may pass; at least 1024 (RFC 8301 section 3.2). */
  readonly minKeyBits: number;
  /** What becomes of a good signature whose l= leaves a part of the body unsigned. */
  readonly bodyLength: "policy" | "accept";
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

type KeyAnswer = DnsAnswer<"TXT">;

/** Judges the signatures of one message. */
export class Judge {
  readonly #settings: JudgeSettings;
  readonly #fields: SignedFields;
  readonly #deadlineMs: number;
  readonly #answers = new Map<string, Eventual<KeyAnswer>>();

  /** @param deadlineMs the time at which DNS is given up, on the clock of `performance.now()` */
  constructor(settings: JudgeSettings, fields: SignedFields, deadlineMs: number) {
    this.#settings = settings;
    this.#fields = fields;
    this.#deadlineMs = deadlineMs;
  }

  /** Asks for the key of a signature. All that are asked for at once are looked up at once. */
  ask({ keyName }: Signer): void {
    if (this.#answers.has(keyName)) return;
    this.#answers.set(keyName, this.#settings.resolver.resolve(keyName, "TXT", { deadlineMs: this.#deadlineMs }));
  }

  /** Judges a signature whose key was asked for, after the end of the body. */
  async judge(signature: Signature, body: BodyHash): Promise<Judged> {
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
    const keys = await this.keysOf(signature);
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
  async keysOf(signer: Signer): Promise<readonly PublicKey[] | Refusal> {
    const answer = await this.#answers.get(signer.keyName);
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
      const refusal = this.#refuseKey(record, signer);
      if (refusal !== undefined) refusals.push(refusal);
      return refusal === undefined;
    });
    if (usable.length > 0) return usable;
    return refusals[0] ?? { result: "permerror", reason: "no key record in DNS" };
  }

  #refuseKey(record: KeyRecord, { algorithm, isOfSubdomain }: Signer): Refusal | undefined {
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
export type Judged = Pick<SignatureVerdict, "result" | "reason" | "keyBits" | "isTesting" | "unsignedBytes"> & {
  readonly signedBytes: number;
};

/** Tells if a key made the signature of these bytes. */
export function isGood({ algorithm, bytes }: Signer, signed: Buffer, key: PublicKey["key"]): boolean {
  try {
    if (algorithm === "rsa-sha256") return verify("sha256", signed, key, bytes);
    // RFC 8463 section 3: the signature is one of the hash.
    return verify(null, createHash("sha256").update(signed).digest(), key, bytes);
  } catch {
    return false; // OpenSSL reads some keys that it then cannot use.
  }
}
