/** Every metric, in one list. The only importer of prom-client. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { QUERY_OUTCOMES, type QueryOutcome, RECORD_TYPES, type RecordType } from "../dns/types.ts";
import { MAPS, type MapName, OUTCOMES, type Outcome, TEMPFAIL_PARTS, type TempFailPart } from "../net/lookup.ts";
import { PROTOCOLS, type Protocol } from "../net/session.ts";
import { ACTION_KINDS, type ActionKind } from "../policy/action.ts";
import { SPF_RESULTS, type SpfIdentity, type SpfResult } from "../spf/verdict.ts";
import { LastTime, PlainCounter, PlainHistogram } from "./plain.ts";

const PREFIX = "postvouch_";

/** Gauges of prom-client's that end in _total, which `promtool check metrics` refuses. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

const LOOKUP_BUCKETS = [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.001, 0.01, 0.1, 1, 10];
const REQUEST_BUCKETS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60];

/** Numbers that something else keeps: read at each scrape. */
export interface MetricSources {
  readonly version: string;
  dnsStats(): { readonly cacheEntries: number; readonly cacheHits: number; readonly cacheMisses: number };
  /** Open connections by listener. */
  connections(): ReadonlyMap<string, number>;
  /** Domains by source. */
  ownDomains(): ReadonlyMap<string, number>;
  /** Unix seconds of the last good reading, by source. */
  ownDomainsLastSuccess(): ReadonlyMap<string, number>;
  /** Secrets in force. */
  secrets(): number;
  /** Whether the store answers; `undefined` without one. */
  storeUp(): boolean | undefined;
}

/** What the daemon counts into. */
export interface Metrics {
  readonly spfChecks: PlainCounter<[SpfIdentity, SpfResult]>;
  readonly policyRequests: PlainCounter<[ActionKind]>;
  readonly policyWould: PlainCounter<[ActionKind]>;
  readonly policyDuration: PlainHistogram;
  readonly policyLastRequest: LastTime;
  readonly srsLookups: PlainCounter<[MapName, Protocol, Outcome]>;
  readonly srsDuration: PlainHistogram;
  readonly srsLastLookup: LastTime;
  readonly srsTempFails: PlainCounter<[TempFailPart]>;
  readonly dnsQueries: PlainCounter<[RecordType, QueryOutcome]>;
  readonly dnsDuration: PlainHistogram;
  readonly protocolErrors: PlainCounter<[Protocol]>;
  readonly halfRequestsDropped: PlainCounter<[Protocol]>;
  readonly connectionsRefused: PlainCounter<[]>;
  /** Whether the last reload went well, and when it was (unix seconds). */
  reloaded(successful: boolean, unixSeconds: number): void;
  /** The text of a scrape. */
  scrape(): Promise<{ readonly contentType: string; readonly body: string }>;
}

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const counter = <Values extends readonly string[]>(
    name: string,
    help: string,
    labels: Readonly<Record<string, readonly string[]>>,
  ): PlainCounter<Values> => {
    const plain = new PlainCounter<Values>(labels);
    registerCounter(registry, name, help, Object.keys(labels), () => plain.values());
    return plain;
  };
  const histogram = (name: string, help: string, buckets: readonly number[]): PlainHistogram => {
    const plain = new PlainHistogram(buckets);
    registerHistogram(registry, name, help, plain);
    return plain;
  };
  const lastTime = (name: string, help: string): LastTime => {
    const last = new LastTime();
    registerGauge(registry, name, help, "", () => new Map([["", last.unixSeconds()]]));
    return last;
  };
  const reload = registerSources(registry, sources);
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  return {
    ...reload,
    spfChecks: counter("spf_checks_total", "SPF checks by identity and result.", {
      identity: ["helo", "mailfrom"],
      result: SPF_RESULTS,
    }),
    policyRequests: counter("policy_requests_total", "Policy requests by the kind of action answered.", {
      action: ACTION_KINDS,
    }),
    policyWould: counter("policy_would_total", "In report mode: what would have been answered.", {
      action: ACTION_KINDS,
    }),
    policyDuration: histogram(
      "policy_request_duration_seconds",
      "Time from a policy request to its answer.",
      REQUEST_BUCKETS,
    ),
    policyLastRequest: lastTime(
      "policy_last_request_timestamp_seconds",
      "When the last policy request was answered; 0 before the first.",
    ),
    srsLookups: counter("srs_lookups_total", "SRS lookups by map, protocol and outcome.", {
      map: MAPS,
      protocol: ["tcp_table", "socketmap"],
      outcome: OUTCOMES,
    }),
    srsDuration: histogram("srs_lookup_duration_seconds", "Time from an SRS lookup to its answer.", LOOKUP_BUCKETS),
    srsLastLookup: lastTime(
      "srs_last_lookup_timestamp_seconds",
      "When the last SRS lookup was answered; 0 before the first.",
    ),
    srsTempFails: counter("srs_tempfails_total", "SRS lookups put off, by what did not answer.", {
      part: TEMPFAIL_PARTS,
    }),
    dnsQueries: counter("dns_queries_total", "Queries sent to DNS servers, by type and outcome.", {
      type: RECORD_TYPES,
      outcome: QUERY_OUTCOMES,
    }),
    dnsDuration: histogram(
      "dns_query_duration_seconds",
      "Time from a DNS query to the server's reply.",
      REQUEST_BUCKETS,
    ),
    halfRequestsDropped: counter("half_requests_dropped_total", "Half requests dropped because all held too much.", {
      protocol: PROTOCOLS,
    }),
    connectionsRefused: counter("connections_refused_total", "Connections refused because too many were open.", {}),
    protocolErrors: counter("protocol_errors_total", "Requests that broke their protocol.", {
      protocol: PROTOCOLS,
    }),
    scrape: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

type Sample = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

function registerCounter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  read: () => readonly Sample[],
): void {
  new Counter({
    name: PREFIX + name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of read()) this.inc(labels, value);
    },
  });
}

