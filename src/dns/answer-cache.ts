/** Caches answers and failures until they expire. */
import { ExpiringCache } from "../collections/expiring-cache.ts";
import type { DnsAnswer, DnsTrouble, RecordType } from "./types.ts";

/** An answer to a query of any type. */
export type AnyAnswer = DnsAnswer<RecordType>;

/** Mean bytes of records for each answer that the cache may hold. Large answers leave room for fewer others. */
const MEAN_ANSWER_BYTES = 1024;
/** Smallest size of the cache in bytes, enough for the largest answer. */
const MIN_BYTES = 0x20000;
/** Memory of an answer and its key beside their text. */
const ANSWER_BYTES = 128;
const RECORD_BYTES = 32;

/**
 * Life of failures in milliseconds (RFC 9520 wants 1 s to 5 min). It is short if the fault is near us and may soon be
 * over, such as a resolver that restarts. A failure that is not listed is not remembered.
 */
const FAILURE_MS: Readonly<Partial<Record<DnsTrouble, number>>> = {
  network: 5_000,
  timeout: 10_000,
  servfail: 20_000,
  malformed: 20_000,
  refused: 30_000,
  formerr: 30_000,
  notimp: 30_000,
  rcode: 30_000,
};

type LastingAnswer = Exclude<AnyAnswer, { status: "error" }>;

class Failure {
  readonly answer: AnyAnswer;
  readonly expiresAtMs: number;

  constructor(answer: AnyAnswer, expiresAtMs: number) {
    this.answer = answer;
    this.expiresAtMs = expiresAtMs;
  }
}

/** A cache of answers. When it is full, the answers that were not used for longest go first. */
export class AnswerCache {
  readonly #entries: ExpiringCache<LastingAnswer | Failure> | undefined;

  /** @param capacity number of answers that are kept; 0 keeps none */
  constructor(capacity: number) {
    const maxBytes = Math.max(capacity * MEAN_ANSWER_BYTES, MIN_BYTES);
    this.#entries = capacity > 0 ? new ExpiringCache(capacity, maxBytes) : undefined;
  }

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  get(key: string, nowMs: number): AnyAnswer | undefined {
    const entry = this.#entries?.get(key, nowMs);
    return entry instanceof Failure ? entry.answer : entry;
  }

  /** Keeps `answer` until it expires. A failure is kept for a time that depends on its kind. */
  set(key: string, answer: AnyAnswer, nowMs: number): void {
    const lifetimeMs = answer.status === "error" ? FAILURE_MS[answer.trouble] : answer.expiresAtMs - nowMs;
    if (lifetimeMs === undefined || lifetimeMs <= 0) return;
    const entry = answer.status === "error" ? new Failure(answer, Math.floor(nowMs + lifetimeMs)) : answer;
    this.#entries?.set(key, entry, weigh(key, answer));
  }

  clear(): void {
    this.#entries?.clear();
  }
}

/** Estimates the memory of an answer in bytes. */
function weigh(key: string, answer: AnyAnswer): number {
  let bytes = ANSWER_BYTES + key.length;
  if (answer.status !== "ok") return bytes;
  for (const record of answer.records) {
    bytes += RECORD_BYTES + (typeof record === "string" ? record.length : record.exchange.length);
  }
  return bytes;
}
