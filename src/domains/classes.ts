/** The domains that Postfix itself takes for its own, as main.cf says. */
import { join } from "node:path";
import { type MatchItem, parseMatchLine, parseMatchList } from "../postfix/match-list.ts";
import { readParameters } from "../postfix/postconf.ts";
import type { PostfixCommand } from "../postfix/run.ts";
import { ClassList, type MatchStyle } from "./class-list.ts";
import { linesOf } from "./lines.ts";
import { fileSignature, readFileText } from "./signature.ts";
import type { TableLookups } from "./table-lookups.ts";
import { eachInTurns } from "./turns.ts";

/** Class parameters. All but relay_domains hold whole names only. */
const CLASSES = ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"] as const;
const PARENT_STYLE = "parent_domain_matches_subdomains";
const NAMES = [...CLASSES, PARENT_STYLE, "config_directory"] as const;

/** A `/file` may name others; deeper than this it is a circle. */
const MAX_FILE_DEPTH = 5;

export interface LoadedClasses {
  readonly lists: readonly ClassList[];
  /** Names in the lists; domains that only tables know are not among them. */
  readonly count: number;
  readonly tables: readonly string[];
  /** Two readings with the same are the same. */
  readonly fingerprint: string;
  /** main.cf and the files that it names, with their state when they were read. */
  readonly signatures: ReadonlyMap<string, string>;
}

/**
 * Reads the four lists.
 *
 * @throws {Error} when postconf does not answer or a `/file` in a list cannot be read.
 */
export async function loadClasses(lookups: TableLookups, command: PostfixCommand): Promise<LoadedClasses> {
  const configDir = (await readParameters(["config_directory"], command)).get("config_directory") ?? "";
  const mainCf = join(configDir, "main.cf");
  // Its state from before it is read: should it change meanwhile, it is read once more.
  const signatures = new Map([[mainCf, await fileSignature(mainCf)]]);
  const values = await readParameters(NAMES, command);
  const lists: ClassList[] = [];
  for (const name of CLASSES) {
    const list = new ClassList(styleOf(name, values.get(PARENT_STYLE) ?? ""), lookups);
    await addItems(parseMatchList(values.get(name) ?? ""), { list, signatures, depth: 0 });
    lists.push(list);
  }
  const count = lists.reduce((sum, list) => sum + list.count, 0);
  const fingerprint = JSON.stringify([...values, ...signatures].filter(([key]) => key !== mainCf));
  return { lists, count, tables: lists.flatMap((list) => list.tables), fingerprint, signatures };
}

function styleOf(name: (typeof CLASSES)[number], parentStyle: string): MatchStyle {
  if (name !== "relay_domains") return "exact";
  return parseMatchList(parentStyle).some((item) => item.text === name && !item.negated) ? "parents" : "dotted";
}

interface Reading {
  readonly list: ClassList;
  readonly signatures: Map<string, string>;
  /** How many files deep we are. */
  readonly depth: number;
}

async function addItems(items: Iterable<MatchItem>, reading: Reading): Promise<void> {
  await eachInTurns(items, (item) => {
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
