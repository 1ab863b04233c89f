/**
 * The one place that knows mailauth. It is asked about single directives (`directives.ts`), not whole records:
 * `evaluate.ts` chooses the record, walks its terms and keeps the limits, so that it knows which directive matched and
 * what each cost. mailauth checks the syntax, expands macros and knows what a, mx, ptr and exists mean, always in
 * strict mode.
 *
 * What is repaired, each with a test in test/mailauth/spf.test.ts that fails once mailauth no longer needs it:
 *
 * - `mailauth/lib/tools.js` loads Joi, libmime and tldts for three small functions: 110 ms and 24 MiB, saved below;
 * - several delimiters with "-" among them (`%{l.-+}`) become a broken RegExp class: "-" is put first;
 * - a bare `a` or `mx` expands the evaluated name as if it were a macro-string: a "%" in it is escaped;
 * - MX hosts that are no names (an address, a single label) are a permerror: here they have no address.
 *
 * Repaired by not using `spf()` itself: domains with underscores, limits of 0, no time limit, no matched directive. And
 * it takes 2 to 9 us for each address that it compares, of which DNS may bring thousands: it is given those that decide.
 */
import { createRequire } from "node:module";
import { isIP } from "node:net";
import type { RecordType } from "../dns/types.ts";

/** An address as mailauth's parser (ipaddr.js) gives it. */
export interface ClientAddress {
  kind(): "ipv4" | "ipv6";
  toString(): string;
  toByteArray(): number[];
  isIPv4MappedAddress?(): boolean;
  toIPv4Address?(): ClientAddress;
}

/** Records in the shapes of dns.promises.resolve(). */
export type Answers = readonly unknown[] | Promise<readonly unknown[]>;
/** A resolver as mailauth wants it, but for what does not exist it may answer with an empty list. */
export type Ask = (name: string, type: RecordType) => Answers;

interface VerifyOptions {
  readonly strict: true;
  readonly ip: string;
  readonly addr: ClientAddress | undefined;
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
  parseIp(text: string): ClientAddress | null;
  validateTerms(terms: readonly string[]): string | false;
  isValidTargetName(name: string): boolean;
  /** Takes a trailing dot away, and labels from the left over 253 octets. */
  normalizeTargetName(name: string): string;
}

/** mailauth's own functions, under their own names. */
export const mailauth = loadMailauth();

/** Loads mailauth's evaluator with a stand-in for `tools.js`, which is taken away again for whoever else asks for it. */
function loadMailauth(): Mailauth {
  const require = createRequire(import.meta.url);
  const toolsPath = require.resolve("mailauth/lib/tools.js");
  const tools = {
    exports: { getPtrHostname, formatDomain, toALabel },
    filename: toolsPath,
    id: toolsPath,
    loaded: true,
  };
  const loaded = require.cache[toolsPath];
  require.cache[toolsPath] = tools as unknown as NodeJS.Module;
  try {
    const syntax = require("mailauth/lib/spf/syntax.js") as Omit<Mailauth, "spfVerify">;
    const { spfVerify } = require("mailauth/lib/spf/spf-verify.js") as Pick<Mailauth, "spfVerify">;
    return { ...syntax, spfVerify };
  } finally {
    if (loaded === undefined) delete require.cache[toolsPath];
    else require.cache[toolsPath] = loaded;
  }
}

/** The name whose PTR records name the client (RFC 7208 section 5.5). */
function getPtrHostname(client: ClientAddress): string {
  const bytes = client.toByteArray();
  if (client.kind() === "ipv4") return `${bytes.reverse().join(".")}.in-addr.arpa`;
  const nibbles = bytes.flatMap((byte) => [byte >> 4, byte & 15]).map((nibble) => nibble.toString(16));
  return `${nibbles.reverse().join(".")}.ip6.arpa`;
}

/** The form in which names are compared. */
function formatDomain(name: string): string {
  return name.toLowerCase().replace(/\.+$/, "");
}

/** Names reach mailauth as A-labels; what a macro adds to them is octets, and no A-label can be made of those. */
function toALabel(name: string): string {
  return name;
}

/**
 * The client's address; IPv4-mapped IPv6 is IPv4 however it is written (RFC 7208 section 5), a zone id is left out.
 *
 * @returns `undefined` if the text is not an address, as in Postfix's `unknown`.
 */
export function parseClient(clientAddress: string): ClientAddress | undefined {
  const address = isIP(clientAddress) === 0 ? undefined : (mailauth.parseIp(clientAddress) ?? undefined);
  return address?.isIPv4MappedAddress?.() === true ? address.toIPv4Address?.() : address;
}

/** What is wrong with a record, and the term that it stands in if it is one. */
export interface RecordError {
  readonly term: string | undefined;
  readonly reason: string;
}

/** The first syntax error among a record's terms (RFC 7208 section 4.6), in mailauth's words. */
export function findSyntaxError(terms: readonly string[]): RecordError | undefined {
  const reason = mailauth.validateTerms(terms);
  if (reason === false) return undefined;
  const term = terms.find((candidate) => mailauth.validateTerms([candidate]) !== false);
  return { term, reason };
}
