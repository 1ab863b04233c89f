/** Bytes of randomness in a secret that we make: more than SHA-1 has. */
const SECRET_BYTES = 24;

/** A new random secret, without line end. */
export function makeSecret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(SECRET_BYTES))).toString("base64url");
}
