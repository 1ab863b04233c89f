/** The key record of a key of ours: its text, and what DNS has in its place. */
import { createPublicKey, type KeyObject } from "node:crypto";
import type { DnsAnswer } from "../dns/types.ts";
import { type KeyRecord, readKeyRecord } from "./key-record.ts";
import { algorithmOf } from "./private-key.ts";

/** What a SubjectPublicKeyInfo has before the 32 bytes of an ed25519 key (RFC 8410). */
const ED25519_PREFIX_BYTES = 12;

/** The text of the record (RFC 6376 section 3.6.1, RFC 8463 section 4). */
export function recordText(privateKey: KeyObject): string {
  const isRsa = algorithmOf(privateKey) === "rsa-sha256";
  const der = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const encoded = (isRsa ? der : der.subarray(ED25519_PREFIX_BYTES)).toString("base64");
  return `v=DKIM1; h=sha256; k=${isRsa ? "rsa" : "ed25519"}; p=${encoded}`;
}

export function recordName(selector: string, domain: string): string {
  return `${selector}._domainkey.${domain}`;
}

/** Longest character-string of a TXT record (RFC 1035 section 3.3). */
const MAX_PIECE_CHARS = 255;

/** The record as a line of a zone file: the owner's name is complete, the text is in pieces that DNS can have. */
export function zoneLine(name: string, text: string): string {
  const pieces = text.match(new RegExp(`.{1,${MAX_PIECE_CHARS}}`, "g")) ?? [];
  return `${name}. IN TXT ( ${pieces.map((piece) => `"${piece}"`).join(" ")} )`;
}

/**
 * What DNS says of a key of ours.
 *
 * - published: one record is ours; `others` counts records beside it, which make verifiers guess;
 * - missing: no record at all, or none that is a key record;
 * - revoked: an empty p=;
 * - other-key, unusable: a key record that does not help;
 * - trouble: no answer.
 */
export type Publication =
  | { readonly state: "published"; readonly others: number; readonly isTesting: boolean }
  | { readonly state: "missing" | "revoked" | "other-key" }
  | { readonly state: "unusable" | "trouble"; readonly reason: string };

export function publicationOf(privateKey: KeyObject, answer: DnsAnswer<"TXT">): Publication {
  if (answer.status === "error") return { state: "trouble", reason: answer.trouble };
  if (answer.status !== "ok") return { state: "missing" };
  const publicKey = createPublicKey(privateKey);
  const records = answer.records.map(readKeyRecord);
  const own = records.find((record) => record.status === "usable" && record.key.equals(publicKey));
  if (own?.status === "usable") {
    return { state: "published", others: records.length - 1, isTesting: own.isTesting };
  }
  const keyRecord = records.find(({ status }) => status !== "foreign");
  return keyRecord === undefined ? { state: "missing" } : without(keyRecord);
}

function without(record: KeyRecord): Publication {
  switch (record.status) {
    case "usable":
      return { state: "other-key" };
    case "revoked":
      return { state: "revoked" };
    case "foreign":
      return { state: "missing" };
    case "unusable":
      return { state: "unusable", reason: record.reason };
  }
}
