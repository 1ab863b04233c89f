/** The error that ends an evaluation with temperror or permerror. */

export type ExceededLimit = "lookups" | "voidLookups";

/**
 * Ends the evaluation with an error result. mailauth can only be stopped by an error, so the walk uses the same one.
 * `conclude.ts` catches it and makes the result.
 */
export class StopEvaluation extends Error {
  override name = "StopEvaluation";
  readonly result: "temperror" | "permerror";
  /** The result in mailauth's form. mailauth passes a permerror on from PTR lookups, but no DNS error. */
  readonly spfResult: { readonly error: "temperror" | "permerror"; readonly text: string };
  /** mailauth's code for "out of time", the only temperror that it passes on from PTR lookups. */
  readonly code: "ESPFTIMELIMIT" | undefined;

  /** The limit of RFC 7208 section 4.6.4 that was exceeded. */
  readonly exceeded: ExceededLimit | undefined;

  constructor(
    result: "temperror" | "permerror",
    problem: string,
    options: { outOfTime?: boolean; exceeded?: ExceededLimit } = {},
  ) {
    // No stack trace: nobody reads it, and it would be most of the cost of a permerror.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(problem);
    Error.stackTraceLimit = stackTraceLimit;
    this.result = result;
    // Left unfrozen: mailauth adds the record to it.
    this.spfResult = { error: result, text: problem };
    this.exceeded = options.exceeded;
    this.code = options.outOfTime === true ? "ESPFTIMELIMIT" : undefined;
  }
}
