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

/** What did not answer, as the `part` label of `postvouch_srs_tempfails_total` spells it. */
export const TEMPFAIL_PARTS = ["store", "own_domains"] as const;

export type TempFailPart = (typeof TEMPFAIL_PARTS)[number];

/** What a table answers for one key. All text is latin1: one character is one byte on the wire. */
export type LookupResult =
  /** The address to use instead of the key, in external (RFC 5321, quoted where needed) form. */
  | { readonly status: "found"; readonly outcome: Outcome; readonly value: string }
  /** The key stays as it is. Postfix believes this for good, so it is only for facts of the data. */
  | { readonly status: "notFound"; readonly outcome: Outcome; readonly reason: string }
  /** Trouble of ours: Postfix keeps the mail and asks again later. */
  | { readonly status: "tempFail"; readonly outcome: "tempfail"; readonly part: TempFailPart; readonly reason: string };

/**
 * One map, as tcp_table(5) and socketmap_table(5) both see it: the seam between SRS and the lookup protocols.
 * The answer is a plain value unless something outside the process has to be asked.
 */
export interface LookupTable {
  /** The map's name, as socketmap clients and the `map` label spell it. */
  readonly name: string;
  get(key: string): LookupResult | Promise<LookupResult>;
}

/** Is told of every lookup: how counters and log lines come about without the tables knowing of them. */
export interface LookupObserver {
  /** The time of day for durations, in milliseconds on a clock that never steps back. */
  now(): number;
  looked(map: string, key: string, result: LookupResult, elapsedMs: number): void;
  /** A request that broke its protocol but could be answered. */
  badRequest(problem: string): void;
}

/** Asks the table and tells the observer. A table that fails for want of something of ours is a temporary failure. */
export function answerLookup(
  table: LookupTable,
  key: string,
  observer: LookupObserver,
  encode: (result: LookupResult) => string,
): string | Promise<string> {
  const startedMs = observer.now();
  const finish = (result: LookupResult): string => {
    observer.looked(table.name, key, result, observer.now() - startedMs);
    return encode(result);
  };
  const result = table.get(key);
  return result instanceof Promise ? result.then(finish) : finish(result);
}
