/**
 * A generation: the parts made from one reading of the configuration, that is own domains, resolver, store, services
 * and listeners. First all of them are prepared. Then they replace the earlier parts in one step that cannot fail, or
 * all are closed again. The start makes the first generation, each reload the next.
 */
import { LISTENER_KEYS, LISTENERS } from "../config/listeners.ts";
import { policySettings, resolverSettings } from "../config/settings.ts";
import { createResolver, type StubResolver } from "../dns/resolver.ts";
import type { OwnDomainSources } from "../domains/sources.ts";
import type { History } from "../history/history.ts";
import { openHistory } from "../history/open.ts";
import { parseHistoryPlace } from "../history/place.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { BufferBudget } from "../net/buffer-budget.ts";
import { type Listeners, ListenFailure, type PreparedListeners, type Wanted } from "../net/listeners.ts";
import type { Messages } from "../policy/messages.ts";
import { EXIT, Failure } from "../process/exit.ts";
import type { Logger } from "../process/log.ts";
import { ownDomainSettings, type Setup } from "../setup/setup.ts";
import { createChecker } from "../setup/spf-checker.ts";
import type { SpfChecker } from "../spf/checker.ts";
import type { SpfTransactions } from "../spf/transactions.ts";
import type { AddressStore } from "../srs/seams.ts";
import type { Activity } from "../status/activity.ts";
import type { SpfQuestion } from "../status/view.ts";
import { openStore } from "../store/open.ts";
import { dnsLog, dnsQueryObserver } from "./dns-observer.ts";
import { historyLog, StoreWatch } from "./event-log.ts";
import type { MailAuthentication } from "./mail-authentication.ts";
import { createServices, type Services } from "./services.ts";
import { explainSpf, fromLatin1, reportLines, toLatin1, traceLines } from "./spf-explanation.ts";

/** Width of the lines of an explanation on the status page. */
const EXPLANATION_COLUMNS = 78;

/** The parts that survive a reload. */
export interface Lasting {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly activity: Activity;
  readonly ownDomains: OwnDomainSources;
  readonly listeners: Listeners;
  /** Sockets that systemd has passed to us, by name. */
  readonly inherited: ReadonlyMap<string, readonly number[]>;
  readonly budget: BufferBudget;
  /** The memory of messages, kept so that no message gets a header twice because of a reload. */
  readonly messages: Messages;
  /** The SMTP transactions that the policy service and the milter see: they go on over a reload. */
  readonly transactions: SpfTransactions;
  /** The clock of SRS and its store, in milliseconds since 1970. */
  readonly timeMs: () => number;
  /** Serves the connections of a listener, by the `service` of LISTENERS. */
  readonly accept: Readonly<Record<keyof Services | "milter" | "status", Wanted["accept"]>>;
}

/** A prepared generation. Exactly one of its two methods must be called. */
export interface PreparedGeneration {
  readonly generation: Generation;
  /** Tables of own domains that do not answer now. */
  readonly warnings: readonly string[];
  /**
   * Starts to use the new own domains and listeners. It cannot fail.
   *
   * @returns the endpoints that were opened
   */
  commit(): readonly Wanted[];
  /** Closes all parts that were opened. */
  close(): Promise<void>;
}

/** Counts what the parts of a generation are needed for: requests that wait for an answer, and messages under way. */
class Pending {
  #count = 0;
  #onIdle: (() => void) | undefined;

  /** @returns what ends the need; it may be called once */
  hold(): () => void {
    this.#count++;
    return () => {
      if (--this.#count === 0) this.#onIdle?.();
    };
  }

  async idle(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }
}

interface GenerationParts {
  readonly setup: Setup;
  readonly checker: SpfChecker;
  readonly authentication: MailAuthentication | undefined;
  readonly resolver: StubResolver;
  readonly store: AddressStore | undefined;
  readonly watch: StoreWatch;
  /** Results of DMARC for reports; `undefined` if nobody wants them. */
  readonly history: History | undefined;
}

export class Generation {
  readonly #services: Services;
  readonly #parts: GenerationParts;
  readonly #pending: Pending;
  #closed: Promise<void> | undefined;

  constructor(services: Services, parts: GenerationParts, pending: Pending) {
    this.#services = services;
    this.#parts = parts;
    this.#pending = pending;
  }

  /** Mail authentication; `undefined` without a milter. */
  get authentication(): MailAuthentication | undefined {
    return this.#parts.authentication;
  }

  get resolver(): StubResolver {
    return this.#parts.resolver;
  }

  get setup(): Setup {
    return this.#parts.setup;
  }

  /** True while the store answers; `undefined` without a store. */
  get storeUp(): boolean | undefined {
    return this.#parts.store === undefined ? undefined : this.#parts.watch.isUp;
  }

  /** The part that is still missing after a start, if any. A store that fails later does not count. */
  notReady(): string | undefined {
    const isMissing = this.#parts.store !== undefined && !this.#parts.watch.hasAnswered;
    return isMissing ? "the store (srs.store.url) has not answered yet" : undefined;
  }

  createDecoder(service: keyof Services): ReturnType<Services["forward"]["createDecoder"]> {
    return this.#services[service].createDecoder();
  }

  /** Answers a request. The parts of the service stay open until then, even after a reload. */
  answer(service: keyof Services, request: unknown): string | Promise<string> {
    const reply = this.#services[service].answer(request);
    if (typeof reply !== "string") this.#await(reply);
    return reply;
  }

