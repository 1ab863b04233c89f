/** One Postfix table. Asks it with few processes, and caches its answers. */
import { ExpiringCache } from "../collections/expiring-cache.ts";
import type { AskTable, TableAnswer } from "../postfix/postmap.ts";
import { errorText } from "../process/exit.ts";
import type { SourceHooks } from "./source.ts";

/** Age up to which a cached answer is used without asking again. */
export const FRESH_MS = 60_000;
/** Age up to which a cached answer is used at once, while the table is asked again in the background. */
export const STALE_MS = 600_000;
/** Age up to which a cached answer is used if the table does not answer. */
export const KEEP_MS = 86_400_000;
/** Pause after a failure before the table is asked again for a key with a cached answer. */
const RETRY_MS = 5_000;
const MAX_ANSWERS = 20_000;

interface Answer {
  readonly found: boolean;
  readonly askedAtMs: number;
  /** Time before which the table is not asked again, because it has failed to answer. */
  readonly retryAtMs: number;
  readonly expiresAtMs: number;
}

/**
 * One table with its cached answers. "Found" and "not found" are both cached, and still used while the server is down.
 */
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

  /** Tells if the table has `key`. Rejects if the table does not answer and there is no cached answer. */
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

  /** Asks the table now, regardless of the cache. Never rejects. */
  async probe(key: string): Promise<TableAnswer> {
    const answer = await this.#queue.ask(key);
    this.#note(answer);
    return answer;
  }

  /** Uses earlier answers only if the table does not answer, because an admin may have changed the table. */
  distrust(): void {
    this.#notBeforeMs = this.#hooks.timeMs();
  }

  /** Number of cached keys that were found. */
  countFound(): number {
    let count = 0;
    for (const { found } of this.#answers.values(this.#hooks.timeMs())) if (found) count += 1;
    return count;
  }

  /** The time of the table's last answer, in milliseconds since 1970. */
  get lastAnswerMs(): number | undefined {
    return this.#lastAnswerMs;
  }

  /** Asks the table. Rejects only if there is no cached answer. */
  async #ask(key: string, known: Answer | undefined): Promise<boolean> {
    const answer = await this.#queue.ask(key);
    const timeMs = this.#hooks.timeMs();
    // Text beyond ASCII may itself cause a failure, which says nothing about the table.
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

/** Largest number of keys for one process. A failure of the process fails them all. */
const MAX_BATCH = 100;

/**
 * Asks one table with one `postmap` at a time. Keys that come meanwhile wait, and the next `postmap` gets all of them.
 * So there are never more processes than tables, and a burst of foreign domains starts few. Up to MAX_BATCH keys wait
 * for two processes at most.
 */
export class PostmapQueue {
  readonly #ask: (keys: readonly string[]) => Promise<TableAnswer>;
  readonly #asked = new Map<string, PromiseWithResolvers<TableAnswer>>();
  #waiting: string[] = [];
  #busy = false;

  constructor(table: string, ask: AskTable) {
    this.#ask = (keys) => ask(table, keys);
  }

  /** Asks the table for `key`. Callers with the same key share the answer. Never rejects. */
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
    await Promise.resolve(); // more spellings of the same domain follow at once
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

  /**
   * Takes the next keys. A key beyond ASCII goes alone, because an SQL database fails if a column cannot hold the text.
   */
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
