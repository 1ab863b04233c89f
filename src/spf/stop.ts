/** The one error of an evaluation: temperror and permerror end it wherever it stands. */

export type ExceededLimit = "lookups" | "voidLookups";

/**
 * Ends the evaluation with an error result. mailauth can be stopped in no other way, so the walk above it uses the
 * same one. `conclude.ts` makes the result of it.
 */
export class StopEvaluation extends Error {
  override name = "StopEvaluation";
  readonly result: "temperror" | "permerror";
  /** How mailauth spells the result: it lets a permerror out of PTR lookups, where it swallows DNS errors. */
  readonly spfResult: { readonly error: "temperror" | "permerror"; readonly text: string };
  /** mailauth's mark for "out of time", the only temperror that it lets out of PTR lookups. */
  readonly code: "ESPFTIMELIMIT" | undefined;

  /** The limit of RFC 7208 section 4.6.4 that was passed. */
  readonly exceeded: ExceededLimit | undefined;

  constructor(
    result: "temperror" | "permerror",
    problem: string,
    options: { outOfTime?: boolean; exceeded?: ExceededLimit } = {},
  ) {
    // Nobody reads the stack, and to take it is most of what a permerror would cost.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(problem);
    Error.stackTraceLimit = stackTraceLimit;
    this.result = result;
    // Not frozen: mailauth notes the record on it.
    this.spfResult = { error: result, text: problem };
    this.exceeded = options.exceeded;
    this.code = options.outOfTime === true ? "ESPFTIMELIMIT" : undefined;
  }
}
