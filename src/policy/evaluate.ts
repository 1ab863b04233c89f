/** From a request to an answer, for the service and for `postvouch spf` alike. */
import { chain, type Eventual } from "../collections/eventual.ts";
import type { Resolver } from "../dns/types.ts";
import { type AllowQuery, createAllowList, type Exemption, type Membership } from "../mail/allow-list.ts";
import type { ClientAddress } from "../mail/ip.ts";
import { specialUse } from "../mail/special-use.ts";
import type { SpfIdentity, SpfQuery, SpfResult, SpfVerdict } from "../spf/verdict.ts";
import { type Answer, toAnswer } from "./action.ts";
import { type Check, createChecks, type NoCheck } from "./check.ts";
import { publishesDmarc } from "./dmarc.ts";
import { addHeader, addUncheckedHeader } from "./headers.ts";
import { type Judgement, judge, type Ruling } from "./judge.ts";
import { findOnce, type Message } from "./messages.ts";
import type { PolicyRequest } from "./protocol.ts";
import type { PolicySettings } from "./settings.ts";

/** What evaluating needs from outside. */
export interface PolicySources {
  readonly settings: PolicySettings;
  /** Our own name: `receiver` in Received-SPF. */
  readonly hostname: string;
  /** Returns the verdict at once where it is known. DNS trouble is a verdict; a rejection is trouble of ours. */
  readonly checkHost: (query: SpfQuery) => Eventual<SpfVerdict>;
  readonly resolver: Resolver;
  /** The clock of `performance.now()`. */
  readonly clockMs: () => number;
}

/** What a request came to. */
export interface Outcome {
  readonly answer: Answer;
  /** In report mode: the refusal that the answer would have been. */
  readonly would?: Answer;
  /** What the checks gave, if any was made. */
  readonly judgement?: Judgement;
  /** Why none was made. */
  readonly unchecked?: NoCheck | Exemption;
  /** DNS trouble hides whether the client is on an allow list: a reject has become a defer. */
  readonly isExemptionUnknown?: boolean;
}

/** Called with what is learnt from the checks. */
export interface CheckObserver {
  /** Called once for each check_host() of an identity: a message's further recipients cost none. */
  spfChecked(identity: SpfIdentity, result: SpfResult): void;
  /** Called for each request that is checked for a client with an address that no SPF record can name. */
  clientHidden(clientAddress: string, kind: string): void;
}

/** Answers requests, without the wire and without memory of its own. */
export class Evaluator {
  /** What is to be checked for a request, or why nothing is. */
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

  /** The answer: is the client exempt, what do the identities give, what follows. */
  evaluate(check: Check, message: Message): Eventual<Outcome> {
    return chain(this.#exempt(check, message), (exemption) => {
      if (exemption === "none" || exemption === "unknown") {
        this.#lookAtAddress(check.client);
        return chain(this.judge(check, message), (judgement) => this.#conclude(check, message, judgement, exemption));
      }
      const { authservId } = this.#sources.settings;
      return { answer: addUncheckedHeader(check, message, exemption, authservId), unchecked: exemption };
    });
  }

  /** Makes the checks of the plan, each of them once for a message. */
  judge(check: Check, message: Message): Eventual<Judgement> {
    return judge(check.plan, {
      checkHost: (identity) => findOnce(message, identity, () => this.#checkHost(check, identity)),
      publishesDmarc: (domain) => publishesDmarc(domain, this.#sources.resolver, check.deadlineMs),
    });
  }

  #checkHost(check: Check, identity: SpfIdentity): Eventual<SpfVerdict> {
    const { client, heloName, sender, deadlineMs } = check;
    const query: SpfQuery = { identity, clientAddress: client.text, heloName, sender, deadlineMs };
    return chain(this.#sources.checkHost(query), (verdict) => {
      this.#observe.spfChecked(identity, verdict.result);
      return verdict;
    });
  }

  /** The lists may use up to half of the time: slow reverse zones must not make a temperror of the check itself. */
  #exempt({ client, heloName, deadlineMs }: Check, message: Message): Eventual<Exemption> {
    const listDeadlineMs = deadlineMs - this.#sources.settings.timeLimitMs / 2;
    return findOnce(message, "exemption", () => this.#exemptionOf({ client, heloName, deadlineMs: listDeadlineMs }));
  }

  /** A prospective address is of the admin's own choice. */
  #lookAtAddress(client: ClientAddress): void {
    const kind = this.#sources.settings.prospectiveAddress === "" ? specialUse(client) : undefined;
    if (kind !== undefined) this.#observe.clientHidden(client.text, kind);
  }

  /** Known forwarders are checked as postmaster of their domain. */
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

/** While DNS trouble hides whether the client is on an allow list its mail must not be lost: it may try again. */
function deferredReject(ruling: Ruling): Ruling {
  return ruling.kind === "reject" ? { kind: "defer" } : ruling;
}
