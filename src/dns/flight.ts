import type { AnyAnswer } from "./cache.ts";
import { Exchange, type ExchangeOwner, type QueryOutcome, type Question } from "./exchange.ts";
import { encodeQuestion } from "./message.ts";
import { MAX_ALIASES, type QueryTrouble, type Reading } from "./reply.ts";
import { Timer, type TimerWheel } from "./timers.ts";
import type { RecordType } from "./types.ts";
import type { Upstream, Upstreams } from "./upstream.ts";

interface Trouble {
  readonly trouble: QueryTrouble;
  readonly detail: string;
}

/** What went wrong with one server. */
export interface ServerTrouble extends Trouble {
  readonly server: string;
}

/** What every question in flight shares. Times are in milliseconds, on the clock `now`. */
export interface FlightContext {
  readonly now: () => number;
  readonly wheel: TimerWheel;
  readonly upstreams: Upstreams;
  readonly timeoutMs: number;
  readonly tries: number;
  readonly maxTtlMs: number;
  readonly negativeTtlMs: number;
  readonly onQueryEnd: (question: Question, outcome: QueryOutcome, seconds: number) => void;
  readonly onTrouble: (question: Question, trouble: ServerTrouble) => void;
  /** Hears that a flight is no longer fresh. Comes at most once, and not after the landing. */
  readonly onSlow: () => void;
  /** Takes the answer, whether anybody still waits for it or not. Comes once. */
  readonly onLanding: (flight: Flight, answer: AnyAnswer) => void;
}

interface Waiter {
  readonly deadlineMs: number;
  readonly settle: (answer: AnyAnswer) => void;
}

/** The answer to an asker whose deadline has come. */
export const LATE = { status: "error", trouble: "timeout", detail: "the time for this check is over" } as const;
const ABORTED = { status: "error", trouble: "aborted", detail: "nobody waits for the answer" } as const;
/** A server that has not answered by then has read the query, and now waits for others itself. */
const SLOW_MS = 100;
/** Most flights never have more than this of what they have a list for. */
const NONE: readonly never[] = [];
/** Stronger first: what is told of several servers' troubles. A server that answers knows more than one that does not. */
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
 * One question on its way, for everyone who asked it meanwhile. It goes from server to server until one answers; a
 * server whose time is over may still answer while the next is asked. Each waiter has its own deadline. When nobody
 * waits any more, the queries are given up.
 */
export class Flight extends Timer implements ExchangeOwner {
  readonly key: string;
  readonly now: () => number;
  readonly #context: FlightContext;
  #question: Question;
  #waiters: Waiter[] = [];
  #schedule: readonly Upstream[] = [];
  #tried = 0;
  #tryEndsAtMs = Number.POSITIVE_INFINITY;
  #slowAtMs = Number.POSITIVE_INFINITY;
  #exchanges: readonly Exchange[] = NONE;
  #troubles: readonly ServerTrouble[] = NONE;
  #aliases = 0;
  #ttlS = Number.POSITIVE_INFINITY;
  #hasLanded = false;

  constructor(key: string, name: string, type: RecordType, context: FlightContext) {
    super();
    this.key = key;
    this.now = context.now;
    this.#context = context;
    this.#question = { name, type, bytes: encodeQuestion(name, type) };
  }

  /** Waits for the answer, until `deadlineMs` and not longer. */
  join(deadlineMs: number): Promise<AnyAnswer> {
    return new Promise((settle) => {
      this.#waiters.push({ deadlineMs, settle });
      if (this.slot === -1 || deadlineMs < this.atMs) this.#context.wheel.arm(this, deadlineMs);
    });
  }

