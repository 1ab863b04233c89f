/**
 * Mail that came in through a host of ours: another MX, or a backup MX. The client is then that relay, so SPF and iprev cannot
 * be checked here, and its own results are believed instead (RFC 8601 section 5).
 *
 * What it has added stands above the first Received: field, which it has added too: all that strangers have sent is below.
 * Nothing there is believed, and without a Received: nothing at all. The topmost field that has results of a method counts.
 */
import type { SignatureVerdict } from "../dkim/verdict.ts";
import { lowerCase } from "../dns/name.ts";
import type { MethodResult } from "../mail/authentication-results.ts";
import type { HeaderField } from "../mail/header-field.ts";
import { AddressSet, type Cidr, type ClientAddress } from "../mail/ip.ts";
import { normalizeName } from "../mail/names.ts";
import { type ReadResult, readAuthenticationResults } from "../mail/read-authentication-results.ts";
import { checkedDomain } from "../spf/query.ts";
import { SPF_RESULTS, type SpfIdentity, type SpfResult, type SpfVerdict } from "../spf/verdict.ts";
import { isResultsField } from "./forged-results.ts";
import { METHOD_RESULTS } from "./report.ts";

export interface RelaySettings {
  readonly trustedRelays: readonly Cidr[];
  /** The names in Authentication-Results that are believed of them. */
  readonly trustedIds: readonly string[];
}

export interface Relays {
  /** Tells if a client is one of them. */
  has(client: ClientAddress | undefined): boolean;
  /** Their names, in lower case. */
  readonly ids: readonly string[];
}

export function createRelays({ trustedRelays, trustedIds }: RelaySettings): Relays {
  const addresses = new AddressSet(trustedRelays);
  return {
    has: (client) => client !== undefined && addresses.has(client),
    ids: trustedIds.map((id) => lowerCase(id).replace(/\.$/, "")),
  };
}

/** The number of fields at the top that the relay itself has added: those above the first Received: field. */
function addedByRelay(fields: readonly HeaderField[]): number {
  return Math.max(
    0,
    fields.findIndex(({ key }) => key === "received"),
  );
}

/** The part of an envelope that SPF is about. */
interface Identities {
  readonly heloName: string;
  /** "" is the null sender. */
  readonly sender: string;
}

interface RelayedResult extends ReadResult {
  readonly authservId: string;
}

const SIGNATURE_WORDS = ["header.d", "header.s"] as const;

/** What a relay says of one message. */
export class RelayedResults {
  readonly #results: readonly RelayedResult[];

  /** @param fields the whole header. @param ids the names that are believed, in lower case */
  constructor(fields: readonly HeaderField[], ids: readonly string[]) {
    const found: RelayedResult[] = [];
    for (const field of fields.slice(0, addedByRelay(fields))) {
      const read = isResultsField(field) ? readAuthenticationResults(field.value) : undefined;
      if (read === undefined || !ids.includes(read.authservId)) continue;
      const known = new Set(found.map(({ method }) => method));
      for (const one of read.results) {
        if (!known.has(one.method)) found.push({ ...one, authservId: read.authservId });
      }
    }
    this.#results = found;
  }

  /**
   * The verdict of SPF for one identity. `none` if the relay says nothing of it: a check of the relay's own address would
   * let anybody pass for a domain whose record names our MX hosts.
   *
   * @returns `undefined` for an identity that the message does not have
   */
  spf(identity: SpfIdentity, { heloName, sender }: Identities): SpfVerdict | undefined {
    if (identity === "mailfrom" && sender === "") return undefined;
    const checked = lowerCase(checkedDomain({ identity, heloName, sender }));
    for (const { authservId, result, properties } of this.#of("spf")) {
      const value = properties.get(`smtp.${identity}`);
      if (value === undefined || !isSpfResult(result)) continue;
      // Beside a MAIL FROM the name in HELO is a remark, not what was checked.
      if (identity === "helo" && properties.has("smtp.mailfrom")) continue;
      // The name that greeted the relay is not known here, but the sender is: a result for another one is not about this message.
      const domain = lowerCase(checkedDomain({ identity: "mailfrom", heloName: "", sender: value }));
      if (identity === "mailfrom" && domain !== checked) continue;
      return relayedSpf(identity, domain, result, says(authservId));
    }
    if (identity === "helo" && sender !== "") return undefined;
    return relayedSpf(identity, checked, "none", "no result of the trusted relay");
  }

  /**
   * Our verdicts on signatures, where the relay's count for those that do not fit here: a host on the way may have encoded the
   * message anew, and DNS may give no answer.
   */
  signatures(verdicts: readonly SignatureVerdict[]): SignatureVerdict[] {
    const passed = this.#of("dkim").filter(({ result }) => result === "pass");
    return verdicts.map((verdict) => {
      if (verdict.result !== "fail" && verdict.result !== "temperror") return verdict;
      const same = passed.find(({ properties }) => isOf(properties, verdict));
      if (same === undefined) return verdict;
      return { ...verdict, result: "pass", reason: `${says(same.authservId)}; here: ${verdict.reason}` };
    });
  }

  /** The domains of signatures that have passed, for a host that does not verify any itself. */
  passedSignatures(): { readonly domain: string; readonly selector: string }[] {
    return this.#of("dkim").flatMap(({ result, properties }) => {
      const [domain, selector = ""] = SIGNATURE_WORDS.map((word) => properties.get(word));
      return result === "pass" && domain !== undefined ? [{ domain, selector }] : [];
    });
  }

  /** The results of a method as the relay gives them, for our own field. */
  methodResults(method: string): MethodResult[] {
    const known = this.#of(method).filter(({ result }) => (METHOD_RESULTS as readonly string[]).includes(result));
    return known.map(({ authservId, result, properties }) => ({
      method,
      result,
      comment: says(authservId),
      properties: [...properties].flatMap(([key, value]) => {
        const [ptype = "", property = ""] = key.split(".");
        return isPtype(ptype) ? [{ ptype, property, value }] : [];
      }),
    }));
  }

  #of(method: string): RelayedResult[] {
    return this.#results.filter((one) => one.method === method);
  }
}

function says(authservId: string): string {
  return `as ${authservId} says`;
}

function isOf(properties: ReadonlyMap<string, string>, verdict: SignatureVerdict): boolean {
  const [domain = "", selector] = SIGNATURE_WORDS.map((word) => properties.get(word));
  if (normalizeName(domain) !== normalizeName(verdict.domain)) return false;
  const signature = properties.get("header.b");
  // Some hosts give no selector, and some a longer part of the signature.
  if (signature === undefined) return selector !== undefined && lowerCase(selector) === lowerCase(verdict.selector);
  return verdict.signature !== "" && isStartOf(signature, verdict.signature);
}

function isStartOf(one: string, other: string): boolean {
  const length = Math.min(one.length, other.length);
  return length > 0 && one.slice(0, length) === other.slice(0, length);
}

function relayedSpf(identity: SpfIdentity, domain: string, result: SpfResult, explanation: string): SpfVerdict {
  return {
    result,
    identity,
    domain,
    mechanism: undefined,
    problem: undefined,
    explanation,
    explanationFromDomain: false,
    record: undefined,
    lookups: 0,
    voidLookups: 0,
    elapsedMs: 0,
  };
}

function isSpfResult(result: string): result is SpfResult {
  return (SPF_RESULTS as readonly string[]).includes(result);
}

function isPtype(ptype: string): ptype is MethodResult["properties"][number]["ptype"] {
  return ["smtp", "header", "body", "policy"].includes(ptype);
}
