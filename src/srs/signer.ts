/** Signs and verifies SRS addresses with one or several secrets. */
import { encodeHash, type HashAlphabet, hashMatches } from "./hash.ts";
import { HmacSha1 } from "./hmac.ts";

export interface SignerSettings {
  /** The bytes of each secret. The first one signs, all of them verify. */
  readonly secrets: readonly Uint8Array[];
  /** Number of characters of the hash that are written. */
  readonly hashLength: number;
  /** Length of the shortest hash that is accepted. */
  readonly hashMinLength: number;
  readonly hashAlphabet: HashAlphabet;
}

/**
 * Signs and verifies the fields of SRS addresses. Fields are concatenated without delimiters and lower-cased, as in all
 * SRS programs, because mail systems on the way may change their case.
 */
export class Signer {
  readonly #keys: readonly HmacSha1[];
  readonly #settings: SignerSettings;

  /** @throws {RangeError} without a secret */
  constructor(settings: SignerSettings) {
    if (settings.secrets.length === 0) throw new RangeError("Cannot sign addresses: want at least one secret");
    this.#settings = settings;
    this.#keys = settings.secrets.map((secret) => new HmacSha1(secret));
  }

  /** The hash of the concatenated fields. */
  sign(fields: string): string {
    const [key] = this.#keys;
    if (key === undefined) return "";
    return encodeHash(key.signLowerCase(fields), this.#settings.hashLength, this.#settings.hashAlphabet);
  }

  /** Tells if `claim` is a hash of the fields under any secret. A hash longer than ours is cut, as in postsrsd. */
  verify(claim: string, fields: string): boolean {
    const { hashLength, hashMinLength } = this.#settings;
    if (claim.length < hashMinLength) return false;
    const compared = claim.length > hashLength ? claim.slice(0, hashLength) : claim;
    let valid = false;
    for (const key of this.#keys) valid = hashMatches(compared, key.signLowerCase(fields)) || valid;
    return valid;
  }
}
