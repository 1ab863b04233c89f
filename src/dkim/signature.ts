/**
 * Reads a DKIM-Signature field and checks what can be checked without the body and without DNS (RFC 6376 sections 3.5
 * and 6.1.1; RFC 8301; RFC 8463).
 *
 *     v=1; a=rsa-sha256|ed25519-sha256; d=domain; s=selector; h=names signed; bh=body hash; b=signature
 *     c=header/body form (simple/simple); i=user@domain; l=bytes of the body; q=dns/txt; t=time; x=expiry
 */
import { lowerCase } from "../dns/name.ts";
import type { HeaderField } from "../mail/header-field.ts";
import { isBare, isQuotedString } from "../mail/mailbox.ts";
import { parseTagList, toALabel } from "../mailauth/dkim.ts";
import { CANONICALIZATIONS, type Canonicalization } from "./canonical-body.ts";
import type { Refusal, ShownSignature } from "./verdict.ts";

const ALGORITHMS = ["rsa-sha256", "ed25519-sha256"] as const;

export type Algorithm = (typeof ALGORITHMS)[number];

/** Who has signed, and the signature. */
export interface Signer {
  readonly algorithm: Algorithm;
  /** b=. */
  readonly bytes: Buffer;
  /** The owner name of the key record. */
  readonly keyName: string;
  /** True if i= names a domain below d=, which a key may forbid (t=s). */
  readonly isOfSubdomain: boolean;
}

/** A signature that deserves a look at body and key. Text is latin1. */
export interface Signature extends Signer {
  readonly field: HeaderField;
  readonly headerForm: Canonicalization;
  readonly bodyForm: Canonicalization;
  /** Bytes of the canonical body that are signed (l=); `undefined` for all. */
  readonly bodyLimit: number | undefined;
  /** The names in h=, lower case, in order. */
  readonly signedNames: readonly string[];
  /** bh=, base64. */
  readonly bodyHash: string;
}

/**
 * The two fields that sign a message: DKIM-Signature, and ARC-Message-Signature (RFC 8617 section 4.1.2), which has no v=, and
 * the number of its set in i=.
 */
type SignatureKind = "dkim" | "arc";

/** What is shown of a field, and the signature or the reason for not looking any further. */
export interface ReadSignature {
  readonly shown: ShownSignature;
  readonly read: Signature | Refusal;
}

/** Longest field that is read. A real one is below 3 kB. */
export const MAX_SIGNATURE_BYTES = 16_384;
/** Most names in h=. Real signatures have some ten. */
export const MAX_SIGNED_NAMES = 300;
/** How far t= may be ahead of our clock. */
const MAX_CLOCK_SKEW_SECONDS = 300;

const REQUIRED: Readonly<Record<SignatureKind, readonly string[]>> = {
  dkim: ["v", "a", "b", "bh", "d", "h", "s"],
  arc: ["i", "a", "b", "bh", "d", "h", "s"],
};
/**
 * Labels of RFC 6376 section 3.5, with the underscore that the RFC lacks, many domains use, and all other verifiers
 * accept.
 */
const LABELS = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/i;
const MAX_NAME_CHARS = 253;
const TIMESTAMP = /^[0-9]{1,12}$/;
const BODY_LENGTH = /^[0-9]{1,76}$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const CONTROL = /[\x00-\x1f\x7f]/;

/** @param nowSeconds since 1970 */
export function readSignature(field: HeaderField, nowSeconds: number, kind: SignatureKind = "dkim"): ReadSignature {
  if (field.line.length > MAX_SIGNATURE_BYTES) {
    return { shown: NOTHING_SHOWN, read: permerror(`field over ${MAX_SIGNATURE_BYTES} bytes`) };
  }
  const { tags, syntaxErrors } = parseTagList(field.value, "refuse");
  const values = new Map(tags.map(({ name, value }) => [name, value]));
  return {
    shown: shownTags(values),
    read: syntaxErrors.length > 0 ? permerror("bad tag list") : check(field, values, nowSeconds, kind),
  };
}

export function isRefusal(read: object): read is Refusal {
  return "result" in read;
}

function permerror(reason: string): Refusal {
  return { result: "permerror", reason };
}

/** The values of a tag list by name. */
export type Values = ReadonlyMap<string, string>;

const NOTHING_SHOWN: ShownSignature = { domain: "", selector: "", identity: "", algorithm: "", signature: "" };
/** Characters of b= that tell signatures apart (RFC 8601 section 2.7.1, RFC 6008). */
const SHOWN_SIGNATURE_CHARS = 8;

function shownTags(values: Values): ShownSignature {
  const domain = toALabel(values.get("d") ?? "");
  return {
    domain: toBytes(domain),
    selector: toBytes(values.get("s") ?? ""),
    identity: identityOf(values, domain),
    algorithm: toBytes(values.get("a") ?? ""),
    signature: toBytes(withoutBlanks(values.get("b") ?? "")).slice(0, SHOWN_SIGNATURE_CHARS),
  };
}

