/**
 * The checks of one message from outside: SPF from its first recipient on, DKIM and ARC while the body comes in, DMARC at its end.
 *
 *     const checks = new Checks(parts, envelope);
 *     checks.beginSpf();
 *     checks.beginBody(header);                        // keys are asked for
 *     checks.body.update(chunk); ...
 *     const results = await checks.finish();
 */
import type { Chain } from "../arc/chain.ts";
import { type ArcVerdict, arcResult, sealerOf } from "../arc/verdict.ts";
import { ChainVerification } from "../arc/verify.ts";
import { chain, type Eventual } from "../collections/eventual.ts";
import { BodyHashes } from "../dkim/body-hash.ts";
import { dkimResults, type SignatureVerdict } from "../dkim/verdict.ts";
import { Verification } from "../dkim/verify.ts";
import { type Disposition, dmarcResult } from "../dmarc/disposition.ts";
import { evaluateDmarc } from "../dmarc/evaluate.ts";
import { type From, readFrom } from "../dmarc/from.ts";
import type { DmarcVerdict, Identifier } from "../dmarc/verdict.ts";
import type { MethodResult } from "../mail/authentication-results.ts";
import { parseAddress } from "../mail/ip.ts";
import { spfResults } from "../spf/method-results.ts";
import type { SpfTransaction } from "../spf/transactions.ts";
import type { SpfIdentity, SpfVerdict } from "../spf/verdict.ts";
import type { MessageHeader } from "./header.ts";
import { RelayedResults } from "./relay.ts";
import type { CheckParts } from "./settings.ts";

/** Who sent the message, as SMTP tells it. */
export interface Envelope {
  /** The address of the client; any text if it is not known. */
  readonly clientAddress: string;
  readonly heloName: string;
  /** "" is the null sender. */
  readonly sender: string;
}

export interface CheckResults {
  /** `undefined` without a name. */
  readonly helo: SpfVerdict | undefined;
  /** `undefined` for the null sender. */
  readonly mailFrom: SpfVerdict | undefined;
  /** `undefined` if DKIM is off. */
  readonly signatures: readonly SignatureVerdict[] | undefined;
  /** `undefined` if ARC is off. */
  readonly arc: ArcVerdict | undefined;
  readonly dmarc: { readonly verdict: DmarcVerdict; readonly disposition: Disposition } | undefined;
  /** For Authentication-Results, in its order. */
  readonly results: readonly MethodResult[];
}

type SpfVerdicts = Pick<CheckResults, "helo" | "mailFrom">;

const NO_VERDICTS: SpfVerdicts = { helo: undefined, mailFrom: undefined };

export class Checks {
  readonly #parts: CheckParts;
  readonly #envelope: Envelope | undefined;
  readonly #isRelayed: boolean;
  readonly #transaction: SpfTransaction | undefined;
  #spf: Promise<SpfVerdicts> | undefined;
  readonly body = new BodyHashes();
  #from: From = readFrom([]);
  #listId = "";
  #verification: Verification | undefined;
  #chain: ChainVerification | undefined;
  /** What the relay says that the message came through. */
  #relayed: RelayedResults | undefined;

  /**
   * @param envelope `undefined` if it is not known: then SPF is left out
   * @param transaction shared with others that check the same one
   */
  constructor(parts: CheckParts, envelope: Envelope | undefined, transaction?: SpfTransaction) {
    this.#parts = parts;
    this.#envelope = envelope;
    this.#isRelayed = envelope !== undefined && parts.relays.has(parseAddress(envelope.clientAddress));
    this.#transaction = transaction;
  }

