/** Signs a message while it comes in (RFC 6376 section 5), with any number of keys. */
import { createHash, type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import { atOnce } from "../collections/at-once.ts";
import { lowerCase } from "../dns/name.ts";
import { type HeaderField, headerField } from "../mail/header-field.ts";
import type { BodyHashes, BodyHashTicket } from "./body-hash.ts";
import type { Canonicalization } from "./canonical-body.ts";
import { type Algorithm, MAX_SIGNED_NAMES } from "./signature.ts";
import { SignedFields } from "./signed-fields.ts";
import { USUAL_HEADERS } from "./usual-headers.ts";

export interface SignSettings {
  readonly headerForm: Canonicalization;
  readonly bodyForm: Canonicalization;
  /** The fields that are signed if they are there, every one of a name. From always is. Empty: the usual ones. */
  readonly headers: readonly string[];
  /** The fields of which nobody can add one more, present or not: their names are in h= once more than they are there. */
  readonly oversign: readonly string[];
  /** Time for which a signature is good (x=); `undefined` for ever. */
  readonly expireSeconds: number | undefined;
}

/** A key that signs. Names are A-labels. */
export interface SigningKey {
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: Algorithm;
  readonly privateKey: KeyObject;
}

const signAside = promisify(sign);

/**
 * RSA takes a third of a millisecond: it happens in a thread. One processor is left to everything else: with four threads on
 * two processors, lookups waited longer for the main one than it saves.
 */
const signInThread = atOnce(Math.max(1, navigator.hardwareConcurrency - 1), (bytes: Buffer, key: KeyObject) =>
  signAside("sha256", bytes, key),
);

/**
 * The names for h= in the order of `headers`, or the reason for not signing at all: a message with several From fields
 * shows its readers another author than the one who is signed.
 */
export function namesToSign(
  fields: readonly HeaderField[],
  { headers, oversign }: Pick<SignSettings, "headers" | "oversign">,
): { readonly names: readonly string[] } | { readonly refusal: string } {
  const counts = new Map<string, number>();
  for (const { key } of fields) counts.set(key, (counts.get(key) ?? 0) + 1);
  const authors = counts.get("from") ?? 0;
  if (authors !== 1) return { refusal: `want one From field, got ${authors}` };
  const more = new Set(oversign.map(lowerCase));
  const done = new Set<string>();
  const names: string[] = [];
  for (const name of ["From", ...(headers.length > 0 ? headers : USUAL_HEADERS), ...oversign]) {
    const key = lowerCase(name);
    if (done.has(key)) continue;
    done.add(key);
    const count = (counts.get(key) ?? 0) + (more.has(key) ? 1 : 0);
    if (names.length + count > MAX_SIGNED_NAMES) return { refusal: `over ${MAX_SIGNED_NAMES} fields to sign` };
    names.push(...Array<string>(count).fill(name));
  }
  return { names };
}

/** How a signature begins. */
export interface SignatureStart {
  readonly fieldName: string;
  /** The tag that tells the version or, in ARC, the number of the set. */
  readonly firstTag: string;
}

const DKIM_SIGNATURE: SignatureStart = { fieldName: "DKIM-Signature", firstTag: "v=1" };

export class Signing {
  readonly #start: SignatureStart;
  readonly #settings: SignSettings;
  readonly #names: readonly string[];
  readonly #keys: readonly SigningKey[];
  readonly #fields: SignedFields;
  readonly #body: BodyHashTicket;

  /** @param names what `namesToSign` gives for the same fields */
  constructor(
    settings: SignSettings,
    fields: readonly HeaderField[],
    names: readonly string[],
    keys: readonly SigningKey[],
    body: BodyHashes,
    start: SignatureStart = DKIM_SIGNATURE,
  ) {
    this.#start = start;
    this.#settings = settings;
    this.#names = names;
    this.#keys = keys;
    this.#fields = new SignedFields(fields);
    this.#body = body.ask(settings.bodyForm);
  }

  /**
   * The signature fields after the end of the body, in the order of the keys.
   *
   * @param nowSeconds since 1970
   */
  async finish(nowSeconds: number): Promise<readonly HeaderField[]> {
    const { digest } = this.#body();
    return await Promise.all(this.#keys.map((key) => this.#sign(key, digest, Math.floor(nowSeconds))));
  }

  async #sign(key: SigningKey, bodyHash: string, nowSeconds: number): Promise<HeaderField> {
    const unsigned = this.#value(key, bodyHash, nowSeconds);
    const signedNames = this.#names.map(lowerCase);
    const { fieldName } = this.#start;
    const bytes = this.#fields.bytes(signedNames, headerField(fieldName, unsigned), this.#settings.headerForm);
    return headerField(fieldName, `${unsigned}${await signatureText(key, bytes)}`);
  }

  /** The value up to the "b=" at its end. */
  #value({ algorithm, domain, selector }: SigningKey, bodyHash: string, nowSeconds: number): string {
    const { headerForm, bodyForm, expireSeconds } = this.#settings;
    const expiry = expireSeconds === undefined ? "" : ` x=${nowSeconds + expireSeconds};`;
    return [
      ` ${this.#start.firstTag}; a=${algorithm}; c=${headerForm}/${bodyForm}; d=${domain}; s=${selector};`,
      `t=${nowSeconds};${expiry} bh=${bodyHash};`,
      `h=${foldNames(this.#names)};`,
      "b=",
    ].join(FOLD);
  }
}

/** Signs these bytes. The value of b=, folded. */
export async function signatureText({ algorithm, privateKey }: SigningKey, bytes: Buffer): Promise<string> {
  const signature =
    algorithm === "rsa-sha256"
      ? await signInThread(bytes, privateKey)
      : // RFC 8463 section 3: the hash is signed. A thread would take longer than this.
        sign(null, createHash("sha256").update(bytes).digest(), privateKey);
  return fold(signature.toString("base64"), SIGNATURE_LINE).join(FOLD);
}

/** Between the lines of a signature. */
export const FOLD = "\r\n\t";
const MAX_LINE_CHARS = 76;
/** All lines of a signature but the first one have room for this many characters beside the tab. */
const SIGNATURE_LINE = new RegExp(`.{1,${MAX_LINE_CHARS - 2}}`, "g");

function fold(text: string, lines: RegExp): string[] {
  return text.match(lines) ?? [];
}

/** The names with colons, folded after a colon where a line gets too long. */
function foldNames(names: readonly string[]): string {
  let folded = "";
  let lineChars = "h=".length;
  for (const [at, name] of names.entries()) {
    const text = at === names.length - 1 ? name : `${name}:`;
    if (lineChars + text.length > MAX_LINE_CHARS) {
      folded += FOLD;
      lineChars = 1;
    }
    folded += text;
    lineChars += text.length;
  }
  return folded;
}
