/** What the parts are planned from. */
import type { PostfixFacts } from "./postfix-facts.ts";
import type { Snippets } from "./snippets.ts";
import type { Wiring } from "./wiring.ts";

export interface Ground {
  readonly facts: PostfixFacts;
  readonly wiring: Wiring;
  readonly snippets: Snippets;
  /** The names of all parts that are planned together. */
  readonly parts: ReadonlySet<string>;
}
