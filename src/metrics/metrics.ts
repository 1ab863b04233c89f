/** The registry: the table of metrics in prom-client's form. The only importer of prom-client. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { COUNTERS, HISTOGRAMS, LABELLED_HISTOGRAMS, LAST_TIMES, type Label } from "./list.ts";
import { LastTime, PlainCounter, PlainHistogram } from "./plain.ts";

const PREFIX = "postvouch_";

/** Gauges of prom-client whose names end in _total, which `promtool check metrics` refuses. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/** Numbers that other parts keep. They are read at each scrape. */
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
  /** True while the store answers; `undefined` without a store. */
  storeUp(): boolean | undefined;
  /** Number of DKIM keys by state; empty without a milter. */
  dkimKeys(): ReadonlyMap<string, number>;
}

/** The possible values of a counter's labels, in the order of the labels. */
type Values<Labels extends readonly Label[]> = {
  readonly [Index in keyof Labels]: Labels[Index] extends Label ? Labels[Index][1][number] : never;
};

/** The counters and histograms that the daemon updates. */
export type Metrics = {
  readonly [Name in keyof typeof COUNTERS]: PlainCounter<Values<(typeof COUNTERS)[Name]["labels"]>>;
} & Readonly<Record<keyof typeof HISTOGRAMS, PlainHistogram>> &
  Readonly<Record<keyof typeof LAST_TIMES, LastTime>> & {
    readonly [Name in keyof typeof LABELLED_HISTOGRAMS]: Readonly<
      Record<(typeof LABELLED_HISTOGRAMS)[Name]["label"][1][number], PlainHistogram>
    >;
  } & {
    /** Sets the result and the time (unix seconds) of the last reload. */
    reloaded(successful: boolean, unixSeconds: number): void;
    /** The result of the last reload (or of the start), and the time of the last good one in unix seconds. */
    lastReload(): { readonly successful: boolean; readonly unixSeconds: number };
    /** The text of a scrape. */
    scrape(): Promise<{ readonly contentType: string; readonly body: string }>;
  };

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const counters = mapRows(COUNTERS, ({ name, help, labels }) => {
    const plain = new PlainCounter(labels);
    const labelNames = labels.map(([label]) => label);
    registerCounter(registry, name, help, labelNames, () => plain.values());
    return plain;
  });
  const histograms = mapRows(HISTOGRAMS, ({ name, help, buckets }) => {
    const plain = new PlainHistogram(buckets);
    registerHistogram(registry, name, help, [{ labels: {}, plain }]);
    return plain;
  });
  const labelled = mapRows(LABELLED_HISTOGRAMS, ({ name, help, buckets, label: [label, values] }) => {
    const all = values.map((value) => ({ value, labels: { [label]: value }, plain: new PlainHistogram(buckets) }));
    registerHistogram(registry, name, help, all);
    return Object.fromEntries(all.map(({ value, plain }) => [value, plain]));
  });
  const lastTimes = mapRows(LAST_TIMES, ({ name, help }) => {
    const last = new LastTime();
    registerGauge(registry, name, help, "", () => single(last.unixSeconds()));
    return last;
  });
  registerSources(registry, sources);
  const reload = registerReload(registry);
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const scrape = async () => ({ contentType: registry.contentType, body: await registry.metrics() });
  // The type of each counter contains the labels of its row.
  return { ...counters, ...histograms, ...labelled, ...lastTimes, ...reload, scrape } as unknown as Metrics;
}

/** Converts each row of a table. */
function mapRows<Rows extends Readonly<Record<string, unknown>>, Made>(
  rows: Rows,
  make: (row: Rows[keyof Rows]) => Made,
): Readonly<Record<keyof Rows, Made>> {
  const entries = Object.entries(rows).map(([name, row]) => [name, make(row as Rows[keyof Rows])]);
  return Object.fromEntries(entries) as Record<keyof Rows, Made>;
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
      // Without labels a reset leaves a sample of 0, but the sample must be absent.
      if (labelName === "") this.remove();
      for (const [label, value] of read()) this.set(labelName === "" ? {} : { [labelName]: label }, value);
    },
  });
}

/** Registers an object in the form of a Histogram, because prom-client's own class cannot use counts from elsewhere. */
function registerHistogram(
  registry: Registry,
  shortName: string,
  help: string,
  all: readonly { readonly labels: Readonly<Record<string, string>>; readonly plain: PlainHistogram }[],
): void {
  const name = PREFIX + shortName;
  const samples = ({ labels, plain }: (typeof all)[number]) => {
    const { cumulative, sumSeconds } = plain.snapshot();
    const buckets = cumulative.map((value, i) => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: String(plain.boundsSeconds[i] ?? "+Inf") },
      value,
    }));
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sumSeconds },
      { metricName: `${name}_count`, labels, value: cumulative.at(-1) ?? 0 },
    ];
  };
  const get = async () => ({ name, help, type: "histogram", aggregator: "sum", values: all.flatMap(samples) });
  registry.registerMetric({ name, get, reset: () => {} } as unknown as Counter);
}

/** The single sample of a gauge without labels. */
function single(value: number): ReadonlyMap<string, number> {
  return new Map([["", value]]);
}

function registerSources(registry: Registry, sources: MetricSources): void {
  const counter = (name: string, help: string, read: () => number): void =>
    registerCounter(registry, name, help, [], () => [{ labels: {}, value: read() }]);
  const gauge = (name: string, help: string, label: string, read: () => ReadonlyMap<string, number>): void =>
    registerGauge(registry, name, help, label, read);
  counter("dns_cache_hits_total", "DNS queries answered from the cache.", () => sources.dnsStats().cacheHits);
  counter("dns_cache_misses_total", "DNS queries not in the cache.", () => sources.dnsStats().cacheMisses);
  gauge("dns_cache_entries", "DNS answers in the cache.", "", () => single(sources.dnsStats().cacheEntries));
  gauge("connections", "Open connections by listener.", "listener", () => sources.connections());
  gauge("own_domains", "Own domains by source.", "source", () => sources.ownDomains());
  gauge("own_domains_last_success_timestamp_seconds", "When the source was last read well.", "source", () =>
    sources.ownDomainsLastSuccess(),
  );
  gauge("srs_secrets", "Secrets in force.", "", () => single(sources.secrets()));
  gauge("dkim_keys", "DKIM keys by state; absent without a milter.", "state", () => sources.dkimKeys());
  gauge("store_up", "1 while the store of long addresses answers; absent without one.", "", () => {
    const isUp = sources.storeUp();
    return isUp === undefined ? new Map() : single(isUp ? 1 : 0);
  });
  new Gauge({
    name: `${PREFIX}build_info`,
    help: "The running version, always 1.",
    labelNames: ["version", "node"],
    registers: [registry],
  }).set({ version: sources.version, node: process.versions.node }, 1);
}

function registerReload(registry: Registry): Pick<Metrics, "reloaded" | "lastReload"> {
  let successful = 1;
  let at = Date.now() / 1000;
  const gauge = (name: string, help: string, read: () => number): void =>
    registerGauge(registry, name, help, "", () => single(read()));
  gauge("config_last_reload_successful", "1 if the last reading of the configuration went well.", () => successful);
  gauge("config_last_reload_timestamp_seconds", "When the configuration was last read well.", () => at);
  return {
    reloaded(wasSuccessful, unixSeconds) {
      successful = wasSuccessful ? 1 : 0;
      if (wasSuccessful) at = unixSeconds;
    },
    lastReload: () => ({ successful: successful === 1, unixSeconds: at }),
  };
}
