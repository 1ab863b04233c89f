/**
 * The one place that knows mailauth. It is asked about single directives, not whole records: `evaluate.ts` chooses
 * the record, walks its terms and keeps the limits, so that it knows which directive matched and what each cost.
 * mailauth checks the syntax, expands macros and compares addresses, always in strict mode.
 *
 * What is repaired here, each with a test in test/spf/mailauth.test.ts that fails once mailauth no longer needs it:
 *
 * - several delimiters with "-" among them (`%{l.-+}`) become a broken RegExp class: "-" is put first;
 * - MX hosts that are no names (an address, a single label) are a permerror: they have no address here;
 * - a bare `a` or `mx` expands the evaluated name as if it were a macro-string: a "%" in it is escaped;
 * - `mailauth/lib/tools.js` loads Joi, libmime and tldts for three small functions: 110 ms and 24 MiB that are saved.
 *
 * Repaired by not using `spf()` itself: domains with underscores, limits of 0, no time limit, no matched directive.
 */
import { createRequire } from "node:module";
import { isIP } from "node:net";
import type { RecordData, RecordType } from "../dns/types.ts";
import { isMultiLabelName, withoutRootDot } from "./domain.ts";
import type { Lookups } from "./lookups.ts";
import { dependence, hyphenFirst, type MacroDependence, moreDependent, withExplicitName } from "./macros.ts";
import { splitTerms } from "./record.ts";
import { StopEvaluation } from "./stop.ts";

/** MX hosts that are asked for their addresses before it is a permerror (RFC 7208 section 4.6.4). */
const MAX_MX_HOSTS = 10;

/** An address as mailauth's parser (ipaddr.js) gives it. */
export interface ClientAddress {
  kind(): "ipv4" | "ipv6";
  toString(): string;
  toByteArray(): number[];
  isIPv4MappedAddress?(): boolean;
  toIPv4Address?(): ClientAddress;
}

/** What macros expand to, apart from the evaluated domain. */
export interface MacroValues {
  readonly client: ClientAddress;
  readonly sender: string;
  readonly helo: string;
  /** Our own host name, for `%{r}`. */
  readonly receiver: string;
}

/** What became of a domain-spec. */
export type ExpandedName =
  | { readonly status: "name"; readonly name: string }
  /** It holds a local part that is not ASCII, so its term matches nothing (RFC 8616 section 4). */
  | { readonly status: "unmatchable" }
  /** What it expands to is no name that could be asked for. */
  | { readonly status: "invalid" };

type Answers = readonly unknown[] | Promise<readonly unknown[]>;
type Ask = (name: string, type: RecordType) => Answers;

interface VerifyOptions {
  readonly strict: true;
  readonly ip: string;
  readonly addr: ClientAddress;
  readonly sender: string;
  readonly helo: string;
  readonly mta: string;
  readonly ctx: { readonly warnings: Set<string> };
  readonly resolver: Ask;
  readonly createSubResolver: () => Ask;
  readonly expResolver: Ask;
}

interface Match {
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
}

const mailauth = loadMailauth();

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

/** The first syntax error among a record's terms (RFC 7208 section 4.6), in mailauth's words. */
export function findSyntaxError(terms: readonly string[]): { term: string | undefined; reason: string } | undefined {
  const reason = mailauth.validateTerms(terms);
  if (reason === false) return undefined;
  const term = terms.find((candidate) => mailauth.validateTerms([candidate]) !== false);
  return { term, reason };
}

/** Evaluates terms of the record of `domain` against one client. */
export class DirectiveMatcher {
  readonly #values: MacroValues;
  readonly #lookups: Lookups;
  readonly #ctx = { warnings: new Set<string>() };
  /** What the macros expanded so far depend on, beside the client and the domain. */
  dependence: MacroDependence = "nothing";
  readonly #ip: string;

  constructor(values: MacroValues, lookups: Lookups) {
    this.#values = values;
    this.#lookups = lookups;
    this.#ip = values.client.toString();
  }