function check(field: HeaderField, values: Values, nowSeconds: number, kind: SignatureKind): Signature | Refusal {
  const missing = REQUIRED[kind].find((name) => !values.has(name));
  if (missing !== undefined) return permerror(`no ${missing}= tag`);
  const value = (name: string): string => values.get(name) ?? "";
  if (kind === "dkim" && value("v") !== "1") return permerror("unknown version");

  const signer = readSigner(values);
  if ("result" in signer) return signer;
  const forms = canonicalizations(values.get("c"));
  if (forms === undefined) return permerror("unknown canonicalization");
  if (!methods(values.get("q")).includes("dns/txt")) return permerror("unknown query method");
  const identity = kind === "dkim" ? checkIdentity(values, signer.domain) : { isOfSubdomain: false };
  if ("result" in identity) return identity;

  const names = value("h").split(":", MAX_SIGNED_NAMES + 1);
  if (names.length > MAX_SIGNED_NAMES) return permerror(`over ${MAX_SIGNED_NAMES} names in h=`);
  const signedNames = names.map((name) => lowerCase(toBytes(name.trim()))).filter((name) => name !== "");
  if (!signedNames.includes("from")) return permerror("From is not signed");

  const length = values.get("l");
  if (length !== undefined && !BODY_LENGTH.test(length)) return permerror("bad l= tag");
  const bodyHash = withoutBlanks(value("bh"));
  if (!BASE64.test(bodyHash)) return permerror("bad bh= tag");

  return (
    checkTimes(values.get("t"), values.get("x"), nowSeconds, kind) ?? {
      field,
      ...signer,
      ...forms,
      ...identity,
      bodyLimit: length === undefined ? undefined : Number(length),
      signedNames,
      bodyHash,
    }
  );
}

/** Reads a=, d=, s= and b=, which an ARC-Seal has too. */
export function readSigner(values: Values): (Omit<Signer, "isOfSubdomain"> & { readonly domain: string }) | Refusal {
  const value = (name: string): string => values.get(name) ?? "";
  const algorithm = ALGORITHMS.find((one) => one === value("a").toLowerCase());
  // RFC 8301 section 3.1: rsa-sha1 must not be used for verifying.
  if (value("a").toLowerCase() === "rsa-sha1") return { result: "policy", reason: "rsa-sha1 is too weak" };
  if (algorithm === undefined) return permerror("unknown algorithm");
  const domain = toALabel(value("d"));
  const selector = toALabel(value("s"));
  if (!isName(domain) || !domain.includes(".")) return permerror("bad domain");
  if (!isName(selector)) return permerror("bad selector");
  const signature = withoutBlanks(value("b"));
  if (!BASE64.test(signature)) return permerror("bad b= tag");
  const keyName = lowerCase(`${selector}._domainkey.${domain}`);
  return { algorithm, domain, keyName, bytes: Buffer.from(signature, "base64") };
}

function checkIdentity(values: Values, domain: string): Refusal | Pick<Signer, "isOfSubdomain"> {
  const identity = identityOf(values, domain);
  const at = identity.lastIndexOf("@");
  const [signer, ofIdentity] = [lowerCase(domain), lowerCase(identity.slice(at + 1))];
  const local = identity.slice(0, Math.max(0, at));
  const isLegal = at !== -1 && (local === "" || isBare(local) || isQuotedString(local));
  if (!isLegal || CONTROL.test(identity) || !isName(ofIdentity)) return permerror("bad i= tag");
  if (ofIdentity === signer) return { isOfSubdomain: false };
  return ofIdentity.endsWith(`.${signer}`) ? { isOfSubdomain: true } : permerror("i= is not of the domain in d=");
}

function checkTimes(
  t: string | undefined,
  x: string | undefined,
  nowSeconds: number,
  kind: SignatureKind,
): Refusal | undefined {
  if (t !== undefined && !TIMESTAMP.test(t)) return permerror("bad t= tag");
  if (x !== undefined && !TIMESTAMP.test(x)) return permerror("bad x= tag");
  if (t !== undefined && x !== undefined && Number(x) <= Number(t)) return permerror("expires before it was made");
  if (x !== undefined && Number(x) < nowSeconds) return permerror("expired");
  // RFC 6376 section 3.5: such signatures may be ignored. A chain would fail for good because of a clock.
  const isAhead = kind === "dkim" && t !== undefined && Number(t) > nowSeconds + MAX_CLOCK_SKEW_SECONDS;
  return isAhead ? { result: "policy", reason: "made in the future" } : undefined;
}

/** Tells if a name is one or more labels in A-labels; without the dot at the end. */
function isName(name: string): boolean {
  return name.length <= MAX_NAME_CHARS && LABELS.test(name);
}

function canonicalizations(c = ""): { headerForm: Canonicalization; bodyForm: Canonicalization } | undefined {
  const [header = "", body = "simple", more] = c.toLowerCase().split("/");
  const headerForm = CANONICALIZATIONS.find((form) => form === (header === "" ? "simple" : header.trim()));
  const bodyForm = CANONICALIZATIONS.find((form) => form === body.trim());
  if (headerForm === undefined || bodyForm === undefined || more !== undefined) return undefined;
  return { headerForm, bodyForm };
}

function methods(q = "dns/txt"): string[] {
  return q.split(":").map((method) => method.trim().toLowerCase());
}

/** The AUID in bytes, its domain as A-labels: i=, or "@" and d=. */
function identityOf(values: Values, domain: string): string {
  const written = values.get("i");
  if (written === undefined) return domain === "" ? "" : toBytes(`@${domain}`);
  const identity = decodeQuotedPrintable(toBytes(written));
  const at = identity.lastIndexOf("@");
  return `${identity.slice(0, at + 1)}${toBytes(toALabel(fromBytes(identity.slice(at + 1))))}`;
}

/** Decodes dkim-quoted-printable (RFC 6376 section 2.11), in which blanks mean nothing. */
function decodeQuotedPrintable(text: string): string {
  return withoutBlanks(text).replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function withoutBlanks(text: string): string {
  return text.replace(/[ \t\r\n]+/g, "");
}

/** Characters as the bytes of their UTF-8, in latin1. */
export function toBytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function fromBytes(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}
