import type { Check } from "./check.ts";
import type { SourceHooks } from "./events.ts";
import { type GoodFile, loadDomainFile } from "./load-file.ts";
import type { LookupName } from "./name.ts";
import { FileWatch } from "./watch.ts";

/** Files of own domains, read again when they change. */
export class LiveFiles implements Check {
  readonly #hooks: SourceHooks;
  readonly #watch: FileWatch;
  readonly #files = new Map<string, GoodFile>();
  /** Files that are gone or wrong, and since when. */
  readonly #lostAtMs = new Map<string, number>();
  /** The newest load of each file: one that takes long must not undo the one after it. */
  readonly #latest = new Map<string, symbol>();

  constructor(hooks: SourceHooks) {
    this.#hooks = hooks;
    this.#watch = new FileWatch((path) => void this.#reload(path));
  }

  /** Puts these files in force instead of those before. */
  replace(files: ReadonlyMap<string, GoodFile>): void {
    this.#latest.clear();
    this.#lostAtMs.clear();
    this.#files.clear();
    for (const [path, file] of files) this.#files.set(path, file);
    this.#watch.watch(new Map([...files].map(([path, file]) => [path, file.signature])));
  }

  has(name: LookupName): boolean {
    for (const file of this.#files.values()) if (file.list.has(name.ascii)) return true;
    return false;
  }

  get count(): number {
    let sum = 0;
    for (const file of this.#files.values()) sum += file.list.size;
    return sum;
  }

  /** When every file was last seen in order; `undefined` without any. */
  get lastSuccessMs(): number | undefined {
    return this.#files.size === 0 ? undefined : Math.min(this.#hooks.nowMs(), ...this.#lostAtMs.values());
  }

  close(): void {
    this.#watch.close();
  }

  async #reload(path: string): Promise<void> {
    const turn = Symbol(path);
    this.#latest.set(path, turn);
    const file = await loadDomainFile(path);
    if (this.#latest.get(path) !== turn) return;
    if ("list" in file) {
      this.#files.set(path, file);
      this.#lostAtMs.delete(path);
      this.#hooks.onEvent({ type: "loaded", source: path, entries: file.list.size });
    } else {
      this.#lostAtMs.set(path, this.#lostAtMs.get(path) ?? this.#hooks.nowMs());
      this.#hooks.onEvent({ type: "kept", source: path, problems: file.problems });
    }
  }
}
