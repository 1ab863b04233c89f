/** What the policy service tells of its work. */
import type { SpfIdentity, SpfResult } from "../spf/verdict.ts";
import type { ActionKind } from "./action.ts";
import type { Outcome } from "./evaluate.ts";
import type { PolicyRequest } from "./protocol.ts";

/** One answered request, with all that a log line or a metric wants to know. */
export interface PolicyDecision {
  readonly request: PolicyRequest;
  /** `undefined`: not checked for this request. */
  readonly heloResult: SpfResult | undefined;
  readonly mailFromResult: SpfResult | undefined;
  readonly kind: ActionKind;
  /** What Postfix was told, without `action=`; empty for `error`. */
  readonly action: string;
  /** In report mode: the refusal that it would have been. */
  readonly wouldKind: ActionKind | undefined;
  readonly wouldAction: string | undefined;
  /** Why nothing was checked: a skip rule or an allow list. */
  readonly unchecked: string | undefined;
  readonly elapsedMs: number;
  /** Terms that cost a DNS lookup, over both identities (RFC 7208 4.6.4). */
  readonly lookups: number;
}

/** Is told what the policy service does. The daemon counts and logs with it. */
export interface PolicyObserver {
  /** Once for each request, also for one that ends in trouble of ours (kind `error`). */
  decided(decision: PolicyDecision): void;
  /** Once for each check_host() of an identity: a message's further recipients cost none. */
  spfChecked(identity: SpfIdentity, result: SpfResult): void;
}

/** The decision that an outcome is. */
export function toDecision(request: PolicyRequest, outcome: Outcome, elapsedMs: number): PolicyDecision {
  return {
    request,
    heloResult: outcome.helo?.result,
    mailFromResult: outcome.mailFrom?.result,
    kind: outcome.answer.kind,
    action: outcome.answer.action,
    wouldKind: outcome.would?.kind,
    wouldAction: outcome.would?.action,
    unchecked: outcome.unchecked,
    elapsedMs,
    lookups: (outcome.helo?.lookups ?? 0) + (outcome.mailFrom?.lookups ?? 0),
  };
}

/** The decision for a request that gets no answer. */
export function toError(request: PolicyRequest, elapsedMs: number): PolicyDecision {
  return toDecision(request, { answer: { kind: "error", action: "" } }, elapsedMs);
}
