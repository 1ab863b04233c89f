import { ExpiringCache } from "../collections/expiring-cache.ts";
import type { AskTable, TableAnswer } from "../postfix/postmap.ts";
import type { SourceHooks } from "./events.ts";
import { TableQueue } from "./table-queue.ts";

/** How long an answer is good without a doubt. */
export const FRESH_MS = 60_000;
/** Until then it is still given at once, and asked again behind the lookup's back. */
export const STALE_MS = 600_000;
/** Until then it is given when the table does not answer. */
export const KEEP_MS = 86_400_000;
/** How long a table is left alone with a key, for which something is remembered, after it gave no answer. */
const RETRY_MS = 5_000;
const MAX_ANSWERS = 20_000;

interface Answer {
  readonly found: boolean;
  readonly askedAtMs: number;
  /** Not asked again before this: the table did not answer. */
  readonly retryAtMs: number;
  readonly expiresAtMs: number;
}

/** What one Postfix table says, remembered: found or not is kept alike, and outlives the table's server. */
export class RememberedTable {
  readonly #name: string;
  readonly #hooks: SourceHooks;
  readonly #queue: TableQueue;
  readonly #answers = new ExpiringCache<Answer>(MAX_ANSWERS);
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #lastAnswerMs: number | undefined;
  #isFailing = false;

  constructor(name: string, ask: AskTable, hooks: SourceHooks) {
    this.#name = name;
    this.#hooks = hooks;
    this.#queue = new TableQueue(name, ask);
  }

  /** Whether the table has `key`. It rejects when the table does not answer and nothing is remembered. */
  has(key: string): boolean | Promise<boolean> {
    const nowMs = this.#hooks.nowMs();
    const known = this.#answers.get(key, nowMs);
    if (known === undefined) return this.#ask(key, undefined);
    const ageMs = nowMs - known.askedAtMs;
    const trusted = ageMs < STALE_MS && known.askedAtMs >= this.#notBeforeMs;
    if (nowMs < known.retryAtMs || (trusted && ageMs < FRESH_MS)) return known.found;
    const answer = this.#ask(key, known);
    return trusted ? known.found : answer;
  }

  /** Asks the table now, whatever is remembered. Never rejects. */
  async probe(key: string): Promise<TableAnswer> {
    const answer = await this.#queue.ask(key);
    this.#note(answer);
    return answer;
  }

  /** From now on what is remembered counts only while the table does not answer: an admin has changed something. */
  distrust(): void {
    this.#notBeforeMs = this.#hooks.nowMs();
  }

  /** The keys that were found, of those remembered. */
  countFound(): number {
    let count = 0;
    for (const { found } of this.#answers.values(this.#hooks.nowMs())) if (found) count += 1;
    return count;
  }

  /** When the table last gave an answer, in milliseconds since 1970. */
  get lastAnswerMs(): number | undefined {
    return this.#lastAnswerMs;
  }

  /** Rejects only when nothing is known. */
  async #ask(key: string, known: Answer | undefined): Promise<boolean> {
    const answer = await this.#queue.ask(key);
    const nowMs = this.#hooks.nowMs();
    // A failure with text beyond ASCII may be the text's own fault: it says nothing about the table.
    if (answer.status === "answered" || /^[\0-\x7f]*$/.test(key)) this.#note(answer);
    if (answer.status === "answered") {
      const found = answer.found.has(key);
      this.#answers.set(key, { found, askedAtMs: nowMs, retryAtMs: nowMs, expiresAtMs: nowMs + KEEP_MS });
      return found;
    }
    if (known === undefined) throw new Error(`Cannot ask "${this.#name}" for own domains: ${answer.reason}`);
    this.#answers.set(key, { ...known, retryAtMs: nowMs + RETRY_MS });
    return known.found;
  }

  #note(answer: TableAnswer): void {
    if (answer.status === "answered") {
      this.#lastAnswerMs = this.#hooks.nowMs();
      if (this.#isFailing) this.#hooks.onEvent({ type: "recovered", source: this.#name });
    } else if (!this.#isFailing) {
      this.#hooks.onEvent({ type: "failed", source: this.#name, reason: answer.reason });
    }
    this.#isFailing = answer.status === "failed";
  }
}
