/** Makes the result from the policy and the identifiers, with the reason in a sentence. */
import { asciiLine, shorten } from "../mail/text.ts";
import type { Author } from "./align.ts";
import { mendFail, mendLookups } from "./mend.ts";
import type { AppliedPolicy, DmarcVerdict, JudgedIdentifier } from "./verdict.ts";

type Conclusion = Pick<DmarcVerdict, "result" | "reason" | "mend">;

/** Identifiers that are named in a reason. */
const MAX_NAMED = 3;
const MAX_REASON_CHARS = 400;

export function conclude(author: Author, policy: AppliedPolicy, identifiers: readonly JudgedIdentifier[]): Conclusion {
  const decisive = identifiers.find(isDecisive);
  if (decisive !== undefined) {
    return { result: "pass", reason: line(`${nameOf(decisive)} ${outcomeOf(decisive, author)}`), mend: undefined };
  }
  const hidden = identifiers.find(isHidden);
  if (hidden !== undefined) {
    return { result: "temperror", reason: line(`${nameOf(hidden)} ${outcomeOf(hidden, author)}`), mend: mendLookups() };
  }
  if (policy.trouble !== undefined) return { result: "temperror", reason: line(policy.trouble), mend: mendLookups() };
  return { result: "fail", reason: reasonForFail(author, identifiers), mend: mendFail(author, identifiers) };
}

/** Tells if an identifier makes the message pass. */
export function isDecisive({ result, isAligned }: JudgedIdentifier): boolean {
  return result === "pass" && isAligned === "yes";
}

/** Tells if DNS trouble hides that an identifier makes the message pass. */
function isHidden({ result, isAligned }: JudgedIdentifier): boolean {
  if (result === "pass") return isAligned === "unknown";
  return result === "temperror" && isAligned !== "no";
}

function reasonForFail(author: Author, identifiers: readonly JudgedIdentifier[]): string {
  if (identifiers.length === 0) return "there is no result of SPF or DKIM";
  const named = identifiers.slice(0, MAX_NAMED).map((one) => `${nameOf(one)} ${outcomeOf(one, author)}`);
  const more = identifiers.length - named.length;
  return line([...named, ...(more > 0 ? [`${more} more do not help`] : [])].join("; "));
}

function nameOf({ method, domain, selector }: JudgedIdentifier): string {
  if (method === "spf") return `SPF for "${domain}"`;
  return `the signature of "${domain}"${selector === undefined ? "" : ` (selector "${selector}")`}`;
}

/** What an identifier came to, as the end of a sentence. */
function outcomeOf(identifier: JudgedIdentifier, author: Author): string {
  const { result, cause } = identifier;
  const why = cause === undefined ? "" : ` (${cause})`;
  const word = result === "pass" ? "passed" : `has the result ${result}${why}`;
  return `${word}, ${alignmentOf(identifier, author)}`;
}

/** The alignment of an identifier, as a part of a sentence. */
export function alignmentOf({ domain, mode, isAligned, orgDomain }: JudgedIdentifier, author: Author): string {
  switch (isAligned) {
    case "yes":
      if (domain === author.domain) return "the same domain";
      return `aligned by the organizational domain "${orgDomain}"`;
    case "no":
      if (mode === "strict") return `not "${author.domain}" itself, which strict alignment wants`;
      return `not aligned with "${author.domain}"`;
    case "maybe":
      return `below the organizational domain "${author.orgDomain}"`;
    case "unknown":
      return "its alignment could not be looked up";
    case "unchecked":
      return "compared with nothing";
  }
}

/** Makes a text a reason: one line of printable ASCII. */
export function line(text: string): string {
  return shorten(asciiLine(text), MAX_REASON_CHARS);
}