  /**
   * Explains a check for the status page. It asks the DNS cache as a mail would, and counts as no check.
   *
   * @throws {RangeError} when the client's address is none
   */
  explainSpf({ ip, helo, sender }: SpfQuestion, limitMs: number): Promise<string[]> {
    const { setup, checker, resolver } = this.#parts;
    const settings = policySettings(setup.config, setup.hostname);
    const explaining = explainSpf(
      {
        settings: { ...settings, timeLimitMs: Math.min(settings.timeLimitMs, limitMs) },
        hostname: setup.hostname,
        resolver,
        clockMs: () => performance.now(),
      },
      checker,
      { client_address: ip, helo_name: toLatin1(helo), sender: toLatin1(sender) },
    ).then(({ report, explained }) => [
      ...traceLines(explained, EXPLANATION_COLUMNS),
      ...reportLines(report).map(fromLatin1),
    ]);
    this.#await(explaining);
    return explaining;
  }

  /** Closes the parts when all requests are answered. No request may come after this call. */
  async retire(): Promise<void> {
    await this.#pending.idle();
    await this.close();
  }

  /** Closes the parts at once, even while `retire` waits. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#parts.authentication?.close();
    await this.resolver.close();
    await this.#parts.history?.close();
    await this.#parts.store?.close();
  }

  #await(reply: Promise<unknown>): void {
    const settled = this.#pending.hold();
    reply.then(settled, settled);
  }
}

/**
 * Prepares the parts of `setup`.
 *
 * @throws {Failure} naming the parts that could not be opened; nothing stays open then, and nothing has changed
 */
export async function prepareGeneration(setup: Setup, lasting: Lasting): Promise<PreparedGeneration> {
  await using undo = new AsyncDisposableStack();
  const { config } = setup;
  const { logger, metrics, timeMs } = lasting;
  const ownDomains = await lasting.ownDomains.prepare(ownDomainSettings(setup));
  const problems = [...setup.problems, ...ownDomains.report.errors];
  // systemd starts it again after EX_TEMPFAIL, until the file or the table is there, and not after EX_CONFIG.
  const mayPass = setup.problems.length === 0 && ownDomains.mayPass;
  if (problems.length > 0) throw new Failure(mayPass ? EXIT.tempFail : EXIT.config, problems);
  const resolver = createResolver(resolverSettings(config), {
    observeQuery: dnsQueryObserver(metrics),
    onEvent: dnsLog(logger),
  });
  undo.defer(() => resolver.close());
  const url = config["srs.store.url"];
  const watch = new StoreWatch(logger);
  const store = url === "" ? undefined : await openStore(url, watch, timeMs);
  undo.defer(() => store?.close());
  watch.onOpened();
  const checker = createChecker(setup, resolver);
  const services = createServices(setup, { ...lasting, resolver, checker, store });
  const pending = new Pending();
  const history = await prepareHistory(setup, logger);
  undo.defer(() => history?.close());
  const authentication = await prepareAuthentication(setup, {
    ...lasting,
    resolver,
    checker,
    record: history && ((message) => history.record(message)),
    hold: () => pending.hold(),
  });
  undo.defer(() => authentication?.close());
  const listeners = await prepareListeners(setup, lasting);
  undo.defer(() => listeners.close());
  const opened = undo.move();
  return {
    generation: new Generation(services, { setup, checker, authentication, resolver, store, watch, history }, pending),
    warnings: ownDomains.report.warnings,
    commit() {
      lasting.budget.limitBytes = config["limits.buffered"];
      ownDomains.commit();
      authentication?.start();
      return listeners.commit();
    },
    close: () => opened.disposeAsync(),
  };
}

/** Only incoming mail that the milter evaluates has results to keep. */
async function prepareHistory({ config }: Setup, logger: Logger): Promise<History | undefined> {
  const place = parseHistoryPlace(config["dmarc.history"]);
  if (place === undefined || config["milter.listen"].length === 0 || !config["dmarc.verify"]) return undefined;
  return await openHistory(place, historyLog(logger));
}

/** Without a milter nothing of it is loaded. */
async function prepareAuthentication(
  setup: Setup,
  parts: Parameters<typeof import("./mail-authentication.ts")["createMailAuthentication"]>[1],
): Promise<MailAuthentication | undefined> {
  if (setup.config["milter.listen"].length === 0) return undefined;
  const { createMailAuthentication } = await import("./mail-authentication.ts");
  return createMailAuthentication(setup, parts);
}

async function prepareListeners(setup: Setup, { listeners, inherited, accept }: Lasting): Promise<PreparedListeners> {
  const { config } = setup;
  const wanted = LISTENER_KEYS.flatMap((name) =>
    config[name].map((endpoint): Wanted => {
      const { service } = LISTENERS[name];
      return {
        name,
        endpoint,
        accept: accept[service],
        isStatus: service === "status",
        hasBodies: service === "milter",
      };
    }),
  );
  try {
    return await listeners.prepare(wanted, {
      socketMode: config.socket_mode,
      reusePort: config.reuse_port,
      inherited,
    });
  } catch (error) {
    if (!(error instanceof ListenFailure)) throw error;
    const lines = error.errors.map((one) => {
      const isTaken = one.code === "EADDRINUSE";
      return `${one.message}; ${isTaken ? "free it, or " : ""}set ${one.listener} to another endpoint`;
    });
    const [first] = error.errors;
    throw new Failure(LISTEN_EXIT[first?.code ?? ""] ?? EXIT.cannotCreate, lines, { cause: error });
  }
}

const LISTEN_EXIT: Readonly<Record<string, number>> = {
  EADDRINUSE: EXIT.unavailable,
  EADDRNOTAVAIL: EXIT.unavailable,
  EACCES: EXIT.noPermission,
  EPERM: EXIT.noPermission,
};
