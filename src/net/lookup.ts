/** The interface between SRS and the lookup protocols. All text is latin1: one character is one byte. */

/** The names of the maps, in socketmap requests and in the `map` label. */
export const MAPS = ["forward", "reverse", "forward-transport"] as const;

export type MapName = (typeof MAPS)[number];

/** The outcomes of an SRS lookup, as the `outcome` label of `postvouch_srs_lookups_total` spells them. */
export const OUTCOMES = [
  "rewritten",
  "own",
  "null",
  "already",
  "not_srs",
  "bad_hash",
  "expired",
  "malformed",
  "too_long",
  "tempfail",
] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** The parts that may fail to answer, as the `part` label of `postvouch_srs_tempfails_total` spells them. */
export const TEMPFAIL_PARTS = ["store", "own_domains"] as const;

export type TempFailPart = (typeof TEMPFAIL_PARTS)[number];

/** The answer of a table for one key. */
export type LookupResult =
  /** The address to use instead of the key, in external (RFC 5321, quoted where needed) form. */
  | { readonly status: "found"; readonly outcome: Outcome; readonly value: string }
  /** The key stays as it is. This is final for Postfix, so it must depend on the data only. */
  | { readonly status: "notFound"; readonly outcome: Outcome; readonly reason: string }
  /** An internal error. Postfix keeps the mail and asks again later. */
  | { readonly status: "tempFail"; readonly outcome: "tempfail"; readonly part: TempFailPart; readonly reason: string };

/**
 * One map, for both tcp_table(5) and socketmap_table(5). The answer is a plain value unless another process must be
 * asked.
 */
export interface LookupTable {
  readonly name: MapName;
  get(key: string): LookupResult | Promise<LookupResult>;
}

/** Counts and logs every lookup, so that the tables need not know of metrics and logs. */
export interface LookupObserver {
  /** A monotonic clock in milliseconds, for durations. */
  clockMs(): number;
  looked(map: MapName, key: string, result: LookupResult, elapsedMs: number): void;
  /** Called for a request that broke its protocol but could be answered. */
  badRequest(problem: string): void;
}

/** Asks the table, calls the observer and encodes the result. */
export function answerLookup(
  table: LookupTable,
  key: string,
  observer: LookupObserver,
  encode: (result: LookupResult) => string,
): string | Promise<string> {
  const startMs = observer.clockMs();
  const finish = (result: LookupResult): string => {
    observer.looked(table.name, key, result, observer.clockMs() - startMs);
    return encode(result);
  };
  const result = table.get(key);
  return result instanceof Promise ? result.then(finish) : finish(result);
}
