import { TransientMap } from "../collections/transient-map.ts";
import { AnswerCache, type AnyAnswer } from "./cache.ts";
import type { QueryOutcome } from "./exchange.ts";
import { Flight, type FlightContext, LATE } from "./flight.ts";
import { RandomIds } from "./ids.ts";
import { toQueryName } from "./names.ts";
import { readResolvConf, watchResolvConf } from "./resolv-conf.ts";
import { formatServer, type ServerAddress } from "./server-address.ts";
import { TimerWheel } from "./timers.ts";
import { type TroubleFields, TroubleReports } from "./trouble.ts";
import type { DnsAnswer, RecordType, ResolveOptions, Resolver } from "./types.ts";
import { Upstreams } from "./upstream.ts";

/** The [dns] section of the configuration. */
export interface ResolverSettings {
  /** Empty: those of resolv.conf, which is watched. */
  readonly servers: readonly ServerAddress[];
  /** Longest wait for one server's reply. */
  readonly timeoutMs: number;
  /** How often each server is asked. */
  readonly tries: number;
  /** Answers kept. */
  readonly cacheSize: number;
  /** Upper bound of every answer's lifetime. */
  readonly maxTtlMs: number;
  /** Upper bound of the lifetime of "no such name" and "no such record". */
  readonly negativeTtlMs: number;
  /** Questions asked at the same time; others wait for their turn. Default: 1,024. */
  readonly maxInFlight?: number;
}

export interface ResolverOptions {
  /** Milliseconds; the clock of deadlines and of `expiresAtMs`. Default: `performance.now`. */
  readonly now?: () => number;
  /** Hears of each query to a server when it has ended. */
  readonly onQuery?: (type: RecordType, outcome: QueryOutcome, seconds: number) => void;
  /** Hears of trouble with servers, of each kind once in ten seconds, and of changes of resolv.conf. */
  readonly onTrouble?: (fields: TroubleFields) => void;
  /** Default: /etc/resolv.conf. */
  readonly resolvConfPath?: string;
  /** How often resolv.conf is looked at. */
  readonly resolvConfIntervalMs?: number;
}

/** Counts since the start, and the state of this moment. */
export interface ResolverStats {
  readonly cacheEntries: number;
  /** Questions answered from the cache. */
  readonly hits: number;
  /** Questions that were not, those that joined an equal one in flight included. */
  readonly misses: number;
  /** Questions that joined an equal one in flight. */
  readonly coalesced: number;
  readonly inFlight: number;
}

export interface StubResolver extends Resolver {
  stats(): ResolverStats;
  /** Forgets all cached answers. */
  flush(): void;
  /** Answers what is in flight with `aborted`, and leaves no socket, timer or watch open. */
  close(): Promise<void>;
}

const DEFAULT_MAX_IN_FLIGHT = 1024;
/**
 * Queries that may be with the servers unread: a burst of more overflows the receive buffer that Linux gives a socket
 * (212,992 octets, at 768 a query), and each query lost costs its asker `timeoutMs`.
 */
const MAX_FRESH = 200;
/** Questions that may wait for their turn, per question in flight. More are answered with `overload`. */
const QUEUE_FACTOR = 8;
const RESOLV_CONF = "/etc/resolv.conf";

/** DNS does not have such a name, and never will. */
const NOT_A_NAME = { status: "nxdomain", expiresAtMs: Number.POSITIVE_INFINITY } as const;
const CLOSED = { status: "error", trouble: "aborted", detail: "the resolver is closed" } as const;
const OVERLOAD = { status: "error", trouble: "overload", detail: "too many questions in flight" } as const;

/** Starts a stub resolver: cache, coalescing, servers in their order. See `Resolver` for what it promises. */
export function createResolver(settings: ResolverSettings, options: ResolverOptions = {}): StubResolver {
  return new CachingResolver(settings, options);
}

