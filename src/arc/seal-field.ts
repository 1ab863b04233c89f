/**
 * Reads an ARC-Seal field (RFC 8617 section 4.1.3):
 *
 *     i=number; a=rsa-sha256|ed25519-sha256; cv=none|pass|fail; d=domain; s=selector; b=signature; t=time
 */
import { readSigner, type Signer, toBytes, type Values } from "../dkim/signature.ts";
import type { Refusal } from "../dkim/verdict.ts";
import type { HeaderField } from "../mail/header-field.ts";
import { parseTagList, toALabel } from "../mailauth/dkim.ts";

/** What the host has found when it sealed (RFC 8617 section 4.4). */
const CHAIN_STATUSES = ["none", "pass", "fail"] as const;

export type ChainStatus = (typeof CHAIN_STATUSES)[number];

export interface Seal extends Signer {
  readonly status: ChainStatus;
}

/** What is shown of a seal: any text of its writer, in latin1. */
export interface ShownSeal {
  /** d=, in A-labels. */
  readonly domain: string;
  readonly selector: string;
  readonly cv: string;
}

export interface ReadSeal {
  readonly shown: ShownSeal;
  readonly read: Seal | Refusal;
}

/** Longest field that is read. A real one is below 1 kB, with an RSA key of 4096 bits. */
const MAX_SEAL_BYTES = 4096;

const REQUIRED = ["i", "a", "b", "cv", "d", "s"] as const;
const TIMESTAMP = /^[0-9]{1,12}$/;

export function readSeal(field: HeaderField): ReadSeal {
  if (field.line.length > MAX_SEAL_BYTES) {
    return { shown: NOTHING_SHOWN, read: refuse(`seal over ${MAX_SEAL_BYTES} bytes`) };
  }
  const { tags, syntaxErrors } = parseTagList(field.value, "refuse");
  const values = new Map(tags.map(({ name, value }) => [name, value]));
  const shown = {
    domain: toBytes(toALabel(values.get("d") ?? "")),
    selector: toBytes(values.get("s") ?? ""),
    cv: toBytes(values.get("cv") ?? ""),
  };
  return { shown, read: syntaxErrors.length > 0 ? refuse("bad tag list of a seal") : check(values) };
}

const NOTHING_SHOWN: ShownSeal = { domain: "", selector: "", cv: "" };

function check(values: Values): Seal | Refusal {
  const missing = REQUIRED.find((name) => !values.has(name));
  if (missing !== undefined) return refuse(`seal without ${missing}=`);
  // RFC 8617 section 4.1.3: the fields that are sealed are fixed.
  if (values.has("h")) return refuse("seal with h=");
  const time = values.get("t");
  if (time !== undefined && !TIMESTAMP.test(time)) return refuse("bad t= tag of a seal");
  const status = CHAIN_STATUSES.find((one) => one === values.get("cv")?.toLowerCase());
  if (status === undefined) return refuse("bad cv= tag");
  const signer = readSigner(values);
  return "result" in signer ? signer : { ...signer, isOfSubdomain: false, status };
}

function refuse(reason: string): Refusal {
  return { result: "permerror", reason };
}
