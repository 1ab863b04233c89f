/** One query to one server, and its metrics. */
import { type Reading, readReply, type Trouble } from "./reply.ts";
import type { QueryOutcome, RecordType } from "./types.ts";
import type { PendingQuery, ReplyListener } from "./udp.ts";
import type { Upstream } from "./upstream.ts";

/** A query. `name` comes from `toQueryName`, `bytes` is its question section. */
export interface Query {
  readonly name: string;
  readonly type: RecordType;
  readonly bytes: Buffer;
}

/** Called when a query has ended, with the time since it was sent. */
export type QueryObserver = (type: RecordType, outcome: QueryOutcome, elapsedMs: number) => void;

/** The parts that all attempts share. */
export interface AttemptContext {
  readonly clockMs: () => number;
  readonly observeQuery: QueryObserver;
}

/** Waits for the end of an attempt. */
export interface ReadingListener {
  /**
   * Receives the server's answer, or the failure to reach it. Called at most once, and never before the attempt exists.
   */
  onReading(attempt: Attempt, reading: Exclude<Reading, { kind: "truncated" }>): void;
}

const OVER_TCP = "reply over UDP truncated, and no answer over TCP";

/** Asks over UDP. Repeats without EDNS if the server seems not to know it, and over TCP if the reply is truncated. */
export class Attempt implements ReplyListener {
  readonly upstream: Upstream;
  readonly query: Query;
  readonly #context: AttemptContext;
  readonly #listener: ReadingListener;
  readonly #startedAtMs: number;
  #sentAtMs: number;
  #pending: PendingQuery;
  #edns: boolean;
  #isOverTcp = false;
  /** True if the query in flight is already counted, as a timeout. */
  #isCounted = false;

  constructor(
    upstream: Upstream,
    query: Query,
    context: AttemptContext,
    listener: ReadingListener,
    edns: boolean,
    nowMs: number,
  ) {
    this.upstream = upstream;
    this.query = query;
    this.#context = context;
    this.#listener = listener;
    this.#edns = edns;
    this.#startedAtMs = this.#sentAtMs = nowMs;
    this.#pending = upstream.askUdp(query.bytes, edns, this, nowMs);
  }

  get usesEdns(): boolean {
    return this.#edns;
  }

  onReply(bytes: Buffer): void {
    const nowMs = this.#context.clockMs();
    this.upstream.noteReply(nowMs);
    const reading = readReply(bytes, this.query.name, this.query.type);
    this.#count(toOutcome(reading), nowMs);
    if (reading.kind === "truncated") this.#onTruncated();
    else if (reading.kind === "trouble") this.#onTrouble(reading, nowMs);
    else {
      if (this.#edns) this.upstream.noteEdns(nowMs);
      else this.upstream.noteNoEdns(this.#startedAtMs, nowMs);
      this.#listener.onReading(this, reading);
    }
  }

  onFailure(detail: string): void {
    const nowMs = this.#context.clockMs();
    this.upstream.noteSilence(this.#startedAtMs, nowMs);
    this.#count("network", nowMs);
    this.#listener.onReading(this, { kind: "trouble", ...this.#unanswered("network", detail) });
  }

  #onTruncated(): void {
    if (this.#isOverTcp) {
      const detail = "reply over TCP truncated";
      this.#listener.onReading(this, { kind: "trouble", trouble: "malformed", detail, cause: detail });
      return;
    }
    this.#isOverTcp = true;
    this.#restart();
    this.#pending = this.upstream.askTcp(this.query.bytes, this.#edns, this);
  }

  /** Asks again without EDNS if EDNS may be the cause. */
  #onTrouble(trouble: Extract<Reading, { kind: "trouble" }>, nowMs: number): void {
    const mayBeEdns =
      trouble.mayBeEdns === true && (trouble.trouble !== "malformed" || !this.upstream.knowsEdns(nowMs));
    if (!this.#edns || !mayBeEdns || this.#isOverTcp) {
      this.#listener.onReading(this, trouble);
      return;
    }
    this.#edns = false;
    this.#restart();
    this.#pending = this.upstream.askUdp(this.query.bytes, this.#edns, this, this.#sentAtMs);
  }

  #unanswered(trouble: "network" | "timeout", detail: string): Trouble {
    if (!this.#isOverTcp) return { trouble, detail };
    return { trouble, detail: `${OVER_TCP}: ${detail}`, cause: OVER_TCP };
  }

  /** Counts a timeout and returns the trouble. A later reply is still accepted. */
  timeOut(timeoutMs: number): Trouble {
    const nowMs = this.#context.clockMs();
    this.upstream.noteSilence(this.#startedAtMs, nowMs);
    this.#count("timeout", nowMs);
    return this.#unanswered("timeout", `no reply in ${timeoutMs} ms`);
  }

  /** Gives up. The listener is not called any more. */
  cancel(): void {
    this.#count("aborted", this.#context.clockMs());
    this.#pending.cancel();
  }

  #restart(): void {
    this.#sentAtMs = this.#context.clockMs();
    this.#isCounted = false;
  }

  #count(outcome: QueryOutcome, nowMs: number): void {
    if (this.#isCounted) return;
    this.#isCounted = true;
    this.#context.observeQuery(this.query.type, outcome, nowMs - this.#sentAtMs);
  }
}

function toOutcome(reading: Reading): QueryOutcome {
  switch (reading.kind) {
    case "records":
    case "alias":
      return "noerror";
    case "trouble":
      return reading.trouble;
    default:
      return reading.kind;
  }
}
