/** Evaluates single directives and macro-strings with mailauth (RFC 7208 sections 5 and 7). */
import type { RecordData, RecordType } from "../dns/types.ts";
import type { ClientAddress } from "../mail/ip.ts";
import { type Answers, type Ask, loadMailauth, type Match, type ParsedAddress } from "../mailauth/spf.ts";
import type { DnsLookups } from "./dns.ts";
import { isMultiLabelName, withoutRootDot } from "./domain.ts";
import { dependence, hyphenFirst, type MacroDependence, moreDependent, withExplicitName } from "./macros.ts";
import { decidingAddresses, inWrittenNetwork } from "./network.ts";
import { StopEvaluation } from "./stop.ts";

/** MX hosts whose addresses are looked up. More of them are a permerror (RFC 7208 section 4.6.4). */
const MAX_MX_HOSTS = 10;
/** Addresses that are compared in one check. This limit is our own: ten terms of ten MX hosts could give 100,000. */
const MAX_ADDRESSES = 10_000;
/** A prefix as long as the client's address. */
const ALL_BITS = 128;

/** The values that macros expand to, apart from the evaluated domain. */
export interface MacroValues {
  readonly client: ClientAddress;
  readonly sender: string;
  readonly helo: string;
  /** Our own host name, for `%{r}`. */
  readonly receiver: string;
}

/** The result of expanding a domain-spec. */
export type ExpandedName =
  | { readonly status: "name"; readonly name: string }
  /** The domain-spec contains a local part that is not ASCII, so its term matches nothing (RFC 8616 section 4). */
  | { readonly status: "unmatchable" }
  /** The expanded text is not a name that DNS can be queried for. */
  | { readonly status: "invalid" };

/** Evaluates terms of the record of `domain` against one client. */
export class DirectiveMatcher {
  readonly #values: MacroValues;
  readonly #lookups: DnsLookups;
  /** The things that the macros expanded so far depend on, beside the client and the domain. */
  dependence: MacroDependence = "nothing";
  /** The object in which mailauth collects its warnings, one for all directives of a check. */
  #ctx: { readonly warnings: Set<string> } | undefined = undefined;
  #comparedAddresses = 0;
  /** The client in mailauth's form. Made on first use, because most records do not need it. */
  #address: ParsedAddress | undefined = undefined;

  constructor(values: MacroValues, lookups: DnsLookups) {
    this.#values = values;
    this.#lookups = lookups;
  }

  /** Tells if an `ip4` or `ip6` mechanism with this value matches. Uses neither mailauth nor a promise. */
  isInNetwork(network: string): boolean {
    return inWrittenNetwork(this.#values.client.groups, network);
  }

  /**
   * Tells if an `a`, `mx`, `ptr` or `exists` directive matches. The qualifier does not matter.
   *
   * @throws {StopEvaluation}
   */
  async matches(domain: string, directive: string): Promise<boolean> {
    const record = `v=spf1 ${withExplicitName(directive, domain)}`;
    const prefixBits = this.#prefixBits(directive);
    const match = await this.#verify(domain, record, (name, type) => this.#ask(name, type, prefixBits), prefixBits);
    return match.type !== undefined;
  }

  get #isIPv4(): boolean {
    return this.#values.client.family === "ipv4";
  }

