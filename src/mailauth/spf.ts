/**
 * mailauth's SPF evaluator, always in strict mode. It gets single directives (`spf/directives.ts`), not whole records.
 * `spf/evaluate.ts` chooses the record, walks its terms and enforces the limits, so that it knows which directive
 * matched and how many lookups each needed. mailauth checks the syntax, expands macros, and implements a, mx, ptr and
 * exists.
 *
 * We work around these faults. Each has a test in test/mailauth/ that fails once mailauth has repaired the fault:
 *
 * - `mailauth/lib/tools.js` loads much code for three small functions: `tools.ts` replaces it;
 * - several delimiters with "-" among them (`%{l.-+}`) become a broken RegExp class: we put "-" first;
 * - a bare `a` or `mx` expands the evaluated name as a macro-string: we escape a "%" in it;
 * - MX hosts that are not names (an address, a single label) are a permerror: here they have no address.
 *
 * We do not call `spf()` itself, because it has other faults: domains with underscores, limits of 0, no time limit, and
 * no matched directive. And it compares addresses slowly. DNS may give thousands, so it gets only those that decide.
 */
import { createRequire } from "node:module";
import type { RecordType } from "../dns/types.ts";
import { requireWithoutTools } from "./tools.ts";

/** An address as mailauth's parser (ipaddr.js) gives it. */
export interface ParsedAddress {
  kind(): "ipv4" | "ipv6";
  toString(): string;
}

/** Records in the form of dns.promises.resolve(). */
export type Answers = readonly unknown[] | Promise<readonly unknown[]>;
/** A resolver in mailauth's form. For records that do not exist it may also return an empty list. */
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

/** The directive that matched. Without a `type`, none did. */
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
  /** Removes a trailing dot, and labels from the left of a name over 253 bytes. */
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

/** The fault of a record, and the term that has it, if a term has it. */
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
