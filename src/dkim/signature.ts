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

/** A signature that deserves a look at body and key. Text is latin1. */
export interface Signature {
  readonly field: HeaderField;
  readonly algorithm: Algorithm;
  readonly headerForm: Canonicalization;
  readonly bodyForm: Canonicalization;
  /** Bytes of the canonical body that are signed (l=); `undefined` for all. */
  readonly bodyLimit: number | undefined;
  /** The names in h=, lower case, in order. */
  readonly signedNames: readonly string[];
  /** bh=, base64. */
  readonly bodyHash: string;
  readonly bytes: Buffer;
  /** The owner name of the key record. */
  readonly keyName: string;
  /** True if i= names a domain below d=, which a key may forbid (t=s). */
  readonly isOfSubdomain: boolean;
}

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

const REQUIRED = ["v", "a", "b", "bh", "d", "h", "s"] as const;
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
export function readSignature(field: HeaderField, nowSeconds: number): ReadSignature {
  if (field.line.length > MAX_SIGNATURE_BYTES) {
    return { shown: NOTHING_SHOWN, read: permerror(`field over ${MAX_SIGNATURE_BYTES} bytes`) };
  }
  const { tags, syntaxErrors } = parseTagList(field.value, "refuse");
  const values = new Map(tags.map(({ name, value }) => [name, value]));
  return {
    shown: shownTags(values),
    read: syntaxErrors.length > 0 ? permerror("bad tag list") : check(field, values, nowSeconds),
  };
}

export function isRefusal(read: Signature | Refusal): read is Refusal {
  return "result" in read;
}

function permerror(reason: string): Refusal {
  return { result: "permerror", reason };
}

type Values = ReadonlyMap<string, string>;

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

function check(field: HeaderField, values: Values, nowSeconds: number): Signature | Refusal {
  const missing = REQUIRED.find((name) => !values.has(name));
  if (missing !== undefined) return permerror(`no ${missing}= tag`);
  const value = (name: string): string => values.get(name) ?? "";
  if (value("v") !== "1") return permerror("unknown version");

  const algorithm = ALGORITHMS.find((one) => one === value("a").toLowerCase());
  // RFC 8301 section 3.1: rsa-sha1 must not be used for verifying.
  if (value("a").toLowerCase() === "rsa-sha1") return { result: "policy", reason: "rsa-sha1 is too weak" };
  if (algorithm === undefined) return permerror("unknown algorithm");
  const forms = canonicalizations(values.get("c"));
  if (forms === undefined) return permerror("unknown canonicalization");

  const domain = toALabel(value("d"));
  const selector = toALabel(value("s"));
  if (!isName(domain) || !domain.includes(".")) return permerror("bad domain");
  if (!isName(selector)) return permerror("bad selector");
  if (!methods(values.get("q")).includes("dns/txt")) return permerror("unknown query method");
  const identity = identityOf(values, domain);
  const identityDomain = lowerCase(identity.slice(identity.lastIndexOf("@") + 1));
  const isOfSubdomain = identityDomain !== lowerCase(domain);
  const identityProblem = checkIdentity(identity, identityDomain, lowerCase(domain), isOfSubdomain);
  if (identityProblem !== undefined) return permerror(identityProblem);

  const names = value("h").split(":", MAX_SIGNED_NAMES + 1);
  if (names.length > MAX_SIGNED_NAMES) return permerror(`over ${MAX_SIGNED_NAMES} names in h=`);
  const signedNames = names.map((name) => lowerCase(toBytes(name.trim()))).filter((name) => name !== "");
  if (!signedNames.includes("from")) return permerror("From is not signed");

  const length = values.get("l");
  if (length !== undefined && !BODY_LENGTH.test(length)) return permerror("bad l= tag");
  const [bodyHash, signature] = [withoutBlanks(value("bh")), withoutBlanks(value("b"))];
  if (!BASE64.test(bodyHash)) return permerror("bad bh= tag");
  if (!BASE64.test(signature)) return permerror("bad b= tag");

  return (
    checkTimes(values.get("t"), values.get("x"), nowSeconds) ?? {
      field,
      algorithm,
      ...forms,
      bodyLimit: length === undefined ? undefined : Number(length),
      signedNames,
      bodyHash,
      bytes: Buffer.from(signature, "base64"),
      keyName: lowerCase(`${selector}._domainkey.${domain}`),
      isOfSubdomain,
    }
  );
}

function checkIdentity(identity: string, domain: string, signer: string, isOther: boolean): string | undefined {
  const local = identity.slice(0, Math.max(0, identity.lastIndexOf("@")));
  const isLegal = identity.includes("@") && (local === "" || isBare(local) || isQuotedString(local));
  if (!isLegal || CONTROL.test(identity) || !isName(domain)) return "bad i= tag";
  return isOther && !domain.endsWith(`.${signer}`) ? "i= is not of the domain in d=" : undefined;
}

function checkTimes(t: string | undefined, x: string | undefined, nowSeconds: number): Refusal | undefined {
  if (t !== undefined && !TIMESTAMP.test(t)) return permerror("bad t= tag");
  if (x !== undefined && !TIMESTAMP.test(x)) return permerror("bad x= tag");
  if (t !== undefined && x !== undefined && Number(x) <= Number(t)) return permerror("expires before it was made");
  if (x !== undefined && Number(x) < nowSeconds) return permerror("expired");
  // RFC 6376 section 3.5: such signatures may be ignored.
  const isAhead = t !== undefined && Number(t) > nowSeconds + MAX_CLOCK_SKEW_SECONDS;
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

function toBytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function fromBytes(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}
