/** The SPF checker: check_host() behind a cache of verdicts. */
import { parseAddress } from "../mail/ip.ts";
import { loadMailauth } from "../mailauth/spf.ts";
import { type CheckContext, type CheckSettings, conclude, toVerdict } from "./conclude.ts";
import { checkedDomain } from "./query.ts";
import { RecordParser } from "./record.ts";
import { type Trace, TraceBuilder } from "./trace.ts";
import type { SpfQuery, SpfVerdict } from "./verdict.ts";
import { RecentVerdicts, VerdictCache } from "./verdict-cache.ts";

export interface SpfSettings extends CheckSettings {
  /** Number of verdicts that are remembered; 0 for none. */
  readonly verdictCacheSize?: number;
}

export interface SpfChecker {
  /**
   * Runs check_host() (RFC 7208 section 4) for one identity. No input makes it throw or reject: DNS trouble and a
   * missed deadline give temperror. Text that is not an address, such as Postfix's `unknown`, gives none. A remembered
   * verdict is returned at once.
   */
  checkHost(query: SpfQuery): SpfVerdict | Promise<SpfVerdict>;
  /** Does the same without the cache, and also returns a trace of the evaluation. */
  explain(query: SpfQuery): Promise<{ readonly verdict: SpfVerdict; readonly trace: Trace }>;
}

const DEFAULT_CACHE_SIZE = 65_536;

export function createSpfChecker(settings: SpfSettings): SpfChecker {
  // Loaded now so that the first mail need not wait for it.
  loadMailauth();
  const cache = new VerdictCache(settings.verdictCacheSize ?? DEFAULT_CACHE_SIZE);
  const recent = new RecentVerdicts();
  const context: CheckContext = { ...settings, parser: new RecordParser() };
  return {
    checkHost: (query) => {
      const domain = checkedDomain(query);
      const known = cache.get(query.clientAddress, domain, query.heloName, settings.clockMs());
      if (known === undefined) return check(context, cache, query, domain);
      if (known.verdict?.identity === query.identity && known.verdict.domain === domain) return known.verdict;
      const verdict = toVerdict(known, query, domain, 0);
      recent.add(known, verdict);
      return verdict;
    },
    explain: (query) => explain(context, query),
  };
}

async function check(context: CheckContext, cache: VerdictCache, query: SpfQuery, domain: string): Promise<SpfVerdict> {
  const startMs = context.clockMs();
  const { conclusion, validity } = await conclude(context, query, undefined);
  const endMs = context.clockMs();
  if (validity !== undefined) cache.set(query.clientAddress, domain, query.heloName, conclusion, validity, endMs);
  return toVerdict(conclusion, query, domain, endMs - startMs);
}

async function explain(context: CheckContext, query: SpfQuery): Promise<{ verdict: SpfVerdict; trace: Trace }> {
  const startMs = context.clockMs();
  const builder = new TraceBuilder(context.clockMs);
  const { conclusion } = await conclude(context, query, builder);
  const verdict = toVerdict(conclusion, query, checkedDomain(query), context.clockMs() - startMs);
  const trace: Trace = {
    clientAddress: parseAddress(query.clientAddress)?.text ?? query.clientAddress,
    domain: verdict.domain,
    record: builder.root,
    lookups: verdict.lookups,
    maxDnsLookups: context.maxDnsLookups,
    voidLookups: verdict.voidLookups,
    maxVoidLookups: context.maxVoidLookups,
    exceeded: builder.exceeded,
    explanation: builder.explanation,
    elapsedMs: verdict.elapsedMs,
  };
  return { verdict, trace };
}
