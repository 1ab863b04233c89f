/** The policy service: one answer for each request, and one header of each type for each message. */

import type { Eventual } from "../collections/eventual.ts";
import type { RequestService } from "../net/session.ts";
import { DUNNO } from "./action.ts";
import { Evaluator, type Outcome, type PolicySources } from "./evaluate.ts";
import { Messages } from "./messages.ts";
import { type PolicyObserver, toDecision, toError } from "./observer.ts";
import { encodeAction, PolicyDecoder, type PolicyRequest } from "./protocol.ts";

/** What the service is made of. */
export interface PolicyServiceOptions extends PolicySources {
  readonly observe: PolicyObserver;
  /** The memory to go on with, where the service takes the place of another (a reload); otherwise a new one. */
  readonly messages?: Messages;
}

/**
 * Creates the service. An answer that needs no DNS is a plain string. When something of ours breaks, the promise
 * rejects (or `answer` throws): Postfix must get no reply then, so that it tries again.
 */
export function createPolicyService(options: PolicyServiceOptions): RequestService<PolicyRequest> {
  const { observe, now, messages = new Messages() } = options;
  const evaluator = new Evaluator(options, (identity, result) => observe.spfChecked(identity, result));

  return {
    protocol: "policy",
    createDecoder: () => new PolicyDecoder(),
    answer: (request) => {
      const startMs = now();
      const finish = (outcome: Outcome): string => {
        observe.decided(toDecision(request, outcome, now() - startMs));
        return encodeAction(outcome.answer.action);
      };
      const fail = (error: unknown): never => {
        observe.decided(toError(request, now() - startMs));
        throw error;
      };
      let outcome: Eventual<Outcome>;
      try {
        outcome = evaluate(evaluator, messages, request, startMs);
      } catch (error) {
        return fail(error);
      }
      return outcome instanceof Promise ? outcome.then(finish, fail) : finish(outcome);
    },
  };
}

function evaluate(evaluator: Evaluator, messages: Messages, request: PolicyRequest, nowMs: number): Eventual<Outcome> {
  const session = evaluator.open(request);
  if (typeof session === "string") return { answer: DUNNO, unchecked: session };
  return evaluator.evaluate(session, messages.of(request, nowMs));
}
