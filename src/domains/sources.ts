/**
 * Own domains from all sources, updated while lookups go on. A lookup always sees one complete state: a new state is
 * built beside the old one, and replaces it in one step or not at all.
 */
import { askPostmap } from "../postfix/postmap.ts";
import type { PostfixCommand } from "../postfix/run.ts";
import type { OwnDomains } from "../srs/seams.ts";
import { ListFiles } from "./list-files.ts";
import { type LoadedState, type LoadReport, loadState, type OwnDomainSettings, PROBE_DOMAIN } from "./load.ts";
import { lookupName } from "./name.ts";
import { PostfixClasses } from "./postfix-classes.ts";
import { PostfixTables } from "./postfix-tables.ts";
import { anyHas, type OwnDomainsEvent, type Source, type SourceHooks } from "./source.ts";

/** The `source` label of the metrics: the keys of `[srs.own_domains]`. */
type SourceName = "domains" | "files" | "postfix_tables" | "postfix_classes";

export interface OwnDomainOptions {
  readonly onEvent: (event: OwnDomainsEvent) => void;
  /**
   * Milliseconds since 1970, on a clock that never runs backwards. Default: the machine's clock, never a frozen one.
   */
  readonly timeMs?: () => number;
  readonly postfix?: PostfixCommand;
  /** Interval at which main.cf is read again and each table is probed. Default 300,000. */
  readonly refreshMs?: number;
}

export interface OwnDomainSources extends OwnDomains {
  /**
   * Reads all sources that the settings name, without changing the state in use. Never rejects. A prepared state that
   * is dropped needs no close: it has no watch, timer, process or descriptor.
   */
  prepare(settings: OwnDomainSettings): Promise<PreparedOwnDomains>;
  /** Number of domains of each source in use. For a table: the domains that were looked up and found. */
  counts(): Map<SourceName, number>;
  /** The time of the last good reading or complete answer of each source, in seconds since 1970. */
  lastSuccess(): Map<SourceName, number>;
  close(): void;
}

/** A new reading of all own domains. */
interface PreparedOwnDomains {
  readonly report: LoadReport;
  /**
   * True if there are errors and all may pass: a source cannot be read now, as on a host that boots in an odd order.
   * Nothing is wrong in what could be read.
   */
  readonly mayPass: boolean;
  /**
   * Starts to use the new reading. It cannot fail. Cached answers of tables that are still named are kept. Watches and
   * timers start here, unless the sources were closed meanwhile. Call it only if the report has no errors.
   */
  commit(): void;
}

const DEFAULT_REFRESH_MS = 300_000;

const NO_SETTINGS: OwnDomainSettings = { domains: [], files: [], postfixTables: [], postfixClasses: false, always: [] };

/** Creates the sources. No domain is own until the first commit. */
export function createOwnDomainSources(options: OwnDomainOptions): OwnDomainSources {
  return new Sources(options);
}

class Sources implements OwnDomainSources {
  readonly #timeMs: () => number;
  readonly #postfix: PostfixCommand;
  #tables: PostfixTables;
  readonly #files: ListFiles;
  readonly #classes: PostfixClasses;
  readonly #refreshMs: number;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #settings: OwnDomainSettings = NO_SETTINGS;
  #sources: readonly Source[] = [];
  #domainCount = 0;

  constructor(options: OwnDomainOptions) {
    this.#timeMs = options.timeMs ?? (() => performance.timeOrigin + performance.now());
    this.#postfix = options.postfix ?? {};
    const hooks: SourceHooks = { onEvent: options.onEvent, timeMs: this.#timeMs };
    this.#tables = new PostfixTables(askPostmap(this.#postfix), hooks);
    this.#files = new ListFiles(hooks);
    this.#classes = new PostfixClasses(this.#tables, this.#postfix, hooks);
    this.#refreshMs = options.refreshMs ?? DEFAULT_REFRESH_MS;
  }

  has(domain: string): boolean | Promise<boolean> {
    const name = lookupName(domain);
    return name !== undefined && anyHas(this.#sources, name);
  }

  async prepare(settings: OwnDomainSettings): Promise<PreparedOwnDomains> {
    const tables = this.#tables.fork();
    const { state, mayPass, ...report } = await loadState(settings, tables, this.#postfix);
    return { report, mayPass, commit: () => this.#takeOver(settings, state, tables) };
  }

  counts(): Map<SourceName, number> {
    const { files, postfixTables } = this.#settings;
    const counts = new Map<SourceName, number>([["domains", this.#domainCount]]);
    if (files.length > 0) counts.set("files", this.#files.count);
    const found = postfixTables.map((table) => this.#tables.table(table).countFound());
    if (found.length > 0)
      counts.set(
        "postfix_tables",
        found.reduce((sum, count) => sum + count),
      );
    if (this.#classes.count !== undefined) counts.set("postfix_classes", this.#classes.count);
    return counts;
  }

  lastSuccess(): Map<SourceName, number> {
    const tables = this.#settings.postfixTables.map((table) => this.#tables.table(table).lastAnswerMs ?? 0);
    const timesMs: [SourceName, number | undefined][] = [
      ["domains", this.#timeMs()],
      ["files", this.#files.lastSuccessMs],
      ["postfix_tables", tables.length === 0 ? undefined : Math.min(...tables)],
      ["postfix_classes", this.#classes.lastSuccessMs],
    ];
    return new Map(timesMs.flatMap(([source, ms]) => (ms === undefined ? [] : [[source, Math.floor(ms / 1000)]])));
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#files.close();
    this.#classes.close();
  }

  #takeOver(settings: OwnDomainSettings, { fixed, files, classes }: LoadedState, tables: PostfixTables): void {
    const whole = (spelling: string) => [spelling];
    this.#settings = settings;
    this.#domainCount = settings.domains.length;
    this.#files.replace(files);
    this.#classes.replace(classes, tables);
    this.#tables = tables;
    tables.keepOnly(this.#tableNames());
    tables.distrust();
    this.#sources = [
      { has: (name) => fixed.hasNormalized(name.ascii) },
      this.#files,
      this.#classes,
      ...settings.postfixTables.map((table): Source => ({ has: (name) => tables.find(table, name, whole) })),
    ];
    if (this.#timer === undefined && !this.#closed) {
      this.#timer = setInterval(() => void this.#refresh(), this.#refreshMs).unref();
    }
  }

  #tableNames(): Set<string> {
    return new Set([...this.#settings.postfixTables, ...this.#classes.tableNames]);
  }

  /** Reads main.cf again and probes the tables. Never rejects. */
  async #refresh(): Promise<void> {
    await this.#classes.refresh();
    await Promise.all([...this.#tableNames()].map((table) => this.#tables.probe(table, PROBE_DOMAIN)));
  }
}
