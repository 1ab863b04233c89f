/** Private keys that sign. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import type { Algorithm } from "./signature.ts";

/** Verifiers must not accept less (RFC 8301 section 3.2). */
const MIN_RSA_BITS = 1024;

export interface PrivateKey {
  readonly privateKey: KeyObject;
  readonly algorithm: Algorithm;
}

/** The algorithm of a key's signatures; `undefined` if there is none for its type. */
export function algorithmOf(key: KeyObject): Algorithm | undefined {
  if (key.asymmetricKeyType === "rsa") return "rsa-sha256";
  return key.asymmetricKeyType === "ed25519" ? "ed25519-sha256" : undefined;
}

/** The key of a text in PEM, or the reason why it cannot sign. */
export function readPrivateKey(bytes: Buffer): PrivateKey | string {
  const privateKey = parsePem(bytes);
  if (privateKey === undefined) return "want a private key in PEM without a password, RSA or ed25519";
  const algorithm = algorithmOf(privateKey);
  if (algorithm === undefined) return `it is a key of type ${privateKey.asymmetricKeyType}, want RSA or ed25519`;
  const bits = privateKey.asymmetricKeyDetails?.modulusLength ?? MIN_RSA_BITS;
  return bits < MIN_RSA_BITS
    ? `it is an RSA key of ${bits} bits, want at least ${MIN_RSA_BITS}`
    : { privateKey, algorithm };
}

function parsePem(bytes: Buffer): KeyObject | undefined {
  try {
    return createPrivateKey({ key: bytes, format: "pem" });
  } catch {
    return undefined;
  }
}
