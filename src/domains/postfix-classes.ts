/** The domains that Postfix accepts mail for, from main.cf. Reads them, and again when main.cf changes. */
import { join } from "node:path";
import { type MatchItem, parseMatchLine, parseMatchList } from "../postfix/match-list.ts";
import { readParameters } from "../postfix/postconf.ts";
import type { PostfixCommand } from "../postfix/run.ts";
import { errorText } from "../process/exit.ts";
import { DomainClass, type MatchStyle } from "./domain-class.ts";
import { linesOf } from "./entries.ts";
import { FileWatch } from "./file-watch.ts";
import type { LookupName } from "./name.ts";
import type { PostfixTables } from "./postfix-tables.ts";
import { anyHas, type Source, type SourceHooks } from "./source.ts";
import { eachInSlices, fileSignature, readFileText } from "./text-file.ts";

/** Class parameters. All but relay_domains hold whole names only. */
const CLASSES = ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"] as const;
const PARENT_STYLE = "parent_domain_matches_subdomains";
const NAMES = [...CLASSES, PARENT_STYLE, "config_directory"] as const;

/** Deepest nesting of a `/file` in another. More is a cycle. */
const MAX_FILE_DEPTH = 5;

export interface LoadedClasses {
  readonly classes: readonly DomainClass[];
  /** Number of names in the lists, without domains that only tables know. */
  readonly count: number;
  readonly tableNames: readonly string[];
  /** A value that is equal for two readings with the same content. */
  readonly fingerprint: string;
  /** States of main.cf and the files that it names when they were read. */
  readonly signatures: ReadonlyMap<string, string>;
}

/**
 * Reads the four lists.
 *
 * @throws {Error} when postconf does not answer or a `/file` in a list cannot be read.
 */
export async function loadClasses(tables: PostfixTables, command: PostfixCommand): Promise<LoadedClasses> {
  const configDir = (await readParameters(["config_directory"], command)).get("config_directory") ?? "";
  const mainCf = join(configDir, "main.cf");
  // Taken before the reading, so that the watch notices a change during it.
  const signatures = new Map([[mainCf, await fileSignature(mainCf)]]);
  const values = await readParameters(NAMES, command);
  // Each Postfix knows them. Without one our own domains would be rewritten.
  const absent = NAMES.find((name) => !values.has(name));
  if (absent !== undefined) throw new Error(`Cannot read main.cf: postconf printed no "${absent}"`);
  const classes: DomainClass[] = [];
  for (const name of CLASSES) {
    const list = new DomainClass(styleOf(name, values.get(PARENT_STYLE) ?? ""), tables);
    await addItems(parseMatchList(values.get(name) ?? ""), { list, signatures, depth: 0 });
    classes.push(list);
  }
  const count = classes.reduce((sum, list) => sum + list.count, 0);
  const fingerprint = JSON.stringify([...values, ...signatures].filter(([key]) => key !== mainCf));
  const tableNames = classes.flatMap((list) => list.tableNames);
  return { classes, count, tableNames, fingerprint, signatures };
}

function styleOf(name: (typeof CLASSES)[number], parentStyle: string): MatchStyle {
  if (name !== "relay_domains") return "exact";
  return parseMatchList(parentStyle).some((item) => item.text === name && !item.negated) ? "parents" : "dotted";
}

interface Reading {
  readonly list: DomainClass;
  readonly signatures: Map<string, string>;
  /** Current nesting of files. */
  readonly depth: number;
}

async function addItems(items: Iterable<MatchItem>, reading: Reading): Promise<void> {
  await eachInSlices(items, (item) => {
    if (item.kind === "file") return addFile(item, { ...reading, depth: reading.depth + 1 });
    reading.list.add(item);
    return undefined;
  });
}

async function addFile({ text: path, negated }: MatchItem, reading: Reading): Promise<void> {
  if (reading.depth > MAX_FILE_DEPTH) throw new Error(`Cannot read "${path}": files name each other in a circle`);
  const { text, signature } = await readFileText(path);
  reading.signatures.set(path, signature);
  await addItems(itemsOf(text, negated), reading);
}

function* itemsOf(text: string, negated: boolean): Generator<MatchItem> {
  for (const line of linesOf(text)) {
    for (const item of parseMatchLine(line)) yield { ...item, negated: item.negated !== negated };
  }
}

/** The classes in use. They are read again when main.cf or a file that it names changes, and by `refresh`. */
export class PostfixClasses implements Source {
  readonly #hooks: SourceHooks;
  #tables: PostfixTables;
  readonly #command: PostfixCommand;
  readonly #watch: FileWatch;
  #classes: LoadedClasses | undefined;
  #seenMs = 0;
  #problem: string | undefined;

  constructor(tables: PostfixTables, command: PostfixCommand, hooks: SourceHooks) {
    this.#tables = tables;
    this.#command = command;
    this.#hooks = hooks;
    this.#watch = new FileWatch(() => void this.refresh());
  }

  /**
   * Uses these classes instead of the earlier ones.
   *
   * @param classes `undefined`: Postfix is not asked
   * @param tables asks the tables that the classes name
   */
  replace(classes: LoadedClasses | undefined, tables: PostfixTables): void {
    this.#tables = tables;
    this.#classes = classes;
    this.#seenMs = this.#hooks.timeMs();
    this.#problem = undefined;
    this.#watch.watch(classes?.signatures ?? new Map());
  }

  has(name: LookupName): boolean | Promise<boolean> {
    return this.#classes === undefined ? false : anyHas(this.#classes.classes, name);
  }

  get tableNames(): readonly string[] {
    return this.#classes?.tableNames ?? [];
  }

  /** Number of names in the lists; `undefined` if Postfix is not asked. */
  get count(): number | undefined {
    return this.#classes?.count;
  }

  /** The time of the last good reading; `undefined` if Postfix is not asked. */
  get lastSuccessMs(): number | undefined {
    return this.#classes === undefined ? undefined : this.#seenMs;
  }

  /** Reads the lists again. Never rejects. */
  async refresh(): Promise<void> {
    const before = this.#classes;
    if (before === undefined) return;
    try {
      const classes = await loadClasses(this.#tables, this.#command);
      if (this.#classes !== before) return; // a reload was quicker
      const isNew = this.#problem !== undefined || classes.fingerprint !== before.fingerprint;
      this.replace(classes, this.#tables);
      if (isNew) this.#hooks.onEvent({ type: "loaded", source: "postfix_classes", entries: classes.count });
    } catch (error) {
      this.#reportKept(errorText(error));
    }
  }

  close(): void {
    this.#watch.close();
  }

  #reportKept(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#hooks.onEvent({ type: "kept", source: "postfix_classes", problems: [problem] });
  }
}