  /** Its first query was sent just now, and may still lie in the server's receive buffer. */
  get isFresh(): boolean {
    return Number.isFinite(this.#slowAtMs);
  }

  /** Sends the first query. Until then the flight only waits. */
  start(): void {
    const nowMs = this.now();
    this.#slowAtMs = nowMs + SLOW_MS;
    this.#schedule = this.#context.upstreams.schedule(this.#context.tries, nowMs);
    this.#askNext(nowMs);
  }

  /** Ends the flight with `answer`. */
  land(answer: AnyAnswer): void {
    if (this.#hasLanded) return;
    this.#hasLanded = true;
    this.#context.wheel.disarm(this);
    for (const exchange of this.#exchanges) exchange.cancel();
    this.#context.onLanding(this, answer);
    for (const { settle } of this.#waiters) settle(answer);
  }

  onReading(exchange: Exchange, reading: Exclude<Reading, { kind: "truncated" }>): void {
    if (this.#hasLanded || exchange.question !== this.#question) return;
    switch (reading.kind) {
      case "records": {
        const expiresAtMs = this.#expiresAtMs(reading.ttlS, this.#context.maxTtlMs);
        this.land({ status: "ok", records: reading.records, expiresAtMs });
        break;
      }
      case "nodata":
      case "nxdomain": {
        const boundMs = Math.min(this.#context.negativeTtlMs, this.#context.maxTtlMs);
        this.land({ status: reading.kind, expiresAtMs: this.#expiresAtMs(reading.ttlS ?? 0, boundMs) });
        break;
      }
      case "alias":
        this.#followAlias(exchange, reading);
        break;
      case "trouble":
        this.#onTrouble(exchange, reading);
    }
  }

  onQueryEnd(exchange: Exchange, outcome: QueryOutcome, seconds: number): void {
    this.#context.onQueryEnd(exchange.question, outcome, seconds);
  }

  #askNext(nowMs: number): void {
    const upstream = this.#schedule[this.#tried];
    if (upstream === undefined) {
      this.land(this.#failure());
      return;
    }
    this.#tried += 1;
    this.#tryEndsAtMs = nowMs + this.#context.timeoutMs;
    this.#exchanges = [...this.#exchanges, new Exchange(upstream, this.#question, this, nowMs)];
    this.#armTimer();
  }

  #armTimer(): void {
    let nextMs = Math.min(this.#tryEndsAtMs, this.#slowAtMs);
    for (const { deadlineMs } of this.#waiters) nextMs = Math.min(nextMs, deadlineMs);
    this.#context.wheel.arm(this, nextMs);
  }

  override fire(): void {
    const nowMs = this.now();
    const late = this.#waiters.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    this.#waiters = this.#waiters.filter(({ deadlineMs }) => deadlineMs > nowMs);
    for (const { settle } of late) settle(LATE);
    if (nowMs >= this.#slowAtMs) {
      this.#slowAtMs = Number.POSITIVE_INFINITY;
      this.#context.onSlow();
    }

    const isTryOver = nowMs >= this.#tryEndsAtMs;
    if (isTryOver) this.#timeOutTry();
    if (this.#waiters.length === 0) {
      // What is known by now spares the next asker the wait; without any trouble yet, nothing is known.
      this.land(this.#troubles.length > 0 ? this.#failure() : ABORTED);
    } else if (isTryOver) this.#askNext(nowMs);
    else this.#armTimer();
  }

  #timeOutTry(): void {
    const exchange = this.#exchanges.at(-1);
    if (exchange === undefined) return;
    exchange.timeOut();
    this.#note(exchange, { trouble: "timeout", detail: `no reply in ${this.#context.timeoutMs} ms` });
  }

  #onTrouble(exchange: Exchange, trouble: Trouble): void {
    const isLatest = exchange === this.#exchanges.at(-1);
    this.#exchanges = this.#exchanges.filter((other) => other !== exchange);
    this.#note(exchange, trouble);
    if (isLatest) this.#askNext(this.now());
  }

  #note({ question, upstream }: Exchange, { trouble, detail }: Trouble): void {
    this.#troubles = [...this.#troubles, { server: upstream.name, trouble, detail }];
    this.#context.onTrouble(question, { server: upstream.name, trouble, detail });
  }

  /** The servers do not follow aliases for us: asks on, from the first server. */
  #followAlias(exchange: Exchange, alias: Extract<Reading, { kind: "alias" }>): void {
    this.#aliases += alias.aliases;
    if (this.#aliases > MAX_ALIASES) {
      this.#note(exchange, { trouble: "malformed", detail: `over ${MAX_ALIASES} aliases` });
      this.land(this.#failure());
      return;
    }
    this.#ttlS = Math.min(this.#ttlS, alias.ttlS);
    for (const other of this.#exchanges) other.cancel();
    const { type } = this.#question;
    this.#question = { name: alias.target, type, bytes: encodeQuestion(alias.target, type) };
    this.#exchanges = NONE;
    this.#tried = 0;
    this.#askNext(this.now());
  }

  #expiresAtMs(ttlS: number, boundMs: number): number {
    return Math.floor(this.now() + Math.min(ttlS * 1000, this.#ttlS * 1000, boundMs));
  }

  #failure(): AnyAnswer {
    const trouble = TROUBLE_ORDER.find((kind) => this.#troubles.some((one) => one.trouble === kind)) ?? "network";
    const said = new Set(this.#troubles.map(({ server, trouble, detail }) => `${server} ${trouble} (${detail})`));
    return { status: "error", trouble, detail: said.size > 0 ? [...said].join(", ") : "no server to ask" };
  }
}
