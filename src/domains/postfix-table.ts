/** One Postfix table, asked with few processes, and its answers remembered. */
import { ExpiringCache } from "../collections/expiring-cache.ts";
import type { AskTable, TableAnswer } from "../postfix/postmap.ts";
import { errorText } from "../process/exit.ts";
import type { SourceHooks } from "./source.ts";

/** Age up to which an answer is given as it is. */
export const FRESH_MS = 60_000;
/** Age up to which an answer is still given at once, and the table is asked again in the background. */
export const STALE_MS = 600_000;
/** Age up to which an answer is given when the table does not answer. */
export const KEEP_MS = 86_400_000;
/** Pause before a table that did not answer is asked again for a key whose answer is remembered. */
const RETRY_MS = 5_000;
const MAX_ANSWERS = 20_000;

interface Answer {
  readonly found: boolean;
  readonly askedAtMs: number;
  /** Time before which the table is not asked again, because it did not answer. */
  readonly retryAtMs: number;
  readonly expiresAtMs: number;
}

/** Answers for one table. "Found" and "not found" are both remembered, and go on while the table's server is down. */
export class PostfixTable {
  readonly #name: string;
  readonly #hooks: SourceHooks;
  readonly #queue: PostmapQueue;
  readonly #answers = new ExpiringCache<Answer>(MAX_ANSWERS);
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #lastAnswerMs: number | undefined;
  #isFailing = false;

  constructor(name: string, ask: AskTable, hooks: SourceHooks) {
    this.#name = name;
    this.#hooks = hooks;
    this.#queue = new PostmapQueue(name, ask);
  }

  /** Whether the table has `key`. Rejects when the table does not answer and nothing is remembered. */
  has(key: string): boolean | Promise<boolean> {
    const timeMs = this.#hooks.timeMs();
    const known = this.#answers.get(key, timeMs);
    if (known === undefined) return this.#ask(key, undefined);
    const ageMs = timeMs - known.askedAtMs;
    const trusted = ageMs < STALE_MS && known.askedAtMs >= this.#notBeforeMs;
    if (timeMs < known.retryAtMs || (trusted && ageMs < FRESH_MS)) return known.found;
    const answer = this.#ask(key, known);
    return trusted ? known.found : answer;
  }

  /** Asks the table now, whatever is remembered. Never rejects. */
  async probe(key: string): Promise<TableAnswer> {
    const answer = await this.#queue.ask(key);
    this.#note(answer);
    return answer;
  }

  /** Makes earlier answers count only while the table does not answer: an admin may have changed the table. */
  distrust(): void {
    this.#notBeforeMs = this.#hooks.timeMs();
  }

  /** Counts the remembered keys that were found. */
  countFound(): number {
    let count = 0;
    for (const { found } of this.#answers.values(this.#hooks.timeMs())) if (found) count += 1;
    return count;
  }

  /** When the table last gave an answer, in milliseconds since 1970. */
  get lastAnswerMs(): number | undefined {
    return this.#lastAnswerMs;
  }

  /** Rejects only when nothing is known. */
  async #ask(key: string, known: Answer | undefined): Promise<boolean> {
    const answer = await this.#queue.ask(key);
    const timeMs = this.#hooks.timeMs();
    // A failure with text beyond ASCII may be the text's own fault: it says nothing about the table.
    if (answer.status === "answered" || /^[\0-\x7f]*$/.test(key)) this.#note(answer);
    if (answer.status === "answered") {
      const found = answer.found.has(key);
      this.#answers.set(key, { found, askedAtMs: timeMs, retryAtMs: timeMs, expiresAtMs: timeMs + KEEP_MS });
      return found;
    }
    if (known === undefined) throw new Error(`Cannot ask "${this.#name}" for own domains: ${answer.reason}`);
    this.#answers.set(key, { ...known, retryAtMs: timeMs + RETRY_MS });
    return known.found;
  }

  #note(answer: TableAnswer): void {
    if (answer.status === "answered") {
      this.#lastAnswerMs = this.#hooks.timeMs();
      if (this.#isFailing) this.#hooks.onEvent({ type: "recovered", source: this.#name });
    } else if (!this.#isFailing) {
      this.#hooks.onEvent({ type: "failed", source: this.#name, reason: answer.reason });
    }
    this.#isFailing = answer.status === "failed";
  }
}

/** Most keys for one process. A failure of the process fails them all. */
const MAX_BATCH = 100;

/**
 * Asks one table with one `postmap` at a time. Keys that come meanwhile wait and are asked together in the next one. So
 * there are never more processes than tables, a burst of foreign domains starts few of them, and up to MAX_BATCH keys wait
 * for two at most.
 */
export class PostmapQueue {
  readonly #ask: (keys: readonly string[]) => Promise<TableAnswer>;
  readonly #asked = new Map<string, PromiseWithResolvers<TableAnswer>>();
  #waiting: string[] = [];
  #busy = false;

  constructor(table: string, ask: AskTable) {
    this.#ask = (keys) => ask(table, keys);
  }

  /** What the table answers to `key`; callers with the same key share the answer. Never rejects. */
  ask(key: string): Promise<TableAnswer> {
    const asked = this.#asked.get(key);
    if (asked !== undefined) return asked.promise;
    const own = Promise.withResolvers<TableAnswer>();
    this.#asked.set(key, own);
    this.#waiting.push(key);
    if (!this.#busy) void this.#work();
    return own.promise;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    await Promise.resolve(); // the other spellings of the same domain are about to be asked
    while (this.#waiting.length > 0) {
      const keys = this.#take();
      const answer = await this.#ask(keys).catch(toFailure);
      for (const key of keys) {
        this.#asked.get(key)?.resolve(answer);
        this.#asked.delete(key);
      }
    }
    this.#busy = false;
  }

  /** A key beyond ASCII goes alone: SQL databases fail on text that a column's character set cannot hold. */
  #take(): string[] {
    const [first = ""] = this.#waiting;
    const count = isAscii(first) ? this.#waiting.slice(0, MAX_BATCH).findIndex((key) => !isAscii(key)) : 1;
    return this.#waiting.splice(0, count === -1 ? MAX_BATCH : count);
  }
}

function isAscii(key: string): boolean {
  return /^[\0-\x7f]*$/.test(key);
}

function toFailure(error: unknown): TableAnswer {
  return { status: "failed", reason: errorText(error), wrong: false };
}
