/**
 * Collects the sets of an ARC chain (RFC 8617 section 4.2): each host that seals adds one of each, with the same number in i=.
 *
 *     ARC-Authentication-Results: i=1; authserv-id; method=result ...      what the host has found
 *     ARC-Message-Signature: i=1; a=...; d=...; s=...; h=...; bh=...; b=...    signs the message, as DKIM does
 *     ARC-Seal: i=1; a=...; cv=none|pass|fail; d=...; s=...; b=...             signs all sets up to this one
 */
import { lowerCase } from "../dns/name.ts";
import type { HeaderField } from "../mail/header-field.ts";

export const SEAL = "ARC-Seal";
export const MESSAGE_SIGNATURE = "ARC-Message-Signature";
export const RESULTS = "ARC-Authentication-Results";

export interface ArcSet {
  readonly instance: number;
  readonly results: HeaderField;
  readonly signature: HeaderField;
  readonly seal: HeaderField;
}

export interface Chain {
  /** The sets from 1 on. None if the chain has a fault. */
  readonly sets: readonly ArcSet[];
  /** The highest number of a field; 0 if there is none. */
  readonly highest: number;
  /** True if the newest seal says cv=fail: nobody may add a set any more (RFC 8617 section 5.1). */
  readonly isOver: boolean;
  /** d= of the newest message signature, as written; "" if there is none. */
  readonly signer: string;
  /** Why this is no chain: a field is missing, is there twice, or has no number. */
  readonly fault: string | undefined;
}

/** Most sets of a chain (RFC 8617 section 4.2.1). */
export const MAX_SETS = 50;

const MAX_FIELDS = 3 * MAX_SETS;

type Kind = "results" | "signature" | "seal";

const NAMES: Readonly<Record<Kind, string>> = { results: RESULTS, signature: MESSAGE_SIGNATURE, seal: SEAL };

const KINDS: ReadonlyMap<string, Kind> = new Map([
  [lowerCase(RESULTS), "results"],
  [lowerCase(MESSAGE_SIGNATURE), "signature"],
  [lowerCase(SEAL), "seal"],
]);

/** i= of a tag list, at any place of it. The lists themselves are read when their turn has come. */
const INSTANCE_TAG = /(?:^|;)[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,2})[ \t\r\n]*(?:;|$)/;
/** i= of the results, which comes first (RFC 8617 section 4.1.1). Comments may surround it. */
const FIRST_INSTANCE = /^[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,2})[ \t\r\n]*;/;
/** cv=fail of a seal, and d= of a message signature. */
const FAIL_TAG = /(?:^|;)[ \t\r\n]*cv[ \t\r\n]*=[ \t\r\n]*fail[ \t\r\n]*(?:;|$)/i;
const DOMAIN_TAG = /(?:^|;)[ \t\r\n]*d[ \t\r\n]*=[ \t\r\n]*([^; \t\r\n]*)/;
/** Comments, without those in comments. */
const COMMENT = /\([^()\\]*\)/g;
/** Bytes of a field in which a tag is looked for. */
const MAX_LOOK_BYTES = 16_384;

/** Reads the structure of the chain. The time is linear in the header. */
export function readChain(fields: readonly HeaderField[]): Chain {
  const sets: Partial<Record<Kind, HeaderField>>[] = [];
  let fault: string | undefined;
  let isOver = false;
  let overAt = 0;
  let count = 0;
  for (const field of fields) {
    const kind = KINDS.get(field.key);
    if (kind === undefined) continue;
    count += 1;
    if (count > MAX_FIELDS) return { sets: [], highest: MAX_SETS, isOver, signer: "", fault: `over ${MAX_SETS} sets` };
    const instance = instanceOf(field, kind);
    if (instance === undefined) {
      fault ??= `${NAMES[kind]} without a number from 1 to ${MAX_SETS}`;
      continue;
    }
    if (kind === "seal" && instance >= overAt) {
      isOver = (instance === overAt && isOver) || FAIL_TAG.test(start(field));
      overAt = instance;
    }
    const set = (sets[instance] ??= {});
    if (set[kind] === undefined) set[kind] = field;
    else fault ??= `two fields ${NAMES[kind]} with i=${instance}`;
  }
  const highest = Math.max(0, sets.length - 1);
  const whole: ArcSet[] = [];
  for (let instance = 1; instance <= highest; instance++) {
    const { results, signature, seal } = sets[instance] ?? {};
    if (results !== undefined && signature !== undefined && seal !== undefined) {
      whole.push({ instance, results, signature, seal });
      continue;
    }
    const missing = results === undefined ? RESULTS : signature === undefined ? MESSAGE_SIGNATURE : SEAL;
    fault ??= `no ${missing} with i=${instance}`;
  }
  const newest = sets[highest]?.signature;
  return {
    sets: fault === undefined ? whole : [],
    highest,
    isOver: isOver && overAt === highest,
    signer: newest === undefined ? "" : (DOMAIN_TAG.exec(start(newest))?.[1] ?? ""),
    fault,
  };
}

function instanceOf(field: HeaderField, kind: Kind): number | undefined {
  const text = start(field);
  const found = kind === "results" ? FIRST_INSTANCE.exec(text.replace(COMMENT, "")) : INSTANCE_TAG.exec(text);
  const instance = Number(found?.[1] ?? 0);
  return instance >= 1 && instance <= MAX_SETS ? instance : undefined;
}

function start({ value }: HeaderField): string {
  return value.slice(0, MAX_LOOK_BYTES);
}
