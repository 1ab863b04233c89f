/** One query put to one server, and how it is counted. */
import { type Reading, readReply } from "./reply.ts";
import type { QueryOutcome, RecordType } from "./types.ts";
import type { PendingQuery, ReplyListener } from "./udp.ts";
import type { Upstream } from "./upstream.ts";

/** What is asked. `name` is as `toQueryName` gives it, `bytes` is its question section. */
export interface Query {
  readonly name: string;
  readonly type: RecordType;
  readonly bytes: Buffer;
}

/** Called when a query has ended, with the time since it was sent. */
export type QueryObserver = (type: RecordType, outcome: QueryOutcome, elapsedMs: number) => void;

/** What all attempts share. */
export interface AttemptContext {
  readonly clockMs: () => number;
  readonly observeQuery: QueryObserver;
}

/** What waits for the end of an attempt. */
export interface ReadingListener {
  /** Takes what the server said, or that it cannot be reached. Called at most once, and never before the attempt is made. */
  onReading(attempt: Attempt, reading: Exclude<Reading, { kind: "truncated" }>): void;
}

/** Asks over UDP; without EDNS if the server does not know that; and over TCP if the reply is truncated. */
export class Attempt implements ReplyListener {
  readonly upstream: Upstream;
  readonly query: Query;
  readonly #context: AttemptContext;
  readonly #listener: ReadingListener;
  readonly #startedAtMs: number;
  #sentAtMs: number;
  #pending: PendingQuery;
  #edns = true;
  /** The query on its way is already counted, as a timeout. */
  #isCounted = false;

  constructor(upstream: Upstream, query: Query, context: AttemptContext, listener: ReadingListener, nowMs: number) {
    this.upstream = upstream;
    this.query = query;
    this.#context = context;
    this.#listener = listener;
    this.#startedAtMs = this.#sentAtMs = nowMs;
    this.#pending = upstream.askUdp(query.bytes, this.#edns, this, this.#sentAtMs);
  }

  onReply(bytes: Buffer): void {
    const nowMs = this.#context.clockMs();
    this.upstream.noteReply(nowMs);
    const reading = readReply(bytes, this.query.name, this.query.type);
    this.#count(toOutcome(reading), nowMs);
    if (reading.kind === "truncated") {
      this.#restart();
      this.#pending = this.upstream.askTcp(this.query.bytes, this);
    } else if (this.#edns && reading.kind === "trouble" && reading.trouble === "formerr") {
      // RFC 6891 section 7: a server that does not know EDNS may say so in this way.
      this.#edns = false;
      this.#restart();
      this.#pending = this.upstream.askUdp(this.query.bytes, this.#edns, this, this.#sentAtMs);
    } else this.#listener.onReading(this, reading);
  }

  onFailure(detail: string): void {
    const nowMs = this.#context.clockMs();
    this.upstream.noteSilence(this.#startedAtMs, nowMs);
    this.#count("network", nowMs);
    this.#listener.onReading(this, { kind: "trouble", trouble: "network", detail });
  }

  /** Notes that the time is over. A reply that comes later is still taken. */
  timeOut(): void {
    const nowMs = this.#context.clockMs();
    this.upstream.noteSilence(this.#startedAtMs, nowMs);
    this.#count("timeout", nowMs);
  }

  /** Gives up; the listener is not called any more. */
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
