/** The way of one query from server to server until it has an answer. */
import type { AnyAnswer } from "./answer-cache.ts";
import { Attempt, type AttemptContext, type Query, type ReadingListener } from "./attempt.ts";
import { encodeQuestion } from "./message.ts";
import { MAX_ALIASES, type Reading, type Trouble } from "./reply.ts";
import { Timer, type TimerWheel } from "./timer-wheel.ts";
import type { TroubleReports } from "./trouble-reports.ts";
import type { QueryTrouble, RecordType } from "./types.ts";
import type { Upstream, Upstreams } from "./upstream.ts";

/** How long and how often servers are asked, and how long answers may be kept. */
export interface ResolutionSettings {
  /** Longest wait for one server's reply. */
  readonly timeoutMs: number;
  /** How often each server is asked. */
  readonly tries: number;
  /** Upper bound of every answer's lifetime. */
  readonly maxTtlMs: number;
  /** Upper bound of the lifetime of "no such name" and "no such record". */
  readonly negativeTtlMs: number;
}

/** What all resolutions share. */
export interface ResolutionContext extends AttemptContext {
  readonly settings: ResolutionSettings;
  readonly wheel: TimerWheel;
  readonly upstreams: Upstreams;
  readonly reports: TroubleReports;
  readonly owner: ResolutionOwner;
}

export interface ResolutionOwner {
  /** Called when a resolution is no longer fresh: at most once, and not after its end. May give it up. */
  onSlow(resolution: Resolution): void;
  /** Takes the answer, whether anybody still waits for it or not. Called once. */
  onEnd(resolution: Resolution, answer: AnyAnswer): void;
}

/** Someone who waits for the answer, until `deadlineMs`. */
interface Asker {
  readonly deadlineMs: number;
  readonly settle: (answer: AnyAnswer) => void;
}

/** The answer to an asker whose deadline has come. */
export const DEADLINE_PASSED = {
  status: "error",
  trouble: "timeout",
  detail: "the time for this check is over",
} as const;
export const OVERLOAD = { status: "error", trouble: "overload", detail: "too many queries in flight" } as const;
const ABORTED = { status: "error", trouble: "aborted", detail: "nobody waits for the answer" } as const;
/** A server that has not answered by then has read the query, and now waits for others itself. */
const SLOW_MS = 100;
/** Shared by all, because most resolutions never have more than this of what they have a list for. */
const NONE: readonly never[] = [];
/** The strongest first, which is the one told of several: a server that answers knows more than one that does not. */
const TROUBLE_ORDER: readonly QueryTrouble[] = [
  "servfail",
  "malformed",
  "rcode",
  "refused",
  "notimp",
  "formerr",
  "timeout",
  "network",
];

/**
 * Resolves one query, for everyone who asks it meanwhile. It goes from server to server until one answers; a server
 * whose time is over may still answer while the next is asked. Each asker has a deadline of its own. When nobody waits
 * any more, the attempts are given up.
 */
export class Resolution extends Timer implements ReadingListener {
  readonly key: string;
  readonly #context: ResolutionContext;
  #query: Query;
  #askers: Asker[] = [];
  #schedule: readonly Upstream[] = [];
  #tried = 0;
  #tryEndsAtMs = Number.POSITIVE_INFINITY;
  #slowAtMs = Number.POSITIVE_INFINITY;
  #attempts: readonly Attempt[] = NONE;
  #troubles: readonly (Trouble & { readonly server: string })[] = NONE;
  #aliases = 0;
  #ttlS = Number.POSITIVE_INFINITY;
  #hasEnded = false;

  constructor(key: string, name: string, type: RecordType, context: ResolutionContext) {
    super();
    this.key = key;
    this.#context = context;
    this.#query = { name, type, bytes: encodeQuestion(name, type) };
  }

  /** Waits for the answer, until `deadlineMs` and not longer. */
  join(deadlineMs: number): Promise<AnyAnswer> {
    return new Promise((settle) => {
      this.#askers.push({ deadlineMs, settle });
      if (this.slot === -1 || deadlineMs < this.atMs) this.#context.wheel.arm(this, deadlineMs);
    });
  }

