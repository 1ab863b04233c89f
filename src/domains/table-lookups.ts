import { ExpiringCache } from "../cache.ts";
import type { AskTable, TableAnswer } from "../postfix/postmap.ts";
import type { SourceHooks } from "./events.ts";
import type { LookupName } from "./name.ts";
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
  readonly table: string;
  readonly found: boolean;
  readonly askedAtMs: number;
  /** Not asked again before this: the table did not answer. */
  readonly retryAtMs: number;
  readonly expiresAtMs: number;
}

/** What Postfix tables say, remembered: found or not is kept alike, and outlives the table's server. */
export class TableLookups {
  readonly #askTable: AskTable;
  readonly #hooks: SourceHooks;
  readonly #answers = new ExpiringCache<Answer>(MAX_ANSWERS);
  readonly #queues = new Map<string, TableQueue>();
  readonly #failing = new Set<string>();
  readonly #lastAnswerMs = new Map<string, number>();
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(ask: AskTable, hooks: SourceHooks) {
    this.#askTable = ask;
    this.#hooks = hooks;
  }

  /**
   * Whether the table has the domain under any of `keys`, in any spelling. It rejects when the table does not answer and
   * nothing is remembered.
   */
  find(table: string, name: LookupName, keys: (spelling: string) => readonly string[]): boolean | Promise<boolean> {
    const answers = keys(name.ascii).map((key) => this.#has(table, key));
    // The database may not even be able to compare such text; that the domain is not there is known from the other.
    const doubtful = name.unicode === undefined ? [] : keys(name.unicode).map((key) => this.#has(table, key));
    for (const answer of doubtful) answers.push(typeof answer === "boolean" ? answer : answer.catch(() => false));
    return anyOf(answers);
  }

  /** Asks the table now, whatever is remembered. */
  async probe(table: string, key: string): Promise<TableAnswer> {
    const answer = await this.#queue(table).ask(key);
    this.#note(table, answer);
    return answer;
  }

  /** From now on what is remembered counts only for a table that does not answer: an admin has changed something. */
  distrust(): void {
    this.#notBeforeMs = this.#hooks.nowMs();
  }

  /** Domains that the tables were found to have, of those remembered. */
  countFound(tables: readonly string[]): number {
    let count = 0;
    for (const { found, table } of this.#answers.values(this.#hooks.nowMs())) {
      if (found && tables.includes(table)) count += 1;
    }
    return count;
  }

  /** When the table last gave an answer, in milliseconds since 1970. */
  lastAnswerMs(table: string): number | undefined {
    return this.#lastAnswerMs.get(table);
  }

  #has(table: string, key: string): boolean | Promise<boolean> {
    const nowMs = this.#hooks.nowMs();
    const known = this.#answers.get(idOf(table, key), nowMs);
    if (known === undefined) return this.#ask(table, key, undefined);
    const ageMs = nowMs - known.askedAtMs;
    const trusted = ageMs < STALE_MS && known.askedAtMs >= this.#notBeforeMs;
    if (nowMs < known.retryAtMs || (trusted && ageMs < FRESH_MS)) return known.found;
    const answer = this.#ask(table, key, known);
    return trusted ? known.found : answer;
  }

  /** Rejects only when nothing is known. */
  async #ask(table: string, key: string, known: Answer | undefined): Promise<boolean> {
    const answer = await this.#queue(table).ask(key);
    const nowMs = this.#hooks.nowMs();
    // A failure with text beyond ASCII may be the text's own fault: it says nothing about the table.
    if (answer.status === "answered" || isAscii(key)) this.#note(table, answer);
    if (answer.status === "answered") {
      const found = answer.found.has(key);
      const times = { askedAtMs: nowMs, retryAtMs: nowMs, expiresAtMs: nowMs + KEEP_MS };
      this.#answers.set(idOf(table, key), { table, found, ...times });
      return found;
    }
    if (known === undefined) throw new Error(`Cannot ask "${table}" for own domains: ${answer.reason}`);
    this.#answers.set(idOf(table, key), { ...known, retryAtMs: nowMs + RETRY_MS });
    return known.found;
  }

  #note(table: string, answer: TableAnswer): void {
    if (answer.status === "answered") {
      this.#lastAnswerMs.set(table, this.#hooks.nowMs());
      if (this.#failing.delete(table)) this.#hooks.onEvent({ type: "recovered", source: table });
    } else if (!this.#failing.has(table)) {
      this.#failing.add(table);
      this.#hooks.onEvent({ type: "failed", source: table, reason: answer.reason });
    }
  }

  #queue(table: string): TableQueue {
    const queue = this.#queues.get(table) ?? new TableQueue(table, this.#askTable);
    this.#queues.set(table, queue);
    return queue;
  }
}

function idOf(table: string, key: string): string {
  return `${table}\n${key}`;
}

function isAscii(key: string): boolean {
  return /^[\0-\x7f]*$/.test(key);
}

/** Whether one of the answers is yes, at once where that is known. A missing answer matters only when none is. */
function anyOf(answers: readonly (boolean | Promise<boolean>)[]): boolean | Promise<boolean> {
  const waiting = answers.filter((answer) => typeof answer !== "boolean");
  if (waiting.length === 0) return answers.includes(true);
  const settled = Promise.allSettled(waiting);
  return answers.includes(true) || settled.then(anySettled);
}

function anySettled(answers: readonly PromiseSettledResult<boolean>[]): boolean {
  if (answers.some((answer) => answer.status === "fulfilled" && answer.value)) return true;
  const missing = answers.find((answer) => answer.status === "rejected");
  if (missing !== undefined) throw missing.reason;
  return false;
}
