/** Tries a policy before it is published. */
import type { DnsAnswer, RecordType, Resolver } from "../dns/types.ts";
import { isMultiLabelName, toALabels, withoutRootDot } from "./domain.ts";

/**
 * Makes a resolver for which `domain` publishes `record` as its only TXT record. `resolver` answers everything else.
 *
 * @param domain UTF-8 as latin1, one character per byte
 * @returns `undefined` when `domain` cannot have an SPF record
 */
export function withTrialRecord(resolver: Resolver, domain: string, record: string): Resolver | undefined {
  const name = withoutRootDot(toALabels(domain) ?? "").toLowerCase();
  if (!isMultiLabelName(name)) return undefined;
  const trial: DnsAnswer<"TXT"> = { status: "ok", records: [record], expiresAtMs: Number.POSITIVE_INFINITY };
  return {
    resolve: <T extends RecordType>(asked: string, type: T, options: Parameters<Resolver["resolve"]>[2]) => {
      if (type === "TXT" && withoutRootDot(asked).toLowerCase() === name) return trial as DnsAnswer<T>;
      return resolver.resolve(asked, type, options);
    },
  };
}
