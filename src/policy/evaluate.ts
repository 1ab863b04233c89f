/** From a request to an answer, for the service and for `postvouch spf` alike. */

import { chain, type Eventual, untilKnown } from "../collections/eventual.ts";
import type { Resolver } from "../dns/types.ts";
import { type AllowQuery, createAllowList, type Exemption, type Membership } from "../mail/allow-list.ts";
import type { SpfIdentity, SpfQuery, SpfResult, SpfVerdict } from "../spf/verdict.ts";
import { type Answer, toAnswer } from "./action.ts";
import { publishesDmarc } from "./dmarc.ts";
import { keep } from "./findings.ts";
import { type Inquiries, type Judgement, judge, type Ruling } from "./judge.ts";
import type { Message } from "./messages.ts";
import type { PolicyRequest } from "./protocol.ts";
import { createSessions, type Session, type Skipped, spfQuery } from "./session.ts";
import type { PolicySettings } from "./settings.ts";
import { tag, tagUnchecked } from "./tagging.ts";

/** What evaluating needs from outside. */
export interface PolicySources {
  readonly settings: PolicySettings;
  /** Our own name: `receiver` in Received-SPF and, if nothing else is set, the authserv-id. */
  readonly hostname: string;
  /** Answers at once when the verdict is known. Trouble of DNS is a verdict; a rejection is trouble of ours. */
  readonly checkHost: (query: SpfQuery) => Eventual<SpfVerdict>;
  readonly resolver: Resolver;
  /** The clock of `performance.now()`. */
  readonly now: () => number;
}

/** What came of a request. */
export interface Outcome {
  readonly answer: Answer;
  /** In report mode: the refusal that the answer would have been. */
  readonly would?: Answer;
  /** The verdicts of the identities that were checked. */
  readonly helo?: SpfVerdict | undefined;
  readonly mailFrom?: SpfVerdict | undefined;
  /** Why nothing was checked, if so. */
  readonly unchecked?: Skipped | Exemption;
}

/** Is told of each check_host() that was made for an identity. */
export type CheckListener = (identity: SpfIdentity, result: SpfResult) => void;

/** The service's way from requests to answers, without the wire and without memory of its own. */
export class Evaluator {
  readonly #sources: PolicySources;
  readonly #onChecked: CheckListener;
  readonly #authservId: string;
  readonly #sessionOf: ReturnType<typeof createSessions>;
  readonly #exemptionOf: ReturnType<typeof createAllowList>;

