import type { AskTable, TableAnswer } from "../postfix/postmap.ts";

/** Keys asked in one process. They share its fate, so not too many. */
const MAX_BATCH = 100;

/**
 * Asks one table, one process at a time: what comes in meanwhile waits and goes out together. So the number of
 * processes is that of the tables, a burst of strangers' domains costs few of them, and nobody waits longer than two.
 */
export class TableQueue {
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
  return { status: "failed", reason: error instanceof Error ? error.message : String(error), wrong: false };
}
