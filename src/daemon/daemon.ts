/** The running system on one page: lasting parts, the current generation, reload and stop. */
import { createOwnDomainSources } from "../domains/sources.ts";
import { createMetrics } from "../metrics/metrics.ts";
import { BufferBudget } from "../net/buffer-budget.ts";
import { formatEndpoint } from "../net/endpoint.ts";
import { Listeners, serveWith, type Wanted } from "../net/listeners.ts";
import { type Protocol, type Session, stateless } from "../net/session.ts";
import { Messages } from "../policy/messages.ts";
import { descriptorLimit } from "../process/descriptors.ts";
import { EXIT, errorText, Failure } from "../process/exit.ts";
import type { Logger } from "../process/log.ts";
import type { Setup } from "../setup/setup.ts";
import { srsDomainWarning } from "../setup/srs-domain.ts";
import { SpfTransactions } from "../spf/transactions.ts";
import { Activity } from "../status/activity.ts";
import { createStatusServer } from "../status/server.ts";
import { ownDomainsLog, refusedLog, serveHooks } from "./event-log.ts";
import { type Generation, type Lasting, type PreparedGeneration, prepareGeneration } from "./generation.ts";
import type { Services } from "./services.ts";
import { statusView } from "./status-view.ts";
import { Traffic } from "./traffic.ts";

export interface DaemonOptions {
  /** Called when all endpoints are open, before the first request is answered. */
  readonly onReady: () => void;
  readonly logger: Logger;
  readonly version: string;
  /** The clock of SRS and its store, in milliseconds since 1970. */
  readonly timeMs: () => number;
  /** Sockets that systemd has passed to us, by name. */
  readonly inherited: ReadonlyMap<string, readonly number[]>;
}

/** Longest time that a stop waits for requests in progress, in milliseconds. */
const DRAIN_MS = 5_000;

/**
 * Number of descriptors reserved for DNS, stores, files, child processes and the status server; half of a small limit.
 */
const RESERVED_DESCRIPTORS = 192;

/** The daemon. */
export class Daemon {
  readonly #lasting: Lasting;
  #current: Generation | undefined;
  /** Earlier generations with unanswered requests. */
  readonly #retired = new Set<Generation>();
  /** Cache hits and misses of closed resolvers, so that the counters never decrease. */
  readonly #dnsBefore = { hits: 0, misses: 0 };
  readonly #traffic: Traffic;
  /** When the secrets in use were first read, in milliseconds since 1970. */
  #secretsSinceMs = Date.now();
  #isStopping = false;

