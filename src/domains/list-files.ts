/** Files of own domains. Reads them as a whole, and again when they change. */

import { DomainList } from "../mail/names.ts";
import { errorText } from "../process/exit.ts";
import { parseDomainFile } from "./entries.ts";
import { FileWatch } from "./file-watch.ts";
import type { LookupName } from "./name.ts";
import type { Source, SourceHooks } from "./source.ts";
import { eachInSlices, readFileText } from "./text-file.ts";

export interface ListFile {
  readonly list: DomainList;
  /** The state of the file when it was read: see fileSignature. */
  readonly signature: string;
}

/** Why a file is not used. */
interface ListFileProblems {
  readonly problems: readonly string[];
  /** True if it could not be read, and so may be there later; false for wrong entries. */
  readonly isUnreadable: boolean;
}

/** Number of problems that are reported for one file. That is enough to see that the file is of another kind. */
const MAX_PROBLEMS = 20;

/**
 * Reads a file of own domains. Lookups go on meanwhile, even if the file is long. One wrong entry makes the whole file
 * invalid. Never rejects.
 */
export async function loadListFile(path: string): Promise<ListFile | ListFileProblems> {
  const list = new DomainList([]);
  const problems: string[] = [];
  try {
    const { text, signature } = await readFileText(path);
    await eachInSlices(parseDomainFile(text, path), (item) => {
      if ("entry" in item) list.add(item.entry);
      else problems.push(item.problem);
      return undefined;
    });
    if (problems.length === 0) return { list, signature };
  } catch (error) {
    return { problems: [errorText(error)], isUnreadable: true };
  }
  const others = problems.length - MAX_PROBLEMS;
  const shown = others > 0 ? [...problems.slice(0, MAX_PROBLEMS), `${path}: and ${others} more`] : problems;
  return { problems: shown, isUnreadable: false };
}

/** The list files in use. */
export class ListFiles implements Source {
  readonly #hooks: SourceHooks;
  readonly #watch: FileWatch;
  readonly #files = new Map<string, ListFile>();
  /** Files that are missing or wrong, with the time at which that was first seen. */
  readonly #lostAtMs = new Map<string, number>();
  /** The newest reading of each file, so that a slow reading cannot undo a later one. */
  readonly #newest = new Map<string, symbol>();

  constructor(hooks: SourceHooks) {
    this.#hooks = hooks;
    this.#watch = new FileWatch((path) => void this.#reload(path));
  }

  /** Uses these files instead of the earlier ones. */
  replace(files: ReadonlyMap<string, ListFile>): void {
    this.#newest.clear();
    this.#lostAtMs.clear();
    this.#files.clear();
    for (const [path, file] of files) this.#files.set(path, file);
    this.#watch.watch(new Map([...files].map(([path, file]) => [path, file.signature])));
  }

  has(name: LookupName): boolean {
    for (const file of this.#files.values()) if (file.list.hasNormalized(name.ascii)) return true;
    return false;
  }

  get count(): number {
    let sum = 0;
    for (const file of this.#files.values()) sum += file.list.size;
    return sum;
  }

  /** The time at which every file was last valid; `undefined` without any file. */
  get lastSuccessMs(): number | undefined {
    return this.#files.size === 0 ? undefined : Math.min(this.#hooks.timeMs(), ...this.#lostAtMs.values());
  }

  close(): void {
    this.#watch.close();
  }

  async #reload(path: string): Promise<void> {
    const reading = Symbol(path);
    this.#newest.set(path, reading);
    const file = await loadListFile(path);
    if (this.#newest.get(path) !== reading) return;
    if ("list" in file) {
      this.#files.set(path, file);
      this.#lostAtMs.delete(path);
      this.#hooks.onEvent({ type: "loaded", source: path, entries: file.list.size });
    } else {
      this.#lostAtMs.set(path, this.#lostAtMs.get(path) ?? this.#hooks.timeMs());
      this.#hooks.onEvent({ type: "kept", source: path, problems: file.problems });
    }
  }
}
