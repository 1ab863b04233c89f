/** One check for a person: `postvouch spf`. It goes the service's way, and looks at both identities in any case. */

import { chain, type Eventual } from "../collections/eventual.ts";
import type { SpfVerdict } from "../spf/verdict.ts";
import { DUNNO } from "./action.ts";
import { Evaluator, type Outcome, type PolicySources } from "./evaluate.ts";
import type { Judgement } from "./judge.ts";
import { Message } from "./messages.ts";
import type { PolicyRequest } from "./protocol.ts";
import { receivedSpf } from "./received-spf.ts";
import type { Session } from "./session.ts";

/** What Postfix would ask, as far as it matters. */
export interface ReportQuery {
  readonly client_address: string;
  readonly helo_name: string;
  /** MAIL FROM without brackets; empty for the null sender. */
  readonly sender: string;
}

/** What would come of it. */
export interface PolicyReport {
  /** What Postfix would be answered, without `action=`. */
  readonly action: string;
  /** In report mode: the refusal that it would have been. */
  readonly wouldAction: string | undefined;
  /** Why the service would not check this client, if so; the verdicts are given all the same. */
  readonly unchecked: string | undefined;
  readonly helo: SpfVerdict | undefined;
  readonly mailFrom: SpfVerdict | undefined;
  /** The verdict that decides: the refused one, else MAIL FROM's, else HELO's. */
  readonly deciding: SpfVerdict | undefined;
  /** The header line for it. */
  readonly receivedSpf: string | undefined;
}

/**
 * Evaluates one query: answers at once when everything is known already.
 *
 * @throws {RangeError} when `client_address` is no IP address
 */
export function evaluatePolicy(sources: PolicySources, query: ReportQuery): Eventual<PolicyReport> {
  const message = new Message(true, Number.POSITIVE_INFINITY);
  const request: PolicyRequest = { ...NO_ATTRIBUTES, ...query };
  const evaluator = new Evaluator(sources, ignore);
  const session = evaluator.open(request);
  // The verdicts are wanted also for a client that the service would skip; the message keeps them for the second way.
  const unskipped = { ...sources.settings, skipAuthenticated: false, skipAddresses: [] };
  const judged = new Evaluator({ ...sources, settings: unskipped }, ignore);
  return chain(judgeAll(judged, request, message), (judgement) => {
    const outcome =
      typeof session === "string" ? { answer: DUNNO, unchecked: session } : evaluator.evaluate(session, message);
    return chain(outcome, (known) => toReport(known, judgement));
  });
}

interface FullJudgement {
  readonly judgement: Judgement;
  readonly session: Session;
}

function judgeAll(evaluator: Evaluator, request: PolicyRequest, message: Message): Eventual<FullJudgement | undefined> {
  const session = evaluator.open(request);
  if (session === "client_address") {
    throw new RangeError(`Cannot check client address "${request.client_address}": want an IPv4 or IPv6 address`);
  }
  if (typeof session === "string") return undefined;
  const complete = { ...session, plan: { ...session.plan, isComplete: true } };
  return chain(evaluator.judge(complete, message), (judgement) => ({ judgement, session }));
}

function toReport(outcome: Outcome, full: FullJudgement | undefined): PolicyReport {
  const { helo, mailFrom, ruling } = full?.judgement ?? { helo: undefined, mailFrom: undefined, ruling: undefined };
  const told = mailFrom ?? helo;
  return {
    action: outcome.answer.action,
    wouldAction: outcome.would?.action,
    unchecked: outcome.unchecked,
    helo,
    mailFrom,
    deciding: ruling === undefined || ruling.kind === "tag" ? told : ruling.verdict,
    receivedSpf: full === undefined || told === undefined ? undefined : receivedSpf(told, full.session.context),
  };
}

const NO_ATTRIBUTES: PolicyRequest = {
  protocol_state: "RCPT",
  client_address: "",
  client_port: "",
  helo_name: "",
  sender: "",
  recipient: "",
  instance: "",
  queue_id: "",
  sasl_username: "",
};

function ignore(): void {}
