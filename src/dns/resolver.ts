/** The stub resolver: joins cache, coalescing, servers and reports. */
import { TransientMap } from "../collections/transient-map.ts";
import { Admission } from "./admission.ts";
import { AnswerCache, type AnyAnswer } from "./answer-cache.ts";
import type { QueryObserver } from "./attempt.ts";
import { MessageIds } from "./message-ids.ts";
import { toQueryName } from "./name.ts";
import {
  DEADLINE_PASSED,
  OVERLOAD,
  Resolution,
  type ResolutionContext,
  type ResolutionOwner,
  type ResolutionSettings,
} from "./resolution.ts";
import { readResolvConf, watchResolvConf } from "./resolv-conf.ts";
import { formatServer, type ServerAddress } from "./server-address.ts";
import { TimerWheel } from "./timer-wheel.ts";
import { type DnsEvent, TroubleReports } from "./trouble-reports.ts";
import type { DnsAnswer, RecordType, ResolveOptions, Resolver } from "./types.ts";
import { type ServerState, Upstreams } from "./upstream.ts";

/** The [dns] section of the configuration. */
export interface ResolverSettings extends ResolutionSettings {
  /** The servers. Empty: those of resolv.conf, which is watched. */
  readonly servers: readonly ServerAddress[];
  /** Number of answers that are cached. */
  readonly cacheSize: number;
}

export interface ResolverOptions {
  /** The clock of deadlines and of `expiresAtMs`. Default: `performance.now`. */
  readonly clockMs?: () => number;
  readonly observeQuery?: QueryObserver;
  /** Called with events for the log, which are rare. */
  readonly onEvent?: (event: DnsEvent) => void;
  /** The path of resolv.conf. Default: /etc/resolv.conf. */
  readonly resolvConfPath?: string;
  /** Interval at which resolv.conf is read. */
  readonly resolvConfIntervalMs?: number;
}

/** Counts since the start, and the current state. */
export interface ResolverStats {
  readonly cacheEntries: number;
  /** Number of queries answered from the cache. */
  readonly hits: number;
  /** Number of other queries, including those that joined an equal one in flight. */
  readonly misses: number;
  /** Number of queries that joined an equal one in flight. */
  readonly coalesced: number;
  readonly inFlight: number;
}

export interface StubResolver extends Resolver {
  stats(): ResolverStats;
  /** The servers in their order. */
  servers(): { readonly name: string; readonly state: ServerState }[];
  /** Answers queries in flight with `aborted`, and closes all sockets, timers and watches. */
  close(): Promise<void>;
}

const RESOLV_CONF = "/etc/resolv.conf";

/** The answer for a name that DNS cannot have. It never expires. */
const NOT_A_NAME = { status: "nxdomain", expiresAtMs: Number.POSITIVE_INFINITY } as const;
const CLOSED = { status: "error", trouble: "aborted", detail: "the resolver is closed" } as const;

/** Starts a stub resolver. See `Resolver` for its contract. */
export function createResolver(settings: ResolverSettings, options: ResolverOptions = {}): StubResolver {
  return new CachingResolver(settings, options);
}

class CachingResolver implements StubResolver, ResolutionOwner {
  readonly #clockMs: () => number;
  readonly #cache: AnswerCache;
  readonly #wheel: TimerWheel;
  readonly #upstreams = new Upstreams(new MessageIds());
  readonly #context: ResolutionContext;
  readonly #reports: TroubleReports;
  readonly #endWatch: () => void;
  /** The resolutions without an answer by key, including those that wait to start. */
  readonly #resolutions = new TransientMap<string, Resolution>();
  readonly #admission = new Admission();
  #hits = 0;
  #misses = 0;
  #coalesced = 0;
  #isClosed = false;

