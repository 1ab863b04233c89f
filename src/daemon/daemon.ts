/** The composition root: builds the parts, joins them and opens the ports. */
import type { Socket } from "node:net";
import { createResolver, type StubResolver } from "../dns/resolver.ts";
import type { OwnDomainSources } from "../domains/sources.ts";
import { createMetrics, type Metrics } from "../metrics/metrics.ts";
import type { ServeHooks } from "../net/connection.ts";
import { formatEndpoint } from "../net/endpoint.ts";
import { type Drainable, Listeners, ListenFailure, serveWith, type Wanted } from "../net/listeners.ts";
import type { Service } from "../net/session.ts";
import { Messages } from "../policy/messages.ts";
import { EXIT, Failure } from "../process/exit.ts";
import type { Logger } from "../process/log.ts";
import { ownDomainSettings, type Setup } from "../setup/setup.ts";
import type { AddressStore } from "../srs/store.ts";
import { createStatusServer } from "../status/server.ts";
import { openStore } from "../store/open.ts";
import { dnsQueryObserver } from "./dns-observer.ts";
import { dnsTroubleLog, serveHooks, storeLog } from "./event-log.ts";
import { createServices, type Parts, type Services } from "./services.ts";

export interface DaemonOptions {
  readonly logger: Logger;
  readonly version: string;
  /** The clock that SRS reads, in milliseconds since 1970. */
  readonly now: () => number;
}

/** Longest time for what is under way when the daemon stops, in milliseconds. */
const DRAIN_MS = 5_000;

