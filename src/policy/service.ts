/** The policy service: gives one answer for each request, and one header of each type for each message. */
import { chain, type Eventual } from "../collections/eventual.ts";
import type { RequestService } from "../net/session.ts";
import type { SpfTransactions } from "../spf/transactions.ts";
import { DUNNO, ERROR, prependedValue } from "./action.ts";
import { type CheckObserver, Evaluator, type Outcome, type PolicySources } from "./evaluate.ts";
import { Messages } from "./messages.ts";
import { encodeAction, PolicyDecoder, type PolicyRequest } from "./protocol.ts";

/** Counts and logs the work of the service. */
export interface PolicyObserver extends CheckObserver {
  /** Called once for each request, also when it ends with an internal error. */
  decided(request: PolicyRequest, outcome: Outcome, elapsedMs: number): void;
}

/** The parts of the service. */
export interface PolicyServiceOptions extends PolicySources {
  readonly observe: PolicyObserver;
  /** The memory of the service that this one replaces on a reload. Default: a new one. */
  readonly messages?: Messages;
  /** Shared with the milter. `undefined` without one. */
  readonly transactions?: SpfTransactions | undefined;
}

/**
 * Creates the service. An answer that needs no DNS is a plain string. On an internal error the promise rejects (or
 * `answer` throws). Postfix must then get no reply, so that it tries again.
 */
export function createPolicyService(options: PolicyServiceOptions): RequestService<PolicyRequest> {
  const { observe, clockMs, messages = new Messages(), transactions } = options;
  const evaluator = new Evaluator(options, observe);

  return {
    protocol: "policy",
    createDecoder: () => new PolicyDecoder(),
    answer: (request) => {
      const startMs = clockMs();
      const finish = (outcome: Outcome): string => {
        observe.decided(request, outcome, clockMs() - startMs);
        return encodeAction(outcome.answer.action);
      };
      const fail = (error: unknown): never => {
        observe.decided(request, { answer: ERROR }, clockMs() - startMs);
        throw error;
      };
      let outcome: Eventual<Outcome>;
      try {
        outcome = evaluate(evaluator, messages, transactions, request, startMs);
      } catch (error) {
        return fail(error);
      }
      return chain(outcome, finish, fail);
    },
  };
}

function evaluate(
  evaluator: Evaluator,
  messages: Messages,
  transactions: SpfTransactions | undefined,
  request: PolicyRequest,
  clockMs: number,
): Eventual<Outcome> {
  const check = evaluator.checkFor(request, clockMs);
  if (typeof check === "string") return { answer: DUNNO, unchecked: check };
  const { helo_name: heloName, sender, client_port: clientPort } = request;
  const transaction = transactions?.of({ clientAddress: check.client.text, clientPort, heloName, sender }, clockMs);
  const outcome = evaluator.evaluate(check, messages.of(request, clockMs), transaction);
  if (transaction === undefined) return outcome;
  return chain(outcome, (known) => {
    const value = prependedValue(known.answer, "Received-SPF");
    if (value !== undefined) transaction.given.add(value);
    return known;
  });
}
