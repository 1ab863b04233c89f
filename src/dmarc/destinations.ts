/**
 * Finds out who gets the reports of a domain: its rua= addresses, of which those of other organizations must agree
 * (RFC 9990 section 4), so that nobody can have a victim flooded with reports.
 */
import type { Resolver } from "../dns/types.ts";
import { domainOf, normalizeName } from "../mail/names.ts";
import { loadTreeWalk } from "../mailauth/dmarc.ts";
import { DmarcLookups, NoAnswer } from "./lookups.ts";
import { dmarcRecords, parseDmarcRecord } from "./record.ts";
import type { ReportUri } from "./report-uri.ts";

/** A mailbox that gets reports. */
interface Destination {
  readonly mailbox: string;
  readonly maxBytes: number | undefined;
}

/** An address that gets none. */
interface RefusedDestination {
  readonly uri: string;
  readonly reason: string;
  /** True if DNS did not answer: it may be asked again later. */
  readonly isTemporary: boolean;
}

export interface Destinations {
  readonly accepted: readonly Destination[];
  readonly refused: readonly RefusedDestination[];
}

/** Addresses of one record that are used, the first ones. Whoever publishes many has each report sent so often. */
const MAX_DESTINATIONS = 5;

/**
 * @param domain the domain that has the record
 * @param rua its addresses
 * @param deadlineMs on the clock of `performance.now()`
 */
export async function reportDestinations(
  domain: string,
  rua: readonly ReportUri[],
  resolver: Resolver,
  deadlineMs: number,
): Promise<Destinations> {
  const lookups = new DmarcLookups(resolver, deadlineMs);
  const asked = rua.slice(0, MAX_DESTINATIONS).map((uri) => check(domain, uri, lookups));
  const spare = rua
    .slice(MAX_DESTINATIONS)
    .map((uri) => refuse(uri, `too many addresses: the first ${MAX_DESTINATIONS} are used`));
  // All at once: a host that is silent takes no time from the others.
  const found = [...(await Promise.all(asked)), ...spare];
  return {
    accepted: found.flatMap((one) => ("reason" in one ? [] : [one])),
    refused: found.flatMap((one) => ("reason" in one ? [one] : [])),
  };
}

async function check(domain: string, uri: ReportUri, lookups: DmarcLookups): Promise<Destination | RefusedDestination> {
  const { mailbox } = uri;
  if (mailbox === undefined) return refuse(uri, "only mailto: with one mailbox is supported");
  const host = normalizeName(domainOf(mailbox));
  try {
    if (await isOneOrganization(domain, host, lookups)) return toDestination(uri, mailbox);
    return await askHost(domain, uri, mailbox, host, lookups);
  } catch (error) {
    if (error instanceof NoAnswer) return { ...refuse(uri, error.message), isTemporary: true };
    throw error;
  }
}

async function isOneOrganization(domain: string, host: string, lookups: DmarcLookups): Promise<boolean> {
  if (domain === host) return true;
  const { getOrgDomain } = loadTreeWalk();
  return (await getOrgDomain(domain, lookups.walk([]))) === (await getOrgDomain(host, lookups.walk([])));
}

/** Asks for the record by which the host of the address agrees. It may name another mailbox of the same host. */
async function askHost(
  domain: string,
  uri: ReportUri,
  mailbox: string,
  host: string,
  lookups: DmarcLookups,
): Promise<Destination | RefusedDestination> {
  const name = `${domain}._report._dmarc.${host}`;
  const records = dmarcRecords(await lookups.texts(name)).flatMap((text) => {
    const record = parseDmarcRecord(text);
    return "broken" in record ? [] : [record];
  });
  if (records.length === 0) return refuse(uri, `"${host}" does not agree: no DMARC record at "${name}"`);
  const [other] = records.flatMap((record) => record.rua);
  if (other === undefined) return toDestination(uri, mailbox);
  if (other.mailbox !== undefined && normalizeName(domainOf(other.mailbox)) === host) {
    return toDestination(other, other.mailbox);
  }
  return refuse(uri, `"${name}" names an address of another host`);
}

function toDestination({ maxBytes }: ReportUri, mailbox: string): Destination {
  return { mailbox, maxBytes };
}

function refuse({ text }: ReportUri, reason: string): RefusedDestination {
  return { uri: text, reason, isTemporary: false };
}