  constructor(settings: ResolverSettings, options: ResolverOptions) {
    const { clockMs = () => performance.now(), observeQuery = () => {}, onEvent = () => {} } = options;
    this.#clockMs = clockMs;
    this.#cache = new AnswerCache(settings.cacheSize);
    this.#wheel = new TimerWheel(clockMs);
    this.#reports = new TroubleReports(onEvent, clockMs);
    this.#context = {
      settings,
      clockMs,
      observeQuery,
      wheel: this.#wheel,
      upstreams: this.#upstreams,
      reports: this.#reports,
      owner: this,
    };
    this.#endWatch = this.#useServers(settings.servers, options);
  }

  resolve<T extends RecordType>(
    name: string,
    type: T,
    { deadlineMs }: ResolveOptions,
  ): DnsAnswer<T> | Promise<DnsAnswer<T>> {
    const queryName = toQueryName(name);
    if (queryName === undefined) return NOT_A_NAME;
    const key = `${type} ${queryName}`;
    const nowMs = this.#clockMs();
    const cached = this.#cache.get(key, nowMs);
    if (cached !== undefined) {
      this.#hits += 1;
      return cached as DnsAnswer<T>; // the key holds the type
    }
    this.#misses += 1;
    if (deadlineMs <= nowMs) return DEADLINE_PASSED;
    const resolution = this.#resolutions.get(key);
    if (resolution !== undefined) {
      this.#coalesced += 1;
      return resolution.join(deadlineMs) as Promise<DnsAnswer<T>>;
    }
    return this.#ask(key, queryName, type, deadlineMs) as DnsAnswer<T> | Promise<DnsAnswer<T>>;
  }

  stats(): ResolverStats {
    return {
      cacheEntries: this.#cache.size,
      hits: this.#hits,
      misses: this.#misses,
      coalesced: this.#coalesced,
      inFlight: this.#resolutions.size,
    };
  }

  servers(): { name: string; state: ServerState }[] {
    return this.#upstreams.states;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#endWatch();
    for (const resolution of this.#resolutions.values()) resolution.end(CLOSED);
    this.#upstreams.close();
    this.#wheel.close();
    this.#cache.clear();
    return Promise.resolve();
  }

  onSlow(resolution: Resolution): void {
    this.#admission.onSlow(resolution);
  }

  onEnd(resolution: Resolution, answer: AnyAnswer): void {
    this.#resolutions.delete(resolution.key);
    if (this.#isClosed) return;
    this.#cache.set(resolution.key, answer, this.#clockMs());
    if (answer.status !== "error") this.#reports.queryAnswered();
    else if (answer.trouble !== "aborted" && answer.trouble !== "overload") this.#reports.queryFailed(answer.detail);
    this.#admission.onEnd(resolution);
  }

  #ask(key: string, name: string, type: RecordType, deadlineMs: number): AnyAnswer | Promise<AnyAnswer> {
    if (this.#isClosed) return CLOSED;
    if (this.#admission.isFullFor(name)) return OVERLOAD;
    const resolution = new Resolution(key, name, type, this.#context);
    this.#resolutions.set(key, resolution);
    const answer = resolution.join(deadlineMs);
    this.#admission.enter(resolution);
    return answer;
  }

  /** @returns a function that ends the watch on resolv.conf */
  #useServers(servers: readonly ServerAddress[], options: ResolverOptions): () => void {
    if (servers.length > 0) {
      this.#upstreams.replace(servers);
      return () => {};
    }
    const path = options.resolvConfPath ?? RESOLV_CONF;
    this.#upstreams.replace(readResolvConf(path));
    return watchResolvConf(path, (addresses) => this.#onResolvConf(path, addresses), options.resolvConfIntervalMs);
  }

  #onResolvConf(path: string, addresses: readonly ServerAddress[]): void {
    const names = addresses.map(formatServer).join(" ");
    if (names === this.#upstreams.names.join(" ")) return;
    this.#upstreams.replace(addresses);
    this.#reports.serversChanged(path, names);
  }
}