  /** Begins with SPF, unless it has begun: once a recipient is accepted, because others may check it before. */
  beginSpf(): void {
    if (this.#spf !== undefined) return;
    this.#spf = this.#checkSpf();
    // Wanted at the end, where an error is told.
    this.#spf.catch(() => {});
  }

  /** Takes the whole header. */
  beginBody(header: MessageHeader): void {
    this.beginSpf();
    const { dkim, settings } = this.#parts;
    this.#from = header.isExcessive ? EXCESSIVE : readFrom(header.valuesOf("from"));
    this.#listId = header.valuesOf("list-id").at(-1) ?? "";
    const { fields } = header;
    if (this.#isRelayed) this.#relayed = new RelayedResults(fields, this.#parts.relays.ids);
    const deadlineMs = this.#deadlineMs();
    if (settings.verifiesArc) this.#chain = new ChainVerification(dkim, { fields, deadlineMs }, this.body);
    if (!settings.verifiesDkim) return;
    const authorDomains = this.#from.isUsable ? [this.#from.domain] : this.#from.domains;
    this.#verification = new Verification(dkim, { fields, authorDomains, deadlineMs }, this.body);
  }

  /** The ARC chain of the header, if it is verified. */
  get chain(): Chain | undefined {
    return this.#chain?.chain;
  }

  async finish(): Promise<CheckResults> {
    this.body.end();
    const verified = await this.#verification?.finish();
    const signatures = verified === undefined ? undefined : (this.#relayed?.signatures(verified) ?? verified);
    const arc = await this.#chain?.finish();
    const { helo, mailFrom } = this.#relayedSpf() ?? (await this.#spf) ?? NO_VERDICTS;
    const dmarc = this.#parts.settings.verifiesDmarc ? await this.#judge(signatures, mailFrom ?? helo, arc) : undefined;
    const results = [
      ...spfResults(mailFrom, helo),
      ...(signatures === undefined ? this.#relayedOf("dkim") : dkimResults(signatures)),
      ...(arc === undefined ? this.#relayedOf("arc") : [arcResult(arc, this.#remoteIp())]),
      ...(dmarc === undefined ? this.#relayedOf("dmarc") : [dmarcResult(dmarc.verdict, dmarc.disposition)]),
      ...this.#relayedOf("iprev"),
    ];
    return { helo, mailFrom, signatures, arc, dmarc, results };
  }

  #relayedSpf(): SpfVerdicts | undefined {
    const [relayed, envelope] = [this.#relayed, this.#envelope];
    if (relayed === undefined || envelope === undefined) return undefined;
    return { helo: relayed.spf("helo", envelope), mailFrom: relayed.spf("mailfrom", envelope) };
  }

  /** The relay's results of a method that is not checked here. */
  #relayedOf(method: string): MethodResult[] {
    return this.#relayed?.methodResults(method) ?? [];
  }

  async #judge(
    signatures: readonly SignatureVerdict[] | undefined,
    spf: SpfVerdict | undefined,
    arc: ArcVerdict | undefined,
  ): Promise<NonNullable<CheckResults["dmarc"]>> {
    const { resolver, disposer } = this.#parts;
    const identifiers: Identifier[] = [
      ...(spf === undefined ? [] : [{ method: "spf" as const, domain: spf.domain, result: spf.result }]),
      ...(signatures?.map(({ domain, selector, result, reason }) => {
        return { method: "dkim" as const, domain, selector, result, cause: reason };
      }) ?? this.#relayedSignatures()),
    ];
    const verdict = await evaluateDmarc({ from: this.#from, identifiers, deadlineMs: this.#deadlineMs() }, resolver);
    const sender = this.#envelope?.sender ?? "";
    const senderDomain = sender.slice(sender.lastIndexOf("@") + 1);
    const sealer = arc === undefined ? undefined : sealerOf(arc);
    return { verdict, disposition: disposer.dispose(verdict, { listId: this.#listId, senderDomain, sealer }) };
  }

  #relayedSignatures(): Identifier[] {
    const passed = this.#relayed?.passedSignatures() ?? [];
    return passed
      .slice(0, this.#parts.dkim.maxSignatures)
      .map((signature) => ({ method: "dkim", ...signature, result: "pass" }));
  }

  async #checkSpf(): Promise<SpfVerdicts> {
    if (this.#envelope === undefined || this.#isRelayed) return NO_VERDICTS;
    const { clientAddress, heloName, sender } = this.#envelope;
    const deadlineMs = this.#deadlineMs();
    const check = (identity: SpfIdentity): Eventual<SpfVerdict> => {
      const known = this.#transaction?.verdict(identity);
      if (known !== undefined) return known;
      return chain(
        this.#parts.checker.checkHost({ identity, clientAddress, heloName, sender, deadlineMs }),
        (verdict) => {
          this.#transaction?.learn(identity, verdict);
          return verdict;
        },
      );
    };
    const [helo, mailFrom] = await Promise.all([
      heloName === "" ? undefined : check("helo"),
      sender === "" ? undefined : check("mailfrom"),
    ]);
    return { helo, mailFrom };
  }

  /** The address of the client, if it is one. */
  #remoteIp(): string | undefined {
    const address = this.#envelope?.clientAddress ?? "";
    return parseAddress(address) === undefined ? undefined : address;
  }

  /** The time at which the lookups that begin now are given up. */
  #deadlineMs(): number {
    return this.#parts.clockMs() + this.#parts.settings.timeLimitMs;
  }
}

/** A header that is longer than what is kept may hide a second From field. */
const EXCESSIVE: From = {
  isUsable: false,
  fault: "malformed",
  problem: "the header is longer than this host reads",
  domains: [],
};
