/** SHA-256 of a body for all signatures of a message: each canonical form is made and hashed once, whatever their l=. */
import { createHash, type Hash } from "node:crypto";
import { CanonicalBody, type Canonicalization } from "./canonical-body.ts";

/** What a signature has to know of the body. Valid after the end of the body. */
export interface BodyHash {
  /** In base64, of the whole canonical body or of its first `limit` bytes. */
  readonly digest: string;
  /** Bytes of the whole canonical body. */
  readonly canonicalBytes: number;
}

/** Asks for the hash once the body has ended. */
export type BodyHashTicket = () => BodyHash;

/**
 * Hashes a body as it comes. Ask for every hash before the first chunk. Nothing of the body is kept; a body that nobody
 * asked about costs nothing.
 */
export class BodyHashes {
  readonly #forms = new Map<Canonicalization, CanonicalHash>();

  /** @param limit bytes of the canonical body that count (l=); all if it is not given */
  ask(canonicalization: Canonicalization, limit: number = Number.POSITIVE_INFINITY): BodyHashTicket {
    let form = this.#forms.get(canonicalization);
    if (form === undefined) this.#forms.set(canonicalization, (form = new CanonicalHash(canonicalization)));
    form.addLimit(limit);
    const asked = form;
    return () => ({ digest: asked.digest(limit), canonicalBytes: asked.bytes });
  }

  update(chunk: Buffer): void {
    for (const form of this.#forms.values()) form.body.update(chunk);
  }

  /** Ends the body. */
  end(): void {
    for (const form of this.#forms.values()) form.end();
  }
}

/** One canonical form, its hash, and its hash after each limit. */
class CanonicalHash {
  readonly body: CanonicalBody;
  bytes = 0;
  readonly #hash: Hash = createHash("sha256");
  readonly #digests = new Map<number, string>();
  /** The limits that are not reached yet, the smallest last. */
  #limits: number[] = [];

  constructor(canonicalization: Canonicalization) {
    this.body = new CanonicalBody(canonicalization, (piece) => this.#add(piece));
  }

  addLimit(limit: number): void {
    if (this.#limits.includes(limit)) return;
    this.#limits.push(limit);
    this.#limits.sort((a, b) => b - a);
  }

  end(): void {
    this.body.end();
    // A limit beyond the end: the whole body.
    const digest = this.#hash.digest("base64");
    for (const limit of this.#limits) this.#digests.set(limit, digest);
  }

  digest(limit: number): string {
    const digest = this.#digests.get(limit);
    if (digest === undefined) throw new Error("Cannot give a body hash: the body has not ended");
    return digest;
  }

  #add(piece: Buffer): void {
    let from = 0;
    for (let limit = this.#limits.at(-1); limit !== undefined; limit = this.#limits.at(-1)) {
      const upTo = limit - this.bytes;
      if (upTo > piece.length) break;
      this.#hash.update(piece.subarray(from, upTo));
      from = upTo;
      this.#digests.set(limit, this.#hash.copy().digest("base64"));
      this.#limits.pop();
    }
    this.bytes += piece.length;
    // Bytes beyond every limit are counted and not hashed.
    if (this.#limits.length > 0) this.#hash.update(from === 0 ? piece : piece.subarray(from));
  }
}
