/** Verdicts, requests and sources for tests of the policy service, with only what a case is about spelled out. */
import type { DnsAnswer, RecordType, Resolver } from "../../src/dns/types.ts";
import type { PolicySources } from "../../src/policy/evaluate.ts";
import type { PolicyDecision, PolicyObserver } from "../../src/policy/observer.ts";
import type { PolicyRequest } from "../../src/policy/protocol.ts";
import { DEFAULT_POLICY_SETTINGS, type PolicySettings } from "../../src/policy/settings.ts";
import type { SpfQuery, SpfResult, SpfVerdict } from "../../src/spf/verdict.ts";

export function verdict(result: SpfResult, more: Partial<SpfVerdict> = {}): SpfVerdict {
  return {
    result,
    identity: "mailfrom",
    domain: "sender.test",
    mechanism: undefined,
    problem: undefined,
    explanation: `explained ${result}`,
    explanationFromDomain: false,
    record: undefined,
    lookups: 0,
    voidLookups: 0,
    elapsedMs: 0,
    ...more,
  };
}

export function policyRequest(more: Partial<PolicyRequest> = {}): PolicyRequest {
  return {
    protocol_state: "RCPT",
    client_address: "192.0.2.10",
    client_port: "40000",
    helo_name: "mail.sender.test",
    sender: "joe@sender.test",
    recipient: "bob@rcpt.test",
    instance: "1001.68f0.1.0",
    queue_id: "",
    sasl_username: "",
    ...more,
  };
}

export function settings(more: Partial<PolicySettings> = {}): PolicySettings {
  return { ...DEFAULT_POLICY_SETTINGS, ...more };
}

/** Answers from a table of "TYPE name" and counts what it is asked; everything else does not exist. */
export function tableResolver(table: Readonly<Record<string, readonly unknown[] | "timeout">>): Resolver & {
  readonly asked: string[];
} {
  const asked: string[] = [];
  return {
    asked,
    resolve<T extends RecordType>(name: string, type: T): DnsAnswer<T> {
      asked.push(`${type} ${name}`);
      const found = table[`${type} ${name.toLowerCase()}`];
      if (found === undefined) return { status: "nxdomain", expiresAtMs: 0 };
      if (found === "timeout") return { status: "error", trouble: "timeout", detail: "no answer" };
      return { status: "ok", records: found as DnsAnswer<T> extends { records: infer R } ? R : never, expiresAtMs: 0 };
    },
  };
}

/** Results by domain: the HELO name, or the sender's domain. */
export type Results = Readonly<Record<string, SpfResult | Partial<SpfVerdict> | Error>>;

/** A check_host() that answers from a table, at once or with a promise, and keeps what it was asked. */
export function tableChecker(results: Results, isAsync = false) {
  const asked: SpfQuery[] = [];
  return {
    asked,
    checkHost(query: SpfQuery): SpfVerdict | Promise<SpfVerdict> {
      asked.push(query);
      const domain = query.identity === "helo" ? query.heloName : query.sender.slice(query.sender.lastIndexOf("@") + 1);
      const found = results[domain] ?? "none";
      if (found instanceof Error) return Promise.reject(found);
      const more = typeof found === "string" ? { result: found } : found;
      const answer = verdict(more.result ?? "none", { identity: query.identity, domain, ...more });
      return isAsync ? Promise.resolve(answer) : answer;
    },
  };
}

/** Sources with a table for check_host() and no DNS. */
export function sources(results: Results, more: Partial<PolicySources> = {}): PolicySources {
  return {
    settings: settings(),
    hostname: "mx.test",
    checkHost: tableChecker(results).checkHost,
    resolver: tableResolver({}),
    now: () => 0,
    ...more,
  };
}

/** Keeps what it is told. */
export function recorder(): PolicyObserver & { readonly decisions: PolicyDecision[]; readonly checks: string[] } {
  const decisions: PolicyDecision[] = [];
  const checks: string[] = [];
  return {
    decisions,
    checks,
    decided: (decision) => decisions.push(decision),
    spfChecked: (identity, result) => checks.push(`${identity} ${result}`),
  };
}
