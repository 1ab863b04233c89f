/** The policy service: gives one answer for each request, and one header of each type for each message. */
import { chain, type Eventual } from "../collections/eventual.ts";
import type { RequestService } from "../net/session.ts";
import { DUNNO, ERROR } from "./action.ts";
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
}

/**
 * Creates the service. An answer that needs no DNS is a plain string. On an internal error the promise rejects (or
 * `answer` throws). Postfix must then get no reply, so that it tries again.
 */
export function createPolicyService(options: PolicyServiceOptions): RequestService<PolicyRequest> {
  const { observe, clockMs, messages = new Messages() } = options;
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
        outcome = evaluate(evaluator, messages, request, startMs);
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
  request: PolicyRequest,
  clockMs: number,
): Eventual<Outcome> {
  const check = evaluator.checkFor(request, clockMs);
  if (typeof check === "string") return { answer: DUNNO, unchecked: check };
  return evaluator.evaluate(check, messages.of(request, clockMs));
}
