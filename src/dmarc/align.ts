/** Identifier alignment (RFC 9989 sections 4.4 and 4.10.2). */

import { isDomainName, normalizeName } from "../mail/names.ts";
import { loadTreeWalk } from "../mailauth/dmarc.ts";
import { type DmarcLookups, NoAnswer, type WalkStep } from "./lookups.ts";
import type { AlignmentMode } from "./record.ts";
import type { Identifier, JudgedIdentifier } from "./verdict.ts";

/** The domain to align with. */
export interface Author {
  readonly domain: string;
  /** `undefined` if DNS trouble hides it. */
  readonly orgDomain: string | undefined;
}

/**
 * Compares one identifier with the author's domain. A walk is made only for one that passed, or might have: a stranger
 * can add any number of signatures that fail.
 */
export async function align(
  identifier: Identifier,
  author: Author,
  mode: AlignmentMode,
  lookups: DmarcLookups,
): Promise<JudgedIdentifier> {
  const domain = normalizeName(identifier.domain);
  const judged = (
    isAligned: JudgedIdentifier["isAligned"],
    orgDomain?: string,
    walk: readonly WalkStep[] = [],
  ): JudgedIdentifier => ({ ...identifier, domain, mode, isAligned, orgDomain, walk });

  if (domain === author.domain) return judged("yes");
  if (mode === "strict" || !isDomainName(domain) || !mayAlign(domain, author)) return judged("no");
  if (author.orgDomain === undefined) return judged("unknown");
  if (identifier.result !== "pass" && identifier.result !== "temperror") return judged("maybe");
  const steps: WalkStep[] = [];
  try {
    const orgDomain = await loadTreeWalk().getOrgDomain(domain, lookups.walk(steps));
    return judged(orgDomain === author.orgDomain ? "yes" : "no", orgDomain, steps);
  } catch (error) {
    if (error instanceof NoAnswer) return judged("unknown", undefined, steps);
    throw error;
  }
}

/** An identifier that is compared with nothing. */
export function unchecked(identifier: Identifier): JudgedIdentifier {
  const domain = normalizeName(identifier.domain);
  return { ...identifier, domain, mode: "relaxed", isAligned: "unchecked", orgDomain: undefined, walk: [] };
}

/**
 * Tells if two names can have the same organizational domain, which is one of them or a name above. Without the
 * author's, the last label must be the same.
 */
function mayAlign(domain: string, { domain: authorDomain, orgDomain }: Author): boolean {
  const common = orgDomain ?? authorDomain.slice(authorDomain.lastIndexOf(".") + 1);
  return domain === common || domain.endsWith(`.${common}`);
}