class CachingResolver implements StubResolver {
  readonly #now: () => number;
  readonly #cache: AnswerCache;
  readonly #wheel: TimerWheel;
  readonly #upstreams = new Upstreams(new RandomIds());
  readonly #context: FlightContext;
  readonly #maxInFlight: number;
  readonly #reports: TroubleReports;
  readonly #endWatch: () => void;
  /** Every question without an answer yet, those that wait for their turn included. */
  readonly #flights = new TransientMap<string, Flight>();
  /** Those that wait, in order. */
  #queue = new Set<Flight>();
  #fresh = 0;
  #hits = 0;
  #misses = 0;
  #coalesced = 0;
  #isClosed = false;

  constructor(settings: ResolverSettings, options: ResolverOptions) {
    const { now = () => performance.now(), onQuery, onTrouble } = options;
    this.#now = now;
    this.#cache = new AnswerCache(settings.cacheSize);
    this.#wheel = new TimerWheel(now);
    this.#maxInFlight = settings.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT;
    this.#reports = new TroubleReports(onTrouble ?? (() => {}), now);
    this.#context = {
      ...settings,
      now,
      wheel: this.#wheel,
      upstreams: this.#upstreams,
      onQueryEnd: ({ type }, outcome, seconds) => onQuery?.(type, outcome, seconds),
      onTrouble: ({ name, type }, trouble) =>
        this.#reports.add(`${trouble.server} ${trouble.trouble}`, { ...trouble, name, type }),
      onSlow: () => {
        this.#fresh -= 1;
        this.#startNext();
      },
      onLanding: (flight, answer) => this.#onLanding(flight, answer),
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
    const nowMs = this.#now();
    const cached = this.#cache.get(key, nowMs);
    if (cached !== undefined) {
      this.#hits += 1;
      return cached as DnsAnswer<T>; // the key holds the type
    }
    this.#misses += 1;
    if (deadlineMs <= nowMs) return LATE;
    const flight = this.#flights.get(key);
    if (flight !== undefined) {
      this.#coalesced += 1;
      return flight.join(deadlineMs) as Promise<DnsAnswer<T>>;
    }
    return this.#ask(key, queryName, type, deadlineMs) as DnsAnswer<T> | Promise<DnsAnswer<T>>;
  }

  stats(): ResolverStats {
    return {
      cacheEntries: this.#cache.size,
      hits: this.#hits,
      misses: this.#misses,
      coalesced: this.#coalesced,
      inFlight: this.#flights.size,
    };
  }

  flush(): void {
    this.#cache.clear();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#endWatch();
    for (const flight of this.#flights.values()) flight.land(CLOSED);
    this.#upstreams.close();
    this.#wheel.close();
    this.#cache.clear();
    return Promise.resolve();
  }

  #ask(key: string, name: string, type: RecordType, deadlineMs: number): AnyAnswer | Promise<AnyAnswer> {
    if (this.#isClosed) return CLOSED;
    if (this.#queue.size >= this.#maxInFlight * QUEUE_FACTOR) return OVERLOAD;
    const startsAtOnce = this.#queue.size === 0 && this.#hasRoom;
    const flight = new Flight(key, name, type, this.#context);
    this.#flights.set(key, flight);
    const answer = flight.join(deadlineMs);
    if (startsAtOnce) this.#start(flight);
    else this.#queue.add(flight);
    return answer;
  }

  /** Whether one more may be asked now. */
  get #hasRoom(): boolean {
    return this.#fresh < MAX_FRESH && this.#flights.size - this.#queue.size < this.#maxInFlight;
  }

  #startNext(): void {
    if (this.#queue.size === 0) return;
    for (const flight of this.#queue) {
      if (!this.#hasRoom) return;
      this.#queue.delete(flight);
      this.#start(flight);
    }
    // For the reason that TransientMap gives.
    if (this.#queue.size === 0) this.#queue = new Set();
  }

  #start(flight: Flight): void {
    this.#fresh += 1;
    flight.start();
  }

  #onLanding(flight: Flight, answer: AnyAnswer): void {
    this.#flights.delete(flight.key);
    if (this.#isClosed) return;
    this.#cache.set(flight.key, answer, this.#now());
    this.#queue.delete(flight);
    if (flight.isFresh) this.#fresh -= 1;
    this.#startNext();
  }

  /** @returns what ends the watch on resolv.conf */
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
    this.#reports.add(`${path} ${names}`, { resolv_conf: path, servers: names });
  }
}
