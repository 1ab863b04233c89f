/** Verdicts, requests and sources for tests of the policy service. A case states only the values that matter. */
import { parseConfig } from "../../src/config/parse.ts";
import { policySettings } from "../../src/config/settings.ts";
import type { DnsAnswer, RecordType, Resolver } from "../../src/dns/types.ts";
import { parseAddress } from "../../src/mail/ip.ts";
import type { Transaction } from "../../src/policy/check.ts";
import type { Outcome, PolicySources } from "../../src/policy/evaluate.ts";
import type { PolicyRequest } from "../../src/policy/protocol.ts";
import type { PolicyObserver } from "../../src/policy/service.ts";
import type { Disposition, Dispositions, PolicySettings } from "../../src/policy/settings.ts";
import { SPF_RESULTS, type SpfQuery, type SpfResult, type SpfVerdict } from "../../src/spf/verdict.ts";

/** The settings of an empty configuration, for a host that is called mx.test. */
export const DEFAULT_POLICY_SETTINGS: PolicySettings = policySettings(parseConfig("", "nothing").config, "mx.test");

/** The same disposition for every result. */
export function everyResult(disposition: Disposition): Dispositions {
  const entries = SPF_RESULTS.map((result) => [result, disposition] as const);
  return Object.fromEntries(entries) as Record<SpfResult, Disposition>;
}

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

export function transaction(clientAddress = "192.0.2.10"): Transaction {
  const client = parseAddress(clientAddress);
  if (client === undefined) throw new Error(`not an address: ${clientAddress}`);
  return { client, heloName: "mail.sender.test", sender: "joe@sender.test", receiver: "mx.test" };
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
    clockMs: () => 0,
    ...more,
  };
}

/** One call of `decided`. */
interface Decision {
  readonly request: PolicyRequest;
  readonly outcome: Outcome;
  readonly elapsedMs: number;
}

/** An observer that keeps what it is called with. */
export function recorder(): PolicyObserver & {
  readonly decisions: Decision[];
  readonly checks: string[];
  readonly hidden: string[];
} {
  const decisions: Decision[] = [];
  const checks: string[] = [];
  const hidden: string[] = [];
  return {
    decisions,
    checks,
    hidden,
    decided: (request, outcome, elapsedMs) => decisions.push({ request, outcome, elapsedMs }),
    clientHidden: (clientAddress, kind) => hidden.push(`${clientAddress}: ${kind}`),
    spfChecked: (identity, result) => checks.push(`${identity} ${result}`),
  };
}