/** What is served now. Listeners look here at each request, so that a reload reaches open connections too. */
interface Current {
  setup: Setup;
  services: Services;
  resolver: StubResolver;
  store: AddressStore | undefined;
}

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #metrics: Metrics;
  readonly #ownDomains: OwnDomainSources;
  readonly #listeners: Listeners;
  readonly #hooks: ServeHooks;
  readonly #messages = new Messages();
  readonly #current: Current;
  #stopping = false;

  /**
   * Opens the store and every endpoint. The own domains are the daemon's from here on.
   *
   * @throws {Failure} naming what could not be had; nothing stays open then
   */
  static async start(setup: Setup, ownDomains: OwnDomainSources, options: DaemonOptions): Promise<Daemon> {
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => ownDomains.close());
    const url = setup.config["srs.store.url"];
    const store = url === "" ? undefined : await openStore(url, storeLog(options.logger), options.now);
    cleanup.defer(() => store?.close());
    const daemon = new Daemon(setup, options, ownDomains, store);
    cleanup.defer(() => daemon.#current.resolver.close());
    await daemon.#listen(setup);
    cleanup.move();
    return daemon;
  }

  private constructor(
    setup: Setup,
    options: DaemonOptions,
    ownDomains: OwnDomainSources,
    store: AddressStore | undefined,
  ) {
    this.#options = options;
    this.#ownDomains = ownDomains;
    this.#listeners = new Listeners({
      socketMode: setup.config.socket_mode,
      reusePort: setup.config.reuse_port,
    });
    this.#metrics = createMetrics({
      version: options.version,
      dnsStats: () => {
        const { cacheEntries, hits, misses } = this.#current.resolver.stats();
        return { cacheEntries, cacheHits: hits, cacheMisses: misses };
      },
      connections: () => this.#listeners.connections(),
      ownDomains: () => ownDomains.counts(),
      ownDomainsLastSuccess: () => ownDomains.lastSuccess(),
    });
    this.#hooks = serveHooks(this.#metrics, options.logger);
    const resolver = this.#createResolver(setup);
    const services = createServices(setup, this.#parts(resolver, store));
    this.#current = { setup, services, resolver, store };
  }

  /**
   * Takes over a new reading of the configuration. Connections stay; what they ask next is answered by the new rules.
   *
   * @throws {Failure} and everything stays as it was
   */
  async reload(setup: Setup): Promise<void> {
    const before = this.#current.setup;
    if (setup.problems.length > 0) throw new Failure(EXIT.config, setup.problems);
    const report = await this.#ownDomains.reload(ownDomainSettings(setup));
    if (report.errors.length > 0) throw new Failure(EXIT.config, report.errors);
    const current = this.#current;
    const sameStore = before.config["srs.store.url"] === setup.config["srs.store.url"];
    const url = setup.config["srs.store.url"];
    const opened =
      sameStore || url === "" ? undefined : await openStore(url, storeLog(this.#options.logger), this.#options.now);
    const store = sameStore ? current.store : opened;
    const resolver = sameDns(before, setup) ? current.resolver : this.#createResolver(setup);
    if (this.#stopping) return;
    await this.#listen(setup);
    this.#options.logger.configure({ level: setup.config["log.level"], format: setup.config["log.format"] });
    const services = createServices(setup, this.#parts(resolver, store));
    const old = { ...current };
    Object.assign(current, { setup, services, resolver, store });
    if (resolver !== old.resolver)
      setTimeout(() => void old.resolver.close(), before.config["policy.time_limit"]).unref();
    if (store !== old.store) await old.store?.close();
  }

  /** Tells the metrics how a reload went. */
  reloaded(successful: boolean): void {
    this.#metrics.reloaded(successful, Date.now() / 1000);
  }

  /** Stops: nothing new is taken, what is under way is answered, 5 s at most. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#listeners.drain(DRAIN_MS);
    this.#ownDomains.close();
    await this.#current.resolver.close();
    await this.#current.store?.close();
  }

  async #listen(setup: Setup): Promise<void> {
    try {
      for (const { name, endpoint } of await this.#listeners.apply(this.#wanted(setup))) {
        this.#options.logger.log("info", "listening", { listener: name, endpoint: formatEndpoint(endpoint) });
      }
    } catch (error) {
      if (!(error instanceof ListenFailure)) throw error;
      const lines = error.errors.map((one) => `${one.message}; free it, or set ${one.listener} to another endpoint`);
      const [first] = error.errors;
      throw new Failure(LISTEN_EXIT[first?.code ?? ""] ?? EXIT.cannotCreate, lines, { cause: error });
    }
  }

  #wanted(setup: Setup): Wanted[] {
    const { config } = setup;
    const status = createStatusServer({
      scrape: () => this.#metrics.scrape(),
      notReady: () => (this.#stopping ? "stopping" : undefined),
    });
    const serveHttp = (socket: Socket): Drainable => {
      status.emit("connection", socket);
      return { drain: () => socket.destroySoon() };
    };
    const serve = (kind: keyof Services) => serveWith(this.#latest(kind), this.#hooks);
    return [
      ...config["tcptable.forward"].map((endpoint) => ({
        name: "tcptable.forward",
        endpoint,
        accept: serve("forward"),
      })),
      ...config["tcptable.reverse"].map((endpoint) => ({
        name: "tcptable.reverse",
        endpoint,
        accept: serve("reverse"),
      })),
      ...config["socketmap.listen"].map((endpoint) => ({
        name: "socketmap.listen",
        endpoint,
        accept: serve("socketmap"),
      })),
      ...config["policy.listen"].map((endpoint) => ({ name: "policy.listen", endpoint, accept: serve("policy") })),
      ...config["metrics.listen"].map((endpoint) => ({
        name: "metrics.listen",
        endpoint,
        accept: serveHttp,
        isStatus: true,
      })),
    ];
  }

  /** The service of a kind as it is when a request comes, not as it was when the connection was made. */
  #latest(kind: keyof Services): Service<unknown> {
    const { protocol } = this.#current.services[kind];
    return {
      protocol,
      createDecoder: () => this.#current.services[kind].createDecoder(),
      answer: (request) => this.#current.services[kind].answer(request),
    };
  }

  #parts(resolver: StubResolver, store: AddressStore | undefined): Parts {
    const { logger, now } = this.#options;
    return {
      logger,
      now,
      resolver,
      store,
      metrics: this.#metrics,
      messages: this.#messages,
      ownDomains: this.#ownDomains,
    };
  }

  #createResolver(setup: Setup): StubResolver {
    return createResolver(resolverSettings(setup), {
      observeQuery: dnsQueryObserver(this.#metrics),
      onTrouble: dnsTroubleLog(this.#options.logger),
    });
  }
}

const LISTEN_EXIT: Readonly<Record<string, number>> = {
  EADDRINUSE: EXIT.unavailable,
  EADDRNOTAVAIL: EXIT.unavailable,
  EACCES: EXIT.noPermission,
  EPERM: EXIT.noPermission,
};

/** [dns] as the resolver wants it. */
export function resolverSettings(setup: Setup): Parameters<typeof createResolver>[0] {
  const { config } = setup;
  return {
    servers: config["dns.servers"],
    timeoutMs: config["dns.timeout"],
    tries: config["dns.tries"],
    cacheSize: config["dns.cache_size"],
    maxTtlMs: config["dns.max_ttl"],
    negativeTtlMs: config["dns.negative_ttl"],
  };
}

function sameDns(a: Setup, b: Setup): boolean {
  return JSON.stringify(resolverSettings(a)) === JSON.stringify(resolverSettings(b));
}
