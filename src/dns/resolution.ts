/** Resolves one query: goes from server to server until there is an answer. */
import type { AnyAnswer } from "./answer-cache.ts";
import { Attempt, type AttemptContext, type Query, type ReadingListener } from "./attempt.ts";
import { encodeQuestion } from "./message.ts";
import { MAX_ALIASES, type Reading, type Trouble } from "./reply.ts";
import { Timer, type TimerWheel } from "./timer-wheel.ts";
import type { TroubleReports } from "./trouble-reports.ts";
import type { QueryTrouble, RecordType } from "./types.ts";
import type { Upstream, Upstreams } from "./upstream.ts";

/** Limits on the time and number of tries, and on the life of answers. */
export interface ResolutionSettings {
  /** Longest wait for one server's reply. */
  readonly timeoutMs: number;
  /** Number of tries for each server. */
  readonly tries: number;
  /** Upper bound of every answer's lifetime. */
  readonly maxTtlMs: number;
  /** Upper bound of the lifetime of "no such name" and "no such record". */
  readonly negativeTtlMs: number;
}

/** The parts that all resolutions share. */
export interface ResolutionContext extends AttemptContext {
  readonly settings: ResolutionSettings;
  readonly wheel: TimerWheel;
  readonly upstreams: Upstreams;
  readonly reports: TroubleReports;
  readonly owner: ResolutionOwner;
}

export interface ResolutionOwner {
  /**
   * Called when a resolution is no longer fresh: at most once, and not after its end. It may give the resolution up.
   */
  onSlow(resolution: Resolution): void;
  /** Receives the answer, even if nobody waits for it any more. Called once. */
  onEnd(resolution: Resolution, answer: AnyAnswer): void;
}

/** A caller that waits for the answer until `deadlineMs`. */
interface Caller {
  readonly deadlineMs: number;
  readonly settle: (answer: AnyAnswer) => void;
}

/** The answer to a caller whose deadline has passed. */
export const DEADLINE_PASSED = {
  status: "error",
  trouble: "timeout",
  detail: "the time for this check is over",
} as const;
export const OVERLOAD = { status: "error", trouble: "overload", detail: "too many queries in flight" } as const;
const ABORTED = { status: "error", trouble: "aborted", detail: "nobody waits for the answer" } as const;
/** Time in milliseconds after which a server has surely read the query, and now waits for other servers itself. */
const SLOW_MS = 100;
/** An empty list that all resolutions share, because most never have more. */
const NONE: readonly never[] = [];
/**
 * Troubles from the most to the least significant. Of several the first is reported: an answer says more than silence.
 */
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
 * Resolves one query for all callers that ask it in the meantime. It goes from server to server until one answers. A
 * server may still answer after its timeout, while the next one is asked. Each caller has its own deadline. When no
 * caller waits any more, the attempts are given up.
 */
export class Resolution extends Timer implements ReadingListener {
  readonly key: string;
  readonly #context: ResolutionContext;
  #query: Query;
  #callers: Caller[] = [];
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

  /** Waits for the answer until `deadlineMs`. */
  join(deadlineMs: number): Promise<AnyAnswer> {
    return new Promise((settle) => {
      this.#callers.push({ deadlineMs, settle });
      if (this.slot === -1 || deadlineMs < this.atMs) this.#context.wheel.arm(this, deadlineMs);
    });
  }

  /** The name that is currently asked for. An alias changes it. */
  get name(): string {
    return this.#query.name;
  }

  /** True if the first query was just sent, and may still lie in the server's receive buffer. */
  get isFresh(): boolean {
    return Number.isFinite(this.#slowAtMs);
  }

  /** Sends the first query. */
  start(): void {
    const nowMs = this.#context.clockMs();
    this.#slowAtMs = nowMs + SLOW_MS;
    this.#schedule = this.#context.upstreams.schedule(this.#context.settings.tries, nowMs);
    this.#askNext(nowMs);
  }

  /** Gives `answer` to all waiting callers. */
  end(answer: AnyAnswer): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#context.wheel.disarm(this);
    for (const attempt of this.#attempts) attempt.cancel();
    this.#context.owner.onEnd(this, answer);
    for (const { settle } of this.#callers) settle(answer);
  }

  /** Ends without an answer, to make room. */
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

  /** Tells if to use EDNS: not after a query with it got no reply, unless the server is known to support it. */
  #usesEdns(upstream: Upstream, nowMs: number): boolean {
    if (!upstream.usesEdns(nowMs)) return false;
    return upstream.knowsEdns(nowMs) || !this.#attempts.some((attempt) => attempt.upstream === upstream);
  }

  /** A server that deserves one more try, without EDNS. */
  #silentToEdns(nowMs: number): Upstream | undefined {
    const asked = this.#attempts.filter(({ upstream }) => upstream.usesEdns(nowMs) && !upstream.knowsEdns(nowMs));
    const candidate = asked.find(
      ({ upstream }) => !asked.some((other) => other.upstream === upstream && !other.usesEdns),
    );
    return candidate?.upstream;
  }

  #armTimer(): void {
    let nextMs = Math.min(this.#tryEndsAtMs, this.#slowAtMs);
    for (const { deadlineMs } of this.#callers) nextMs = Math.min(nextMs, deadlineMs);
    this.#context.wheel.arm(this, nextMs);
  }

  override fire(): void {
    const nowMs = this.#context.clockMs();
    const late = this.#callers.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    this.#callers = this.#callers.filter(({ deadlineMs }) => deadlineMs > nowMs);
    for (const { settle } of late) settle(this.#lateAnswer());
    if (nowMs >= this.#slowAtMs) {
      this.#slowAtMs = Number.POSITIVE_INFINITY;
      this.#context.owner.onSlow(this);
      if (this.#hasEnded) return;
    }

    const isTryOver = nowMs >= this.#tryEndsAtMs;
    if (isTryOver) this.#timeOutTry();
    if (this.#callers.length === 0) {
      // A trouble that is already known is cached, which saves the next caller the wait.
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

  /** Asks for the target of an alias, from the first server on, because these servers do not follow aliases for us. */
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

  /** The name that aliases led to, in this reply or an earlier one. */
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

  /** The answer to a caller whose deadline has passed, with the troubles known so far. */
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

  /** The text of all troubles, each once. */
  #said(): string {
    const said = this.#troubles.map(({ server, trouble, detail }) => `${server} ${trouble} (${detail})`);
    return [...new Set(said)].join(", ");
  }
}
