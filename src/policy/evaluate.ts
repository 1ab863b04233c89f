/** Turns a request into an answer, for the policy service and for `postvouch spf`. */
import { chain, type Eventual } from "../collections/eventual.ts";
import type { Resolver } from "../dns/types.ts";
import { type AllowQuery, createAllowList, type Exemption, type Membership } from "../mail/allow-list.ts";
import type { ClientAddress } from "../mail/ip.ts";
import { specialUse } from "../mail/special-use.ts";
import type { SpfTransaction } from "../spf/transactions.ts";
import type { SpfIdentity, SpfQuery, SpfResult, SpfVerdict } from "../spf/verdict.ts";
import { type Answer, toAnswer } from "./action.ts";
import { type Check, createChecks, type NoCheck } from "./check.ts";
import { publishesDmarc } from "./dmarc.ts";
import { addHeader, addUncheckedHeader } from "./headers.ts";
import { type Judgement, judge, type Ruling } from "./judge.ts";
import { findOnce, type Message } from "./messages.ts";
import type { PolicyRequest } from "./protocol.ts";
import type { PolicySettings } from "./settings.ts";

/** The things from outside that the evaluation needs. */
export interface PolicySources {
  readonly settings: PolicySettings;
  /** Our own name: `receiver` in Received-SPF. */
  readonly hostname: string;
  /** Returns a known verdict at once. DNS trouble is a verdict too. A rejection means an internal error. */
  readonly checkHost: (query: SpfQuery) => Eventual<SpfVerdict>;
  readonly resolver: Resolver;
  /** The clock of `performance.now()`. */
  readonly clockMs: () => number;
}

/** The result of a request. */
export interface Outcome {
  readonly answer: Answer;
  /** The refusal that report mode has suppressed. */
  readonly would?: Answer;
  /** The result of the checks, if any was made. */
  readonly judgement?: Judgement;
  /** The reason for making no check. */
  readonly unchecked?: NoCheck | Exemption;
  /** True if DNS trouble hides whether the client is on an allow list: then a reject has become a defer. */
  readonly isExemptionUnknown?: boolean;
}

/** Receives the results of the checks. */
export interface CheckObserver {
  /** Called once for each check_host() of an identity. Further recipients of a message cause no further call. */
  spfChecked(identity: SpfIdentity, result: SpfResult): void;
  /** Called for each checked request whose client has an address that no SPF record can name. */
  clientHidden(clientAddress: string, kind: string): void;
}

/** Answers requests. It has no memory of its own and knows nothing of the wire format. */
export class Evaluator {
  /** Gives the checks of a request, or the reason for making none. */
  readonly checkFor: (request: PolicyRequest, clockMs: number) => Check | NoCheck;
  readonly #sources: PolicySources;
  readonly #observe: CheckObserver;
  readonly #exemptionOf: (query: AllowQuery) => Eventual<Exemption>;

  constructor(sources: PolicySources, observe: CheckObserver) {
    const { settings, hostname, resolver } = sources;
    this.#sources = sources;
    this.#observe = observe;
    this.checkFor = createChecks(settings, hostname);
    this.#exemptionOf = createAllowList(settings.allow, {
      resolver,
      passesSpf: (domain, query) => this.#passesSpf(domain, query),
    });
  }

  /**
   * Answers a request: looks for the client on the allow lists, then checks the identities, then decides.
   *
   * @param transaction shared with the milter, if there is one
   */
  evaluate(check: Check, message: Message, transaction?: SpfTransaction): Eventual<Outcome> {
    return chain(this.#exempt(check, message), (exemption) => {
      if (exemption === "none" || exemption === "unknown") {
        this.#reportHiddenClient(check.client);
        return chain(this.judge(check, message, transaction), (judgement) =>
          this.#conclude(check, message, judgement, exemption),
        );
      }
      const { authservId } = this.#sources.settings;
      return { answer: addUncheckedHeader(check, message, exemption, authservId), unchecked: exemption };
    });
  }

  /** Makes the checks of the plan, each only once per message. */
  judge(check: Check, message: Message, transaction?: SpfTransaction): Eventual<Judgement> {
    return judge(check.plan, {
      checkHost: (identity) => findOnce(message, identity, () => this.#checkHost(check, identity, transaction)),
      publishesDmarc: (domain) => publishesDmarc(domain, this.#sources.resolver, check.deadlineMs),
    });
  }

  #checkHost(check: Check, identity: SpfIdentity, transaction: SpfTransaction | undefined): Eventual<SpfVerdict> {
    const { client, heloName, sender, deadlineMs } = check;
    const query: SpfQuery = { identity, clientAddress: client.text, heloName, sender, deadlineMs };
    return chain(transaction?.verdict(identity) ?? this.#sources.checkHost(query), (verdict) => {
      transaction?.learn(identity, verdict);
      this.#observe.spfChecked(identity, verdict.result);
      return verdict;
    });
  }

  /**
   * Searches the allow lists in at most half of the time, so that slow reverse zones cannot turn the check into a
   * temperror.
   */
  #exempt({ client, heloName, deadlineMs }: Check, message: Message): Eventual<Exemption> {
    const listDeadlineMs = deadlineMs - this.#sources.settings.timeLimitMs / 2;
    return findOnce(message, "exemption", () => this.#exemptionOf({ client, heloName, deadlineMs: listDeadlineMs }));
  }

  /**
   * Reports a client address that hides the real client. A prospective address is the admin's choice and never
   * reported.
   */
  #reportHiddenClient(client: ClientAddress): void {
    const kind = this.#sources.settings.prospectiveAddress === "" ? specialUse(client) : undefined;
    if (kind !== undefined) this.#observe.clientHidden(client.text, kind);
  }

  /** Checks a known forwarder as postmaster of its domain. */
  #passesSpf(domain: string, { client, heloName, deadlineMs }: AllowQuery): Eventual<Membership> {
    const sender = `postmaster@${domain}`;
    const query: SpfQuery = { identity: "mailfrom", clientAddress: client.text, heloName, sender, deadlineMs };
    return chain(this.#sources.checkHost(query), ({ result }) =>
      result === "pass" ? "yes" : result === "temperror" ? "unknown" : "no",
    );
  }

  #conclude(check: Check, message: Message, judgement: Judgement, exemption: Exemption): Outcome {
    const { settings } = this.#sources;
    const isExemptionUnknown = exemption === "unknown";
    const ruling = isExemptionUnknown ? deferredReject(judgement.ruling) : judgement.ruling;
    if (ruling.kind === "tag") {
      return { answer: addHeader(check, message, judgement, settings.authservId), judgement };
    }
    const refusal = toAnswer(ruling, judgement.deciding, check);
    if (check.profile.mode === "enforce") return { answer: refusal, judgement, isExemptionUnknown };
    return {
      answer: addHeader(check, message, judgement, settings.authservId),
      would: refusal,
      judgement,
      isExemptionUnknown,
    };
  }
}

/**
 * Turns a reject into a defer, so that no mail is lost while DNS trouble hides whether the client is on an allow list.
 */
function deferredReject(ruling: Ruling): Ruling {
  return ruling.kind === "reject" ? { kind: "defer" } : ruling;
}
