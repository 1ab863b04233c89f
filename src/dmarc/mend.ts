/** What the owner of a domain has to do, in one sentence, so that its mail passes. */
import { asciiLine, shorten } from "../mail/text.ts";
import type { Author } from "./align.ts";
import type { FromFault } from "./from.ts";
import type { JudgedIdentifier } from "./verdict.ts";

const MEND_FROM: Readonly<Record<FromFault, string>> = {
  absent: "Send messages with a From field.",
  repeated: "Send messages with one From field.",
  empty: "Put the author's address into the From field.",
  "no-domain": "Put the author's whole address, with its domain, into the From field.",
  literal: "Put an address with a domain name into the From field.",
  several: "Put addresses of one domain only into the From field, and name a Sender.",
  malformed: "Write the From field by the grammar of RFC 5322: put quotes around a name with special characters.",
};

export function mendFrom(fault: FromFault): string {
  return MEND_FROM[fault];
}

export function mendLookups(): string {
  return "Try again later, or mend the name servers of that name.";
}

const MAX_CHARS = 300;

/** Chooses the shortest way to a pass: mend what is nearly right, else sign. */
export function mendFail(author: Author, identifiers: readonly JudgedIdentifier[]): string {
  const mended = WAYS.reduce<string | undefined>((found, way) => found ?? way(author, identifiers), undefined);
  return shorten(asciiLine(mended ?? `Sign with DKIM as "${author.domain}".`), MAX_CHARS);
}

type Way = (author: Author, identifiers: readonly JudgedIdentifier[]) => string | undefined;

const WAYS: readonly Way[] = [
  (_author, identifiers) => {
    const broken = identifiers.find((one) => one.method === "dkim" && mayBeAligned(one));
    if (broken === undefined) return undefined;
    const { domain, result, cause } = broken;
    const why = cause === undefined ? "" : `: ${cause}`;
    return `Mend the DKIM signature of "${domain}", whose domain is right but whose result is ${result}${why}.`;
  },
  (author, identifiers) => {
    const near = identifiers.find((one) => isOnlyTooLoose(one, author));
    if (near === undefined) return undefined;
    const { method, domain } = near;
    return method === "dkim"
      ? `Sign as "${author.domain}" instead of "${domain}", or publish adkim=r in place of adkim=s.`
      : `Send with an envelope sender of "${author.domain}" instead of "${domain}", or publish aspf=r in place of aspf=s.`;
  },
  (author, identifiers) => {
    const foreign = identifiers.find(({ method, result }) => method === "dkim" && result === "pass");
    if (foreign === undefined) return undefined;
    return `Sign as "${author.domain}" too: the signature of "${foreign.domain}" is good, but that is another domain.`;
  },
  (author, identifiers) => {
    const spf = identifiers.find((one) => one.method === "spf" && mayBeAligned(one));
    if (spf === undefined) return undefined;
    return `Sign with DKIM as "${author.domain}", which forwarding leaves whole, or name the client in the SPF record of "${spf.domain}".`;
  },
  (author, identifiers) => {
    const spf = identifiers.find(({ method, result }) => method === "spf" && result === "pass");
    if (spf === undefined) return undefined;
    return `Sign with DKIM as "${author.domain}", or send with an envelope sender below "${author.orgDomain ?? author.domain}" instead of "${spf.domain}".`;
  },
];

function mayBeAligned({ isAligned }: JudgedIdentifier): boolean {
  return isAligned === "yes" || isAligned === "maybe";
}

/** Tells if an identifier passed, and only strict alignment is in its way. */
function isOnlyTooLoose({ mode, result, domain }: JudgedIdentifier, { orgDomain }: Author): boolean {
  if (mode !== "strict" || result !== "pass" || orgDomain === undefined) return false;
  return domain === orgDomain || domain.endsWith(`.${orgDomain}`);
}