  /**
   * The index of the first directive that matches, if one does. Several may be asked about at once if none of them
   * asks DNS.
   *
   * @param directives all but `include`, with correct syntax.
   * @throws {StopEvaluation}
   */
  async findMatch(domain: string, directives: readonly string[]): Promise<number | undefined> {
    const written = directives.map((text) => withExplicitName(text, domain));
    const match = await this.#verify(domain, `v=spf1 ${written.join(" ")}`, (name, type) => this.#ask(name, type));
    if (match.type === undefined) return undefined;
    if (written.length === 1) return 0;
    const terms = splitTerms(`v=spf1 ${written.join(" ")}`);
    return terms.findIndex((term) => term.name === match.type && term.value === (match.val ?? ""));
  }

  /**
   * The name that a domain-spec stands for (RFC 7208 section 7.3). `exists` is the mechanism that does nothing but
   * expand its name and ask for it, so mailauth is given that.
   *
   * @throws {StopEvaluation}
   */
  async expandName(domain: string, domainSpec: string): Promise<ExpandedName> {
    if (!domainSpec.includes("%")) {
      const name = withoutRootDot(domainSpec);
      return mailauth.isValidTargetName(name) ? { status: "name", name } : { status: "invalid" };
    }
    let target: string | undefined;
    await this.#verify(domain, `v=spf1 exists:${domainSpec}`, (name, type) => {
      if (type !== "A") return this.#ask(name, type);
      target = name;
      return [];
    });
    if (target !== undefined) return { status: "name", name: target };
    return { status: this.#isUnmatchable(domainSpec) ? "unmatchable" : "invalid" };
  }

  #isUnmatchable(domainSpec: string): boolean {
    const { sender } = this.#values;
    const local = sender.slice(0, sender.lastIndexOf("@"));
    return /[^\x00-\x7f]/.test(local) && /%\{[sl]/i.test(domainSpec.replaceAll("%%", ""));
  }

  /** The domain's own explanation of a fail, macros expanded, if it can be had (RFC 7208 section 6.2). */
  async explain(domain: string, domainSpec: string): Promise<string | undefined> {
    const match = await this.#verify(domain, `v=spf1 -all exp=${domainSpec}`, () => []);
    return match.explanation;
  }

  async #verify(domain: string, record: string, resolver: Ask): Promise<Match> {
    const { client, sender, helo, receiver } = this.#values;
    this.#note(record);
    const answerRecord: Ask = (name, type) => (type === "TXT" ? [[hyphenFirst(record)]] : resolver(name, type));
    try {
      return await mailauth.spfVerify(domain, {
        strict: true,
        ip: this.#ip,
        addr: client,
        sender,
        helo,
        mta: receiver,
        ctx: this.#ctx,
        resolver: answerRecord,
        createSubResolver: () => this.#hostAsker(),
        expResolver: (name, type) => this.#askForExplanation(name, type),
      });
    } catch (cause) {
      if (cause instanceof StopEvaluation) throw cause;
      throw new StopEvaluation("permerror", `Cannot evaluate "${record}": ${String(cause)}`);
    }
  }

  #ask(name: string, type: RecordType): Answers {
    return shape(type, this.#lookups.ask(name, type));
  }

  /** Asks for the addresses of one term's MX or PTR hosts; never throws at once, where mailauth asks several in parallel. */
  #hostAsker(): Ask {
    let hosts = 0;
    return async (name, type) => {
      if (++hosts > MAX_MX_HOSTS) throw new StopEvaluation("permerror", `Cannot use MX: over ${MAX_MX_HOSTS} hosts`);
      return isMultiLabelName(withoutRootDot(name)) ? shape(type, this.#lookups.askUncounted(name, type)) : [];
    };
  }

  async #askForExplanation(name: string, type: RecordType): Promise<readonly unknown[]> {
    const records = await this.#lookups.askUncounted(name, type);
    if (type !== "TXT") return records;
    const texts = records.map(String);
    for (const text of texts) this.#note(text);
    return texts.map((text) => [hyphenFirst(text)]);
  }

  #note(macroString: string): void {
    this.dependence = moreDependent(this.dependence, dependence(macroString));
  }
}

/** Records as node:dns shapes them, which is what mailauth reads. Lists are copies: it sorts them in place. */
function shape<T extends RecordType>(
  type: T,
  records: readonly RecordData[T][] | Promise<readonly RecordData[T][]>,
): Answers {
  if (records instanceof Promise) return records.then((late) => shape(type, late));
  return records.map((data) =>
    typeof data === "object" ? { exchange: data.exchange, priority: data.preference } : data,
  );
}
