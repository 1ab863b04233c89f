/**
 * Finds out if a domain publishes a DMARC policy, by the tree walk of RFC 9989 section 4.10: first the record of the
 * domain itself, then the record of each domain above it. This needs no public suffix list.
 */

import { chain, type Eventual } from "../collections/eventual.ts";
import type { Resolver } from "../dns/types.ts";
import { normalizeName } from "../mail/names.ts";

/** The labels of the longest parent that the walk visits. With the domain itself it makes at most 8 queries. */
const MAX_PARENT_LABELS = 7;

export const DMARC_RECORD = /^v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/;

/**
 * Looks up the DMARC records. DNS trouble counts as published: without a record the mail is rejected, and a message
 * that may have a good DKIM signature must not be lost because a name server did not answer.
 *
 * @param domain latin1, A-labels
 * @param deadlineMs on the clock of `performance.now()`
 */
export function publishesDmarc(domain: string, resolver: Resolver, deadlineMs: number): Eventual<boolean> {
  return anyPublishes(treeWalk(domain), resolver, deadlineMs);
}

function anyPublishes(domains: readonly string[], resolver: Resolver, deadlineMs: number): Eventual<boolean> {
  const [domain, ...above] = domains;
  if (domain === undefined) return false;
  return chain(resolver.resolve(`_dmarc.${domain}`, "TXT", { deadlineMs }), (answer) => {
    if (answer.status === "error") return true;
    // Several records at one name count as none (RFC 9989 section 4.10), and the walk goes on.
    const records = answer.status === "ok" ? answer.records.filter((text) => DMARC_RECORD.test(text)) : [];
    return records.length === 1 || anyPublishes(above, resolver, deadlineMs);
  });
}

/** The domain and its parents up to the top-level domain, in the order in which their records are looked up. */
export function treeWalk(domain: string): string[] {
  const name = normalizeName(domain);
  const labels = name.split(".");
  if (labels.includes("")) return [];
  const parents = labels.slice(Math.max(1, labels.length - MAX_PARENT_LABELS));
  return [name, ...parents.map((_label, index) => parents.slice(index).join("."))];
}