function registerGauge(
  registry: Registry,
  name: string,
  help: string,
  labelName: string,
  read: () => ReadonlyMap<string, number>,
): void {
  new Gauge({
    name: PREFIX + name,
    help,
    labelNames: labelName === "" ? [] : [labelName],
    registers: [registry],
    collect() {
      this.reset();
      // Without labels a reset leaves a sample of 0, which is not what an absent one says.
      if (labelName === "") this.remove();
      for (const [label, value] of read()) this.set(labelName === "" ? {} : { [labelName]: label }, value);
    },
  });
}

/** Registers an object of a Histogram's form: prom-client's own class cannot take over counts that others keep. */
function registerHistogram(registry: Registry, shortName: string, help: string, plain: PlainHistogram): void {
  const name = PREFIX + shortName;
  const get = async () => {
    const { cumulative, sumSeconds } = plain.snapshot();
    const values = cumulative.map((value, i) => ({
      metricName: `${name}_bucket`,
      labels: { le: String(plain.boundsSeconds[i] ?? "+Inf") },
      value,
    }));
    const total = cumulative.at(-1) ?? 0;
    return {
      name,
      help,
      type: "histogram",
      aggregator: "sum",
      values: [
        ...values,
        { metricName: `${name}_sum`, labels: {}, value: sumSeconds },
        { metricName: `${name}_count`, labels: {}, value: total },
      ],
    };
  };
  registry.registerMetric({ name, get, reset: () => {} } as unknown as Counter);
}

function registerSources(registry: Registry, sources: MetricSources): Pick<Metrics, "reloaded"> {
  const single = (value: number): ReadonlyMap<string, number> => new Map([["", value]]);
  const plainCounter = (name: string, help: string, read: () => number): void =>
    registerCounter(registry, name, help, [], () => [{ labels: {}, value: read() }]);
  plainCounter("dns_cache_hits_total", "DNS queries answered from the cache.", () => sources.dnsStats().cacheHits);
  plainCounter("dns_cache_misses_total", "DNS queries not in the cache.", () => sources.dnsStats().cacheMisses);
  registerGauge(registry, "dns_cache_entries", "DNS answers in the cache.", "", () =>
    single(sources.dnsStats().cacheEntries),
  );
  registerGauge(registry, "connections", "Open connections by listener.", "listener", () => sources.connections());
  registerGauge(registry, "own_domains", "Own domains by source.", "source", () => sources.ownDomains());
  registerGauge(
    registry,
    "own_domains_last_success_timestamp_seconds",
    "When the source was last read well.",
    "source",
    () => sources.ownDomainsLastSuccess(),
  );
  registerGauge(registry, "srs_secrets", "Secrets in force.", "", () => single(sources.secrets()));
  registerGauge(registry, "store_up", "1 while the store of long addresses answers; absent without one.", "", () => {
    const isUp = sources.storeUp();
    return isUp === undefined ? new Map() : single(isUp ? 1 : 0);
  });
  let successful = 1;
  let at = Date.now() / 1000;
  registerGauge(
    registry,
    "config_last_reload_successful",
    "1 if the last reading of the configuration went well.",
    "",
    () => single(successful),
  );
  registerGauge(
    registry,
    "config_last_reload_timestamp_seconds",
    "When the configuration was last read well.",
    "",
    () => single(at),
  );
  new Gauge({
    name: `${PREFIX}build_info`,
    help: "The running version, always 1.",
    labelNames: ["version", "node"],
    registers: [registry],
  }).set({ version: sources.version, node: process.versions.node }, 1);
  return {
    reloaded(wasSuccessful, unixSeconds) {
      successful = wasSuccessful ? 1 : 0;
      if (wasSuccessful) at = unixSeconds;
    },
  };
}
