/** The Postfix tables that are asked for own domains. A table that is named twice is asked and cached once. */
import type { AskTable, TableAnswer } from "../postfix/postmap.ts";
import type { LookupName } from "./name.ts";
import { PostfixTable } from "./postfix-table.ts";
import type { SourceHooks } from "./source.ts";

export class PostfixTables {
  readonly #ask: AskTable;
  readonly #hooks: SourceHooks;
  readonly #tables: Map<string, PostfixTable>;

  /** @param known tables whose cached answers are kept */
  constructor(ask: AskTable, hooks: SourceHooks, known: ReadonlyMap<string, PostfixTable> = new Map()) {
    this.#ask = ask;
    this.#hooks = hooks;
    this.#tables = new Map(known);
  }

  /** Makes a set that starts with the same tables and their cached answers. */
  fork(): PostfixTables {
    return new PostfixTables(this.#ask, this.#hooks, this.#tables);
  }

  /** Forgets all tables but these. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#tables.keys()) if (!names.has(name)) this.#tables.delete(name);
  }

  /** The table of this name. No process is started before a query. */
  table(name: string): PostfixTable {
    const table = this.#tables.get(name) ?? new PostfixTable(name, this.#ask, this.#hooks);
    this.#tables.set(name, table);
    return table;
  }

  /**
   * Tells if the table has the domain under any of `keys`, in any spelling. Rejects if the table does not answer and
   * there is no cached answer.
   */
  find(name: string, domain: LookupName, keys: (spelling: string) => readonly string[]): boolean | Promise<boolean> {
    const table = this.table(name);
    const answers = keys(domain.ascii).map((key) => table.has(key));
    // A database may fail to compare such text. Then only the ASCII spelling decides.
    const doubtful = domain.unicode === undefined ? [] : keys(domain.unicode).map((key) => table.has(key));
    for (const answer of doubtful) answers.push(typeof answer === "boolean" ? answer : answer.catch(() => false));
    return anyOf(answers);
  }

  /** Asks the table now, regardless of the cache. Never rejects. */
  probe(name: string, key: string): Promise<TableAnswer> {
    return this.table(name).probe(key);
  }

  /** Uses earlier answers only if a table does not answer, because an admin may have changed something. */
  distrust(): void {
    for (const table of this.#tables.values()) table.distrust();
  }
}

/** Tells if one of the answers is yes, at once if that is known. A rejection matters only if no other answer is yes. */
function anyOf(answers: readonly (boolean | Promise<boolean>)[]): boolean | Promise<boolean> {
  const [only] = answers;
  if (answers.length === 1 && only !== undefined) return only;
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
