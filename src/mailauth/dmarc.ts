/**
 * mailauth's walk up the tree of names, which finds the record that applies to a domain, and the organizational domain
 * (RFC 9989 section 4.10). It gets records from us, so that queries, faults and the trace are ours.
 *
 * The rest of its DMARC is not used, because it has these faults. Each has a test in test/mailauth/ that fails once
 * mailauth has repaired it:
 *
 * - it takes some malformed From fields for an address, and skips DMARC for some good ones: `dmarc/from.ts`;
 * - it does not know temporary errors of SPF and DKIM, so that DNS trouble makes a message fail: `dmarc/conclude.ts`;
 * - it gives no result for messages that it skips: `dmarc/evaluate.ts`;
 * - it does not say what is wrong with a record: `dmarc/record.ts`.
 */
import { requireWithoutTools } from "./tools.ts";

/** The part of a record that the walk looks at. */
interface Walked {
  readonly psd: string;
}

/**
 * Finds the record of one name, `undefined` if there is none. A promise that rejects stands for DNS trouble.
 */
type RecordLookup<T extends Walked> = (domain: string) => Promise<T | undefined>;

/** The outcome of a walk that started at the author's domain. */
export interface Discovery<T extends Walked> {
  /** The record that applies; false if there is none. */
  readonly record: T | false;
  readonly recordDomain: string | null;
  /** `null` if the walk failed above the author's own record. */
  readonly orgDomain: string | null;
  /** What the lookup threw in that case. */
  readonly error?: unknown;
}

interface Mailauth {
  /** Rejects with the error of a lookup that leaves the policy unknown. */
  discoverPolicy<T extends Walked>(domain: string, lookup: RecordLookup<T>): Promise<Discovery<T>>;
  /** The organizational domain. Rejects with the error of a lookup. */
  getOrgDomain<T extends Walked>(domain: string, lookup: RecordLookup<T>): Promise<string>;
}

let loaded: Mailauth | undefined;

/** mailauth's own functions, under their own names. Loaded by the first call. */
export function loadTreeWalk(): Mailauth {
  loaded ??= requireWithoutTools("mailauth/lib/dmarc/get-dmarc-record.js") as Mailauth;
  return loaded;
}
