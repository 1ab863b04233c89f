/** The form of the cases of checks. */
import type { Situation } from "./facts.ts";

/** One situation for a check: wrong, right, or one in which it cannot tell. */
export interface Case {
  readonly id: string;
  readonly name: string;
  readonly wrong?: Situation;
  readonly right?: Situation;
  readonly skips?: Situation;
  /** A part of the reason; of a wrong or a skipped case. */
  readonly says?: string;
  /** A part of the mend of a wrong case. */
  readonly mends?: string;
  /** Of a wrong case. Default: error. */
  readonly status?: "error" | "warning";
}