  /** The prefix length of an `a` or `mx` directive for the client's address family. */
  #prefixBits(directive: string): number {
    const [, ipv4, ipv6] = /(?:\/(\d+))?(?:\/\/(\d+))?$/.exec(directive) ?? [];
    return this.#isIPv4 ? Number(ipv4 ?? 32) : Number(ipv6 ?? 128);
  }

  /**
   * Expands a domain-spec to a name (RFC 7208 section 7.3). It lets mailauth evaluate `exists`, the mechanism that only
   * expands its name and queries for it.
   *
   * @throws {StopEvaluation}
   */
  async expandName(domain: string, domainSpec: string): Promise<ExpandedName> {
    if (!domainSpec.includes("%")) {
      const { normalizeTargetName, isValidTargetName } = loadMailauth();
      const name = normalizeTargetName(domainSpec);
      return isValidTargetName(name) ? { status: "name", name } : { status: "invalid" };
    }
    let target: string | undefined;
    await this.#verify(domain, `v=spf1 exists:${domainSpec}`, (name, type) => {
      if (type !== "A") return this.#ask(name, type, ALL_BITS);
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

  /** The domain's own explanation of a fail, with macros expanded, if there is one (RFC 7208 section 6.2). */
  async expandExplanation(domain: string, domainSpec: string): Promise<string | undefined> {
    const match = await this.#verify(domain, `v=spf1 -all exp=${domainSpec}`, () => []);
    return match.explanation;
  }

  async #verify(domain: string, record: string, resolver: Ask, prefixBits = ALL_BITS): Promise<Match> {
    const { client, sender, helo, receiver } = this.#values;
    this.#note(record);
    const answerRecord: Ask = (name, type) => (type === "TXT" ? [[hyphenFirst(record)]] : resolver(name, type));
    try {
      return await loadMailauth().spfVerify(domain, {
        strict: true,
        ip: client.text,
        addr: (this.#address ??= loadMailauth().parseIp(client.text) ?? undefined),
        sender,
        helo,
        mta: receiver,
        ctx: (this.#ctx ??= { warnings: new Set() }),
        resolver: answerRecord,
        createSubResolver: () => this.#hostAsker(prefixBits),
        expResolver: (name, type) => this.#askForExplanation(name, type),
      });
    } catch (cause) {
      if (cause instanceof StopEvaluation) throw cause;
      throw new StopEvaluation("permerror", `Cannot evaluate "${record}": ${String(cause)}`);
    }
  }

  #ask(name: string, type: RecordType, prefixBits: number): Answers {
    const records = this.#lookups.ask(name, type);
    if (records instanceof Promise) return records.then((late) => this.#shape(type, late, prefixBits));
    return this.#shape(type, records, prefixBits);
  }

  /**
   * Queries for the addresses of one term's MX or PTR hosts. It rejects but never throws, because mailauth runs several
   * in parallel.
   */
  #hostAsker(prefixBits: number): Ask {
    let hosts = 0;
    return async (name, type) => {
      if (++hosts > MAX_MX_HOSTS) throw new StopEvaluation("permerror", `Cannot use MX: over ${MAX_MX_HOSTS} hosts`);
      if (!isMultiLabelName(withoutRootDot(name))) return [];
      return this.#shape(type, await this.#lookups.askUncounted(name, type), prefixBits);
    };
  }

  async #askForExplanation(name: string, type: RecordType): Promise<readonly unknown[]> {
    const records = await this.#lookups.askUncounted(name, type);
    if (type !== "TXT") return this.#shape(type, records, ALL_BITS);
    const texts = records.map(String);
    for (const text of texts) this.#note(text);
    return texts.map((text) => [hyphenFirst(text)]);
  }

  /**
   * Converts records to the form of node:dns, which mailauth reads. Lists are copies, because mailauth sorts them in
   * place.
   */
  #shape(type: RecordType, records: readonly RecordData[RecordType][], prefixBits: number): readonly unknown[] {
    if (type === "A" && !this.#isIPv4) return records.slice(0, 1); // only `exists` asks for A with an IPv6 client
    if (type === "A" || type === "AAAA") {
      this.#comparedAddresses += records.length;
      if (this.#comparedAddresses > MAX_ADDRESSES) {
        throw new StopEvaluation("permerror", `Cannot compare the addresses: over ${MAX_ADDRESSES}`);
      }
      const addresses = records.map(String);
      const deciding = decidingAddresses(this.#values.client.groups, addresses, prefixBits);
      return deciding.length > 0 ? deciding : addresses.slice(0, 1);
    }
    return records.map((data) =>
      typeof data === "object" ? { exchange: data.exchange, priority: data.preference } : data,
    );
  }

  #note(macroString: string): void {
    this.dependence = moreDependent(this.dependence, dependence(macroString));
  }
}