  /**
   * Opens all parts of `setup`.
   *
   * @throws {Failure} naming the parts that could not be opened; nothing stays open then
   */
  static async start(setup: Setup, options: DaemonOptions): Promise<Daemon> {
    const daemon = new Daemon(options);
    try {
      const prepared = await prepareGeneration(setup, daemon.#lasting);
      options.onReady();
      daemon.#takeOver(prepared, setup);
      return daemon;
    } catch (error) {
      daemon.#traffic.close();
      daemon.#lasting.ownDomains.close();
      throw error;
    }
  }

  private constructor({ logger, version, timeMs, inherited }: DaemonOptions) {
    const descriptors = descriptorLimit() ?? Number.POSITIVE_INFINITY;
    const maxConnections = descriptors - Math.min(RESERVED_DESCRIPTORS, Math.floor(descriptors / 2));
    const listeners = new Listeners({ maxConnections, onRefused: (listener) => onRefused(listener) });
    const ownDomains = createOwnDomainSources({ onEvent: ownDomainsLog(logger) });
    const metrics = createMetrics({
      version,
      dnsStats: () => this.#dnsStats(),
      connections: () => listeners.connections(),
      ownDomains: () => ownDomains.counts(),
      ownDomainsLastSuccess: () => ownDomains.lastSuccess(),
      secrets: () => this.#current?.setup.secrets.length ?? 0,
      storeUp: () => this.#current?.storeUp,
      dkimKeys: () => this.#current?.authentication?.keyCounts() ?? new Map(),
    });
    const onRefused = refusedLog(metrics, logger, maxConnections);
    const budget = new BufferBudget(Number.POSITIVE_INFINITY);
    const context = { hooks: serveHooks(metrics, logger), budget };
    const follow = (protocol: Protocol, service: keyof Services): Wanted["accept"] =>
      serveWith(stateless(this.#inForce(protocol, service)), context);
    const accept = {
      forward: follow("tcp_table", "forward"),
      reverse: follow("tcp_table", "reverse"),
      socketmap: follow("socketmap", "socketmap"),
      policy: follow("policy", "policy"),
      milter: serveWith({ protocol: "milter", open: () => this.#openMilterSession() }, context),
      status: createStatusServer({
        scrape: () => metrics.scrape(),
        notReady: () => this.#notReady(),
        view: () =>
          statusView(this.#generation(), this.#lasting, {
            version,
            traffic: this.#traffic.groups(),
            notReady: this.#notReady(),
            secretsSinceMs: this.#secretsSinceMs,
            dns: this.#dnsStats(),
          }),
        explainSpf: (question, limitMs) => this.#generation().explainSpf(question, limitMs),
        hasPage: () => this.#generation().setup.config["metrics.status_page"],
        hostname: () => this.#generation().setup.hostname,
      }),
    };
    this.#traffic = new Traffic(metrics);
    this.#lasting = {
      logger,
      metrics,
      activity: new Activity(),
      ownDomains,
      listeners,
      inherited,
      budget,
      messages: new Messages(),
      transactions: new SpfTransactions(),
      timeMs,
      accept,
    };
  }

  /**
   * Switches to a new reading of the configuration. Connections stay open, and their next requests get the new rules.
   *
   * @throws {Failure} naming the parts that could not be opened; nothing has changed then
   */
  async reload(setup: Setup): Promise<void> {
    // The file may be half written, or the disk was full. The defaults would sign with another secret.
    if (setup.isDefault && !this.#generation().setup.isDefault) throw new Failure(EXIT.config, [emptied(setup)]);
    const prepared = await prepareGeneration(setup, this.#lasting);
    if (this.#isStopping) {
      await prepared.close();
      return;
    }
    this.#takeOver(prepared, setup);
  }

  /** Updates the metrics after a reload. */
  reloaded(successful: boolean): void {
    this.#lasting.metrics.reloaded(successful, Date.now() / 1000);
  }

  /** Stops: accepts nothing new, and answers the requests in progress, for 5 s at most. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#lasting.listeners.drain(DRAIN_MS);
    this.#traffic.close();
    this.#lasting.ownDomains.close();
    await Promise.all([this.#current, ...this.#retired].map((generation) => generation?.close()));
  }

  /** A service that passes each request to the current generation, even on an older connection. */
  #inForce(protocol: Protocol, service: keyof Services) {
    return {
      protocol,
      createDecoder: () => this.#generation().createDecoder(service),
      answer: (request: unknown) => this.#generation().answer(service, request),
    };
  }

  #notReady(): string | undefined {
    return this.#isStopping ? "stopping" : this.#current?.notReady();
  }

  /**
   * Opens a session of the milter. Its next message gets the new rules after a reload; without a milter in them, those that
   * it began with.
   */
  #openMilterSession(): Session<unknown> {
    const first = this.#generation().authentication;
    if (first === undefined) throw new Error("Cannot serve: there is no milter");
    return first.openSession(() => (this.#current?.authentication ?? first).application) as Session<unknown>;
  }

  #generation(): Generation {
    if (this.#current === undefined) throw new Error("Cannot serve: nothing is in force yet");
    return this.#current;
  }

  /** Switches to a prepared generation, in one step that neither waits nor can fail. */
  #takeOver(prepared: PreparedGeneration, setup: Setup): void {
    const { config } = setup;
    const before = this.#current;
    this.#current = prepared.generation;
    if (before !== undefined && !areSame(before.setup.secrets, setup.secrets)) this.#secretsSinceMs = Date.now();
    const opened = prepared.commit();
    const { logger } = this.#lasting;
    for (const warning of prepared.warnings) logger.log("warn", "own_domains", { warning });
    for (const { name, endpoint } of opened) {
      logger.log("info", "listening", { listener: name, endpoint: formatEndpoint(endpoint) });
    }
    logger.configure({ level: config["log.level"], format: config["log.format"] });
    if (before !== undefined) this.#retire(before);
    void this.#checkSrsDomain(setup, prepared.generation);
  }

  /**
   * Warns of an SRS domain that bounces cannot reach. Nothing waits for it, and it never rejects: the package with the
   * public suffixes is loaded late, when an upgrade may have taken it away.
   */
  async #checkSrsDomain(setup: Setup, generation: Generation): Promise<void> {
    const warning = await srsDomainWarning(setup).catch(
      (error: unknown) => `srs.domain: Cannot check "${setup.srsDomain}": ${errorText(error)}`,
    );
    if (warning === undefined || this.#isStopping || this.#current !== generation) return;
    this.#lasting.logger.log("warn", "config", { warning });
  }

  #retire(generation: Generation): void {
    const { hits, misses } = generation.resolver.stats();
    this.#dnsBefore.hits += hits;
    this.#dnsBefore.misses += misses;
    this.#retired.add(generation);
    generation
      .retire()
      .catch((problem: unknown) => this.#lasting.logger.log("error", "reload", { problem: String(problem) }))
      .finally(() => this.#retired.delete(generation));
  }

  #dnsStats() {
    const { cacheEntries, hits, misses } = this.#current?.resolver.stats() ?? { cacheEntries: 0, hits: 0, misses: 0 };
    return { cacheEntries, cacheHits: this.#dnsBefore.hits + hits, cacheMisses: this.#dnsBefore.misses + misses };
  }
}

function areSame(before: readonly Uint8Array[], now: readonly Uint8Array[]): boolean {
  return before.length === now.length && before.every((secret, i) => Buffer.compare(secret, now[i] ?? EMPTY) === 0);
}

const EMPTY = new Uint8Array();

function emptied({ configFile }: Setup): string {
  const what =
    configFile === undefined ? "the configuration file is gone" : `configuration "${configFile}" sets nothing`;
  return `Cannot take over the defaults: ${what}, and before it set something; restart if that is meant`;
}