  /** What is asked for now: an alias changes it. */
  get name(): string {
    return this.#query.name;
  }

  /** Its first query was sent just now, and may still lie in the server's receive buffer. */
  get isFresh(): boolean {
    return Number.isFinite(this.#slowAtMs);
  }

  /** Sends the first query. Until then the resolution only waits. */
  start(): void {
    const nowMs = this.#context.clockMs();
    this.#slowAtMs = nowMs + SLOW_MS;
    this.#schedule = this.#context.upstreams.schedule(this.#context.settings.tries, nowMs);
    this.#askNext(nowMs);
  }

  /** Gives `answer` to everyone who waits. */
  end(answer: AnyAnswer): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#context.wheel.disarm(this);
    for (const attempt of this.#attempts) attempt.cancel();
    this.#context.owner.onEnd(this, answer);
    for (const { settle } of this.#askers) settle(answer);
  }

  /** Ends without waiting any longer, to make room. */
  giveUp(): void {
    this.end(this.#troubles.length > 0 ? this.#failure() : OVERLOAD);
  }

  onReading(attempt: Attempt, reading: Exclude<Reading, { kind: "truncated" }>): void {
    if (this.#hasEnded || attempt.query !== this.#query) return;
    const { maxTtlMs, negativeTtlMs } = this.#context.settings;
    switch (reading.kind) {
      case "records": {
        const expiresAtMs = this.#expiresAtMs(reading.ttlS, maxTtlMs);
        this.end({ status: "ok", records: reading.records, expiresAtMs, canonicalName: this.#canonicalName(reading) });
        break;
      }
      case "nodata":
      case "nxdomain": {
        const boundMs = Math.min(negativeTtlMs, maxTtlMs);
        const expiresAtMs = this.#expiresAtMs(reading.ttlS ?? 0, boundMs);
        this.end({ status: reading.kind, expiresAtMs, canonicalName: this.#canonicalName(reading) });
        break;
      }
      case "alias":
        this.#followAlias(attempt, reading);
        break;
      case "trouble":
        this.#onTrouble(attempt, reading);
    }
  }

  #askNext(nowMs: number): void {
    const upstream = this.#schedule[this.#tried] ?? this.#silentToEdns(nowMs);
    if (upstream === undefined) {
      this.end(this.#failure());
      return;
    }
    this.#tried += 1;
    this.#tryEndsAtMs = nowMs + this.#context.settings.timeoutMs;
    this.#attempts = [
      ...this.#attempts,
      new Attempt(upstream, this.#query, this.#context, this, this.#usesEdns(upstream, nowMs), nowMs),
    ];
    this.#armTimer();
  }

  /** Asks without EDNS where a query with it got nothing, unless the server is known to take it. */
  #usesEdns(upstream: Upstream, nowMs: number): boolean {
    if (!upstream.usesEdns(nowMs)) return false;
    return upstream.knowsEdns(nowMs) || !this.#attempts.some((attempt) => attempt.upstream === upstream);
  }

  /** A server that is worth one more try, without EDNS. */
  #silentToEdns(nowMs: number): Upstream | undefined {
    const asked = this.#attempts.filter(({ upstream }) => upstream.usesEdns(nowMs) && !upstream.knowsEdns(nowMs));
    const candidate = asked.find(
      ({ upstream }) => !asked.some((other) => other.upstream === upstream && !other.usesEdns),
    );
    return candidate?.upstream;
  }

  #armTimer(): void {
    let nextMs = Math.min(this.#tryEndsAtMs, this.#slowAtMs);
    for (const { deadlineMs } of this.#askers) nextMs = Math.min(nextMs, deadlineMs);
    this.#context.wheel.arm(this, nextMs);
  }

  override fire(): void {
    const nowMs = this.#context.clockMs();
    const late = this.#askers.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    this.#askers = this.#askers.filter(({ deadlineMs }) => deadlineMs > nowMs);
    for (const { settle } of late) settle(this.#lateAnswer());
    if (nowMs >= this.#slowAtMs) {
      this.#slowAtMs = Number.POSITIVE_INFINITY;
      this.#context.owner.onSlow(this);
      if (this.#hasEnded) return;
    }

    const isTryOver = nowMs >= this.#tryEndsAtMs;
    if (isTryOver) this.#timeOutTry();
    if (this.#askers.length === 0) {
      // What is known by now spares the next asker the wait; without any trouble yet, nothing is known.
      this.end(this.#troubles.length > 0 ? this.#failure() : ABORTED);
    } else if (isTryOver) this.#askNext(nowMs);
    else this.#armTimer();
  }

  #timeOutTry(): void {
    const attempt = this.#attempts.at(-1);
    if (attempt === undefined) return;
    this.#note(attempt, attempt.timeOut(this.#context.settings.timeoutMs));
  }

  #onTrouble(attempt: Attempt, trouble: Trouble): void {
    const isLatest = attempt === this.#attempts.at(-1);
    this.#attempts = this.#attempts.filter((other) => other !== attempt);
    this.#note(attempt, trouble);
    if (isLatest) this.#askNext(this.#context.clockMs());
  }

  #note({ query: { name, type }, upstream }: Attempt, { trouble, detail, cause }: Trouble): void {
    const server = upstream.name;
    this.#troubles = [...this.#troubles, { server, trouble, detail, cause }];
    this.#context.reports.serverFailed({ server, trouble, detail, name, type });
  }

  /** Asks on, from the first server: these servers do not follow aliases for us. */
  #followAlias(attempt: Attempt, alias: Extract<Reading, { kind: "alias" }>): void {
    this.#aliases += alias.aliases;
    if (this.#aliases > MAX_ALIASES) {
      this.#note(attempt, { trouble: "malformed", detail: `over ${MAX_ALIASES} aliases` });
      this.end(this.#failure());
      return;
    }
    this.#ttlS = Math.min(this.#ttlS, alias.ttlS);
    for (const other of this.#attempts) other.cancel();
    const { type } = this.#query;
    this.#query = { name: alias.target, type, bytes: encodeQuestion(alias.target, type) };
    this.#attempts = NONE;
    this.#tried = 0;
    this.#askNext(this.#context.clockMs());
  }

  /** Where aliases led, in this reply or those before. */
  #canonicalName({ canonicalName }: { readonly canonicalName: string | undefined }): string | undefined {
    return canonicalName ?? (this.#aliases > 0 ? this.#query.name : undefined);
  }

  #expiresAtMs(ttlS: number, boundMs: number): number {
    return Math.floor(this.#context.clockMs() + Math.min(ttlS * 1000, this.#ttlS * 1000, boundMs));
  }

  #failure(): AnyAnswer {
    const strongest = this.#strongestTrouble();
    const detail = this.#troubles.length > 0 ? this.#said() : "no server to ask";
    return { status: "error", trouble: strongest?.trouble ?? "network", detail, cause: strongest?.cause };
  }

  /** The answer to an asker whose deadline has come, with what is known by then. */
  #lateAnswer(): AnyAnswer {
    if (this.#troubles.length === 0) return DEADLINE_PASSED;
    const detail = `${DEADLINE_PASSED.detail}: ${this.#said()}`;
    return { ...DEADLINE_PASSED, detail, cause: this.#strongestTrouble()?.cause };
  }

  #strongestTrouble(): Trouble | undefined {
    for (const kind of TROUBLE_ORDER) {
      const alike = this.#troubles.filter(({ trouble }) => trouble === kind);
      if (alike.length > 0) return alike.find(({ cause }) => cause !== undefined) ?? alike[0];
    }
    return undefined;
  }

  /** Everything that went wrong, each thing once. */
  #said(): string {
    const said = this.#troubles.map(({ server, trouble, detail }) => `${server} ${trouble} (${detail})`);
    return [...new Set(said)].join(", ");
  }
}
