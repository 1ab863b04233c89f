/** Chooses the signatures that are verified. A sender may write thousands; each costs a DNS query and a verification. */
import { lowerCase } from "../dns/name.ts";
import type { HeaderField } from "../mail/header-field.ts";
import { MAX_SIGNATURE_BYTES } from "./signature.ts";

const SIGNATURE_FIELD = "dkim-signature";

/** The domain in d=, found without reading the whole list: this is only for the order. */
const DOMAIN_TAG = /(?:^|;)[ \t\r\n]*d[ \t\r\n]*=[ \t\r\n]*([^; \t\r\n]*)/;

/**
 * The first `most` signatures, in the order of the message. Those whose domain is an author's come first, then those
 * above or below it, then those that share its last two labels: DMARC can only use these.
 *
 * @param authorDomains the domains of the From field, in A-labels
 */
export function chooseSignatures(
  fields: readonly HeaderField[],
  authorDomains: readonly string[],
  most: number,
): readonly HeaderField[] {
  const all = fields.filter(({ key }) => key === SIGNATURE_FIELD);
  if (all.length <= most) return all;
  const authors = authorDomains.map(lowerCase);
  const ranked = all.map((field) => ({ field, distance: distance(field, authors) }));
  const chosen = new Set(
    ranked
      .sort((a, b) => a.distance - b.distance)
      .slice(0, most)
      .map(({ field }) => field),
  );
  return all.filter((field) => chosen.has(field));
}

function distance(field: HeaderField, authors: readonly string[]): number {
  const domain = field.line.length > MAX_SIGNATURE_BYTES ? undefined : DOMAIN_TAG.exec(field.value)?.[1];
  if (domain === undefined) return DISTANCES.length + 1;
  const signer = lowerCase(domain);
  const found = DISTANCES.findIndex((isNear) => authors.some((author) => isNear(signer, author)));
  return found === -1 ? DISTANCES.length : found;
}

const DISTANCES: readonly ((signer: string, author: string) => boolean)[] = [
  (signer, author) => signer === author,
  (signer, author) => author.endsWith(`.${signer}`) || signer.endsWith(`.${author}`),
  (signer, author) => lastLabels(signer) === lastLabels(author),
];

function lastLabels(name: string): string {
  return name.split(".").slice(-2).join(".");
}
