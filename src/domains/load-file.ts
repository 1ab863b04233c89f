import { DomainList } from "../mail/names.ts";
import { parseDomainFile } from "./entries.ts";
import { readFileText } from "./signature.ts";
import { eachInTurns } from "./turns.ts";

export interface GoodFile {
  readonly list: DomainList;
  /** The state of the file that was read: see signature.ts. */
  readonly signature: string;
}

export type LoadedFile = GoodFile | { readonly problems: readonly string[] };

/** Problems told for one file: the first says enough when the file is of some other kind. */
const MAX_PROBLEMS = 20;

/** Reads a file of own domains. Lookups go on meanwhile, however long it is. A single wrong entry refuses the whole. */
export async function loadDomainFile(path: string): Promise<LoadedFile> {
  const list = new DomainList([]);
  const problems: string[] = [];
  try {
    const { text, signature } = await readFileText(path);
    await eachInTurns(parseDomainFile(text, path), (item) => {
      if ("entry" in item) list.add(item.entry);
      else problems.push(item.problem);
      return undefined;
    });
    if (problems.length === 0) return { list, signature };
  } catch (error) {
    return { problems: [error instanceof Error ? error.message : String(error)] };
  }
  const untold = problems.length - MAX_PROBLEMS;
  return { problems: untold > 0 ? [...problems.slice(0, MAX_PROBLEMS), `${path}: and ${untold} more`] : problems };
}