  constructor(sources: PolicySources, onChecked: CheckListener) {
    const { settings, hostname } = sources;
    this.#sources = sources;
    this.#onChecked = onChecked;
    this.#authservId = settings.authservId === "" ? hostname : settings.authservId;
    this.#sessionOf = createSessions(settings, hostname);
    this.#exemptionOf = createAllowList(settings.allow, {
      resolver: sources.resolver,
      passesSpf: (domain, query) => passesSpf(sources, domain, query),
    });
  }

  /** Reads the request; what is said instead of a session is why it needs none. */
  open(request: PolicyRequest): Session | Skipped {
    return this.#sessionOf(request, this.#sources.now());
  }

  /** The whole way: is the client exempt, what do the identities give, what is answered. */
  evaluate(session: Session, message: Message): Eventual<Outcome> {
    const inquiries = this.#inquiries(session, message);
    return untilKnown(() => {
      const exemption = this.#exempt(session, message);
      if (exemption instanceof Promise) return exemption;
      if (exemption !== "none" && exemption !== "unknown") {
        return { answer: tagUnchecked(session, message, exemption, this.#authservId), unchecked: exemption };
      }
      const judgement = judge(session.plan, inquiries);
      if (judgement instanceof Promise) return judgement;
      return this.#conclude(session, message, judgement, exemption === "unknown");
    });
  }

  /** The checks that the session's plan names, each made once for a message. */
  judge(session: Session, message: Message): Eventual<Judgement> {
    const inquiries = this.#inquiries(session, message);
    return untilKnown(() => judge(session.plan, inquiries));
  }

  #inquiries(session: Session, message: Message): Inquiries {
    return new MessageInquiries(this.#sources, this.#onChecked, session, message);
  }

  /** The lists may use up to half of the time: slow reverse zones must not make a temperror of the check itself. */
  #exempt(session: Session, message: Message): Eventual<Exemption> {
    if (message.exemption !== undefined) return message.exemption;
    const { client, request, deadlineMs } = session;
    const allowDeadlineMs = deadlineMs - this.#sources.settings.timeLimitMs / 2;
    const exemption = this.#exemptionOf({ client, heloName: request.helo_name, deadlineMs: allowDeadlineMs });
    return keep(message, "exemption", exemption);
  }

  #conclude(session: Session, message: Message, judgement: Judgement, mayBeExempt: boolean): Outcome {
    const { helo, mailFrom } = judgement;
    const ruling = mayBeExempt ? softened(judgement.ruling) : judgement.ruling;
    if (ruling.kind === "tag") {
      return { answer: tag(session, message, judgement, this.#authservId), helo, mailFrom };
    }
    const refusal = toAnswer(ruling, { ...this.#sources.settings, ...session.profile }, session.context);
    if (session.profile.mode === "enforce") return { answer: refusal, helo, mailFrom };
    return { answer: tag(session, message, judgement, this.#authservId), would: refusal, helo, mailFrom };
  }
}

/** The inquiries that one session may need; what its message knows already is not asked again. */
class MessageInquiries implements Inquiries {
  readonly #sources: PolicySources;
  readonly #onChecked: CheckListener;
  readonly #session: Session;
  readonly #message: Message;
  /** By domain: whether it publishes a DMARC record. */
  #dmarc: Map<string, boolean> | undefined = undefined;

  constructor(sources: PolicySources, onChecked: CheckListener, session: Session, message: Message) {
    this.#sources = sources;
    this.#onChecked = onChecked;
    this.#session = session;
    this.#message = message;
  }

  helo(): Eventual<SpfVerdict> {
    return this.#message.helo ?? keep(this.#message, "helo", this.#check("helo"), this.#count("helo"));
  }

  mailFrom(): Eventual<SpfVerdict> {
    return this.#message.mailFrom ?? keep(this.#message, "mailFrom", this.#check("mailfrom"), this.#count("mailfrom"));
  }

  publishesDmarc(domain: string): Eventual<boolean> {
    const dmarc = (this.#dmarc ??= new Map());
    return (
      dmarc.get(domain) ??
      chain(publishesDmarc(domain, this.#sources.resolver, this.#session.deadlineMs), (isPublished) => {
        dmarc.set(domain, isPublished);
        return isPublished;
      })
    );
  }

  #check(identity: SpfIdentity): Eventual<SpfVerdict> {
    return this.#sources.checkHost(spfQuery(this.#session, identity));
  }

  #count(identity: SpfIdentity): (verdict: SpfVerdict) => void {
    return ({ result }) => this.#onChecked(identity, result);
  }
}

/** Known forwarders are checked as postmaster of their domain. */
function passesSpf(sources: PolicySources, domain: string, query: AllowQuery): Eventual<Membership> {
  const { client, heloName, deadlineMs } = query;
  const sender = `postmaster@${domain}`;
  const verdict = sources.checkHost({ identity: "mailfrom", clientAddress: client.text, heloName, sender, deadlineMs });
  return chain(verdict, ({ result }) => (result === "pass" ? "yes" : result === "temperror" ? "unknown" : "no"));
}

/** While DNS trouble hides whether the client is on an allow list, its mail is not lost: it may try again. */
function softened(ruling: Ruling): Ruling {
  return ruling.kind === "reject" ? { kind: "defer", verdict: ruling.verdict } : ruling;
}
