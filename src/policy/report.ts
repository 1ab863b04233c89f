/** The check of `postvouch spf`. It works as the service does, but always checks both identities. */
import { chain, type Eventual } from "../collections/eventual.ts";
import type { SpfVerdict } from "../spf/verdict.ts";
import { DUNNO } from "./action.ts";
import type { Check } from "./check.ts";
import { type CheckObserver, Evaluator, type Outcome, type PolicySources } from "./evaluate.ts";
import type { Judgement } from "./judge.ts";
import { Message } from "./messages.ts";
import type { PolicyRequest } from "./protocol.ts";
import { receivedSpf } from "./received-spf.ts";

/** The attributes that Postfix would send and that matter here. */
export interface ReportQuery {
  readonly client_address: string;
  readonly helo_name: string;
  /** MAIL FROM without brackets; empty for the null sender. */
  readonly sender: string;
}

/** The service's answer and the verdicts behind it. Verdicts are the same objects that `checkHost` returned. */
export interface PolicyReport {
  /** The answer to Postfix, without `action=`. */
  readonly action: string;
  /** The refusal that report mode has suppressed. */
  readonly wouldAction: string | undefined;
  /** The reason if the service would not check this client. The verdicts are given anyway. */
  readonly unchecked: string | undefined;
  readonly helo: SpfVerdict | undefined;
  readonly mailFrom: SpfVerdict | undefined;
  /** The verdict that decides: the refused one, else MAIL FROM's, else HELO's. */
  readonly deciding: SpfVerdict | undefined;
  /** The header line for MAIL FROM, else for HELO. */
  readonly receivedSpf: string | undefined;
}

/**
 * Evaluates one query; at once if everything is known.
 *
 * @throws {RangeError} when `client_address` is not an IP address
 */
export function evaluatePolicy(sources: PolicySources, query: ReportQuery): Eventual<PolicyReport> {
  const message = new Message(true, Number.POSITIVE_INFINITY);
  const request: PolicyRequest = { ...NO_ATTRIBUTES, ...query };
  const clockMs = sources.clockMs();
  const evaluator = new Evaluator(sources, IGNORE);
  const check = evaluator.checkFor(request, clockMs);
  return chain(judgeAll(sources, request, message, clockMs), (judged) => {
    const outcome =
      typeof check === "string" ? { answer: DUNNO, unchecked: check } : evaluator.evaluate(check, message);
    return chain(outcome, (known) => toReport(known, judged));
  });
}

interface Judged {
  readonly check: Check;
  readonly judgement: Judgement;
}

/** Checks all identities, even for a client that the service would skip. The message remembers the verdicts. */
function judgeAll(
  sources: PolicySources,
  request: PolicyRequest,
  message: Message,
  clockMs: number,
): Eventual<Judged | undefined> {
  const settings = { ...sources.settings, skipAuthenticated: false, skipAddresses: [] };
  const evaluator = new Evaluator({ ...sources, settings }, IGNORE);
  const check = evaluator.checkFor(request, clockMs);
  if (check === "client_address") {
    throw new RangeError(`Cannot check client address "${request.client_address}": want an IPv4 or IPv6 address`);
  }
  if (typeof check === "string") return undefined;
  const complete: Check = { ...check, plan: { ...check.plan, isComplete: true } };
  return chain(evaluator.judge(complete, message), (judgement) => ({ check, judgement }));
}

function toReport(outcome: Outcome, judged: Judged | undefined): PolicyReport {
  const { helo, mailFrom, deciding } = judged?.judgement ?? {};
  const tagged = mailFrom ?? helo;
  return {
    action: outcome.answer.action,
    wouldAction: outcome.would?.action,
    unchecked: outcome.unchecked,
    helo,
    mailFrom,
    deciding,
    receivedSpf: judged === undefined || tagged === undefined ? undefined : receivedSpf(tagged, judged.check),
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

const IGNORE: CheckObserver = { spfChecked() {}, clientHidden() {} };
