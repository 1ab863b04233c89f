import { type QueryTrouble, type Reading, readReply } from "./reply.ts";
import type { RecordType } from "./types.ts";
import type { PendingQuery, ReplyListener } from "./udp.ts";
import type { Upstream } from "./upstream.ts";

/**
 * How a query to one server ended: the values of the `outcome` label. `truncated` is a UDP reply that sent us on to TCP
 * (a query of its own), `aborted` a query whose askers gave up first, `rcode` an RCODE without a word of its own.
 */
export type QueryOutcome = "noerror" | "nodata" | "nxdomain" | "truncated" | QueryTrouble;

/** Every `QueryOutcome`, for who has to list them. */
export const QUERY_OUTCOMES = Object.keys({
  noerror: true,
  nodata: true,
  nxdomain: true,
  truncated: true,
  servfail: true,
  refused: true,
  formerr: true,
  notimp: true,
  rcode: true,
  timeout: true,
  network: true,
  malformed: true,
  aborted: true,
} satisfies Record<QueryOutcome, true>) as QueryOutcome[];

/** What is asked. `name` is as `toQueryName` gives it, `bytes` is its question section. */
export interface Question {
  readonly name: string;
  readonly type: RecordType;
  readonly bytes: Buffer;
}

/** Whom an exchange reports to. */
export interface ExchangeOwner {
  readonly now: () => number;
  /** The server has spoken, or cannot be spoken to. Comes at most once, and never before the exchange is begun. */
  onReading(exchange: Exchange, reading: Exclude<Reading, { kind: "truncated" }>): void;
  onQueryEnd(exchange: Exchange, outcome: QueryOutcome, seconds: number): void;
}

/** One question put to one server: over UDP, without EDNS if it does not know that, and over TCP if the reply is cut. */
export class Exchange implements ReplyListener {
  readonly upstream: Upstream;
  readonly question: Question;
  readonly #owner: ExchangeOwner;
  readonly #startedAtMs: number;
  #sentAtMs: number;
  #query: PendingQuery;
  #edns = true;
  /** The query on its way is already counted, as a timeout. */
  #isCounted = false;

  constructor(upstream: Upstream, question: Question, owner: ExchangeOwner, nowMs: number) {
    this.upstream = upstream;
    this.question = question;
    this.#owner = owner;
    this.#startedAtMs = this.#sentAtMs = nowMs;
    this.#query = upstream.askUdp(question.bytes, this.#edns, this, this.#sentAtMs);
  }

  onReply(bytes: Buffer): void {
    const nowMs = this.#owner.now();
    this.upstream.noteReply(nowMs);
    const reading = readReply(bytes, this.question.name, this.question.type);
    this.#count(toOutcome(reading), nowMs);
    if (reading.kind === "truncated") {
      this.#restart();
      this.#query = this.upstream.askTcp(this.question.bytes, this);
    } else if (this.#edns && reading.kind === "trouble" && reading.trouble === "formerr") {
      // RFC 6891 section 7: a server that does not know EDNS may say so in this way.
      this.#edns = false;
      this.#restart();
      this.#query = this.upstream.askUdp(this.question.bytes, this.#edns, this, this.#sentAtMs);
    } else this.#owner.onReading(this, reading);
  }

  onFailure(detail: string): void {
    const nowMs = this.#owner.now();
    this.upstream.noteSilence(this.#startedAtMs, nowMs);
    this.#count("network", nowMs);
    this.#owner.onReading(this, { kind: "trouble", trouble: "network", detail });
  }

  /** The time of this try is over. A reply that still comes is welcome. */
  timeOut(): void {
    const nowMs = this.#owner.now();
    this.upstream.noteSilence(this.#startedAtMs, nowMs);
    this.#count("timeout", nowMs);
  }

  /** Nothing more is wanted of the server. */
  cancel(): void {
    this.#count("aborted", this.#owner.now());
    this.#query.cancel();
  }

  #restart(): void {
    this.#sentAtMs = this.#owner.now();
    this.#isCounted = false;
  }

  #count(outcome: QueryOutcome, nowMs: number): void {
    if (this.#isCounted) return;
    this.#isCounted = true;
    this.#owner.onQueryEnd(this, outcome, (nowMs - this.#sentAtMs) / 1000);
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
