/**
 * mailauth's SPF evaluator, always in strict mode. It gets single directives (`spf/directives.ts`), not whole records:
 * `spf/evaluate.ts` chooses the record, walks its terms and keeps the limits, so that it knows which directive matched
 * and what each cost. mailauth checks the syntax, expands macros and knows what a, mx, ptr and exists mean.
 *
 * What is repaired, each with a test in test/mailauth/ that fails once mailauth no longer needs it:
 *
 * - `mailauth/lib/tools.js` loads much for three small functions: `tools.ts` stands in for it;
 * - several delimiters with "-" among them (`%{l.-+}`) become a broken RegExp class: "-" is put first;
 * - a bare `a` or `mx` expands the evaluated name as if it were a macro-string: a "%" in it is escaped;
 * - MX hosts that are no names (an address, a single label) are a permerror: here they have no address.
 *
 * Repaired by not using `spf()` itself: domains with underscores, limits of 0, no time limit, no matched directive. And
 * it compares addresses slowly, of which DNS may bring thousands: it gets those that decide.
 */
import { createRequire } from "node:module";
import type { RecordType } from "../dns/types.ts";
import { requireWithoutTools } from "./tools.ts";

/** An address as mailauth's parser (ipaddr.js) gives it. */
export interface ParsedAddress {
  kind(): "ipv4" | "ipv6";
  toString(): string;
}

/** Records in the shapes of dns.promises.resolve(). */
export type Answers = readonly unknown[] | Promise<readonly unknown[]>;
/** A resolver as mailauth wants it, but for what does not exist it may answer with an empty list. */
export type Ask = (name: string, type: RecordType) => Answers;

interface VerifyOptions {
  readonly strict: true;
  readonly ip: string;
  readonly addr: ParsedAddress | undefined;
  readonly sender: string;
  readonly helo: string;
  readonly mta: string;
  readonly ctx: { readonly warnings: Set<string> };
  readonly resolver: Ask;
  readonly createSubResolver: () => Ask;
  readonly expResolver: Ask;
}

/** The directive that matched: without a `type`, none did. */
export interface Match {
  readonly type?: string;
  readonly val?: string;
  readonly qualifier?: string;
  readonly explanation?: string;
}

interface Mailauth {
  spfVerify(domain: string, options: VerifyOptions): Promise<Match>;
  parseIp(text: string): ParsedAddress | null;
  validateTerms(terms: readonly string[]): string | false;
  isValidTargetName(name: string): boolean;
  /** Takes a trailing dot away, and labels from the left over 253 bytes. */
  normalizeTargetName(name: string): string;
}

let loaded: Mailauth | undefined;

/** mailauth's own functions, under their own names. Loaded by the first call. */
export function loadMailauth(): Mailauth {
  loaded ??= {
    ...(createRequire(import.meta.url)("mailauth/lib/spf/syntax.js") as Omit<Mailauth, "spfVerify">),
    ...(requireWithoutTools("mailauth/lib/spf/spf-verify.js") as Pick<Mailauth, "spfVerify">),
  };
  return loaded;
}

/** What is wrong with a record, and the term that it stands in if it is one. */
export interface RecordError {
  readonly term: string | undefined;
  readonly reason: string;
}

/** The first syntax error among a record's terms (RFC 7208 section 4.6), in mailauth's words. */
export function findSyntaxError(terms: readonly string[]): RecordError | undefined {
  const { validateTerms } = loadMailauth();
  const reason = validateTerms(terms);
  if (reason === false) return undefined;
  const term = terms.find((candidate) => validateTerms([candidate]) !== false);
  return { term, reason };
}
