/** The SPF checker: check_host() with a memory of verdicts in front of it. */
import { parseAddress } from "../mail/ip.ts";
import { loadMailauth } from "../mailauth/spf.ts";
import { type CheckContext, type CheckSettings, conclude, toVerdict } from "./conclude.ts";
import { checkedDomain } from "./query.ts";
import { RecordParser } from "./record.ts";
import { type Trace, TraceBuilder } from "./trace.ts";
import type { SpfQuery, SpfVerdict } from "./verdict.ts";
import { RecentVerdicts, VerdictCache } from "./verdict-cache.ts";

export interface SpfSettings extends CheckSettings {
  /** Verdicts that are remembered; 0 for none. */
  readonly verdictCacheSize?: number;
}

export interface SpfChecker {
  /**
   * Runs check_host() (RFC 7208 section 4) for one identity. Nothing from outside makes it throw or reject: DNS
   * trouble and the deadline are temperror. A client address that is none, as Postfix's `unknown`, gives none, since
   * there is nothing that a record could speak about. A verdict that is remembered comes back at once.
   */
  checkHost(query: SpfQuery): SpfVerdict | Promise<SpfVerdict>;
  /** As `checkHost`, from scratch, with the way it went. */
  explain(query: SpfQuery): Promise<{ readonly verdict: SpfVerdict; readonly trace: Trace }>;
}

const DEFAULT_CACHE_SIZE = 65_536;

export function createSpfChecker(settings: SpfSettings): SpfChecker {
  // Now, so that the first mail need not wait for it.
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
