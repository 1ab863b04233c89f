import type { PostfixCommand } from "../postfix/run.ts";
import { anyHas, type Check } from "./check.ts";
import { type LoadedClasses, loadClasses } from "./classes.ts";
import type { SourceHooks } from "./events.ts";
import type { LookupName } from "./name.ts";
import type { TableLookups } from "./table-lookups.ts";
import { FileWatch } from "./watch.ts";

/** Postfix's domain classes, read again when main.cf or a file that it names changes, and when told to. */
export class LiveClasses implements Check {
  readonly #hooks: SourceHooks;
  #lookups: TableLookups;
  readonly #command: PostfixCommand;
  readonly #watch: FileWatch;
  #classes: LoadedClasses | undefined;
  #seenMs = 0;
  #problem: string | undefined;

  constructor(lookups: TableLookups, command: PostfixCommand, hooks: SourceHooks) {
    this.#lookups = lookups;
    this.#command = command;
    this.#hooks = hooks;
    this.#watch = new FileWatch(() => void this.refresh());
  }

  /** Puts these classes in force; `undefined`: Postfix is not asked. @param lookups asks the tables that they name */
  replace(classes: LoadedClasses | undefined, lookups: TableLookups): void {
    this.#lookups = lookups;
    this.#classes = classes;
    this.#seenMs = this.#hooks.nowMs();
    this.#problem = undefined;
    this.#watch.watch(classes?.signatures ?? new Map());
  }

  has(name: LookupName): boolean | Promise<boolean> {
    return this.#classes === undefined ? false : anyHas(this.#classes.lists, name);
  }

  get tables(): readonly string[] {
    return this.#classes?.tables ?? [];
  }

  /** The names in the lists; `undefined` when Postfix is not asked. */
  get count(): number | undefined {
    return this.#classes?.count;
  }

  /** When the lists were last read in order; `undefined` when Postfix is not asked. */
  get lastSuccessMs(): number | undefined {
    return this.#classes === undefined ? undefined : this.#seenMs;
  }

  /** Reads the lists again. Never rejects. */
  async refresh(): Promise<void> {
    const before = this.#classes;
    if (before === undefined) return;
    try {
      const classes = await loadClasses(this.#lookups, this.#command);
      if (this.#classes !== before) return; // a reload was quicker
      const isNew = this.#problem !== undefined || classes.fingerprint !== before.fingerprint;
      this.replace(classes, this.#lookups);
      if (isNew) this.#hooks.onEvent({ type: "loaded", source: "postfix_classes", entries: classes.count });
    } catch (error) {
      this.#keep(error instanceof Error ? error.message : String(error));
    }
  }

  close(): void {
    this.#watch.close();
  }

  #keep(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#hooks.onEvent({ type: "kept", source: "postfix_classes", problems: [problem] });
  }
}
