/** Reads all sources of own domains that the settings name, and collects the problems. */
import { DomainList } from "../mail/names.ts";
import { isTable } from "../postfix/postmap.ts";
import type { PostfixCommand } from "../postfix/run.ts";
import { errorText } from "../process/exit.ts";
import { parseDomains } from "./entries.ts";
import { type ListFile, loadListFile } from "./list-files.ts";
import { asciiName } from "./name.ts";
import { type LoadedClasses, loadClasses } from "./postfix-classes.ts";
import type { PostfixTables } from "./postfix-tables.ts";

/** The settings of `[srs.own_domains]`, and the domains that are always own. */
export interface OwnDomainSettings {
  readonly domains: readonly string[];
  readonly files: readonly string[];
  readonly postfixTables: readonly string[];
  readonly postfixClasses: boolean;
  /** Domains that are always own, such as srs.domain and hostname. Text that is not a domain name is left out. */
  readonly always: readonly string[];
}

export interface LoadReport {
  /** Problems with which the sources are not used. */
  readonly errors: readonly string[];
  /** Tables that do not answer now, although the set-up seems right. */
  readonly warnings: readonly string[];
}

/** The sources that were read; complete if there were no errors. */
export interface LoadedState {
  readonly fixed: DomainList;
  readonly files: ReadonlyMap<string, ListFile>;
  readonly classes: LoadedClasses | undefined;
}

/** The name to ask a table for, to see if the table answers. It exists nowhere (RFC 6761 section 6.4). */
export const PROBE_DOMAIN = "postvouch.invalid";

/** Reads all sources. Never rejects. */
export async function loadState(
  settings: OwnDomainSettings,
  tables: PostfixTables,
  command: PostfixCommand,
): Promise<LoadReport & { readonly state: LoadedState; readonly mayPass: boolean }> {
  const problems: Problems = { errors: [], isWrong: false, warnings: [] };
  const fixed = loadFixed(settings, problems);
  const files = await loadFiles(settings.files, problems);
  const classes = settings.postfixClasses ? await loadClasses(tables, command).catch(noteIn(problems)) : undefined;
  const names = new Set([...settings.postfixTables, ...(classes?.tableNames ?? [])]);
  await Promise.all([...names].map((name) => probe(name, tables, problems)));
  const { errors, isWrong, warnings } = problems;
  return { state: { fixed, files, classes }, errors, mayPass: errors.length > 0 && !isWrong, warnings };
}

/** Collects the report. */
interface Problems {
  readonly errors: string[];
  /** True if one of them does not pass: an admin must repair it. */
  isWrong: boolean;
  readonly warnings: string[];
}

function addWrong(problems: Problems, ...errors: readonly string[]): void {
  problems.errors.push(...errors);
  problems.isWrong = true;
}

function loadFixed(settings: OwnDomainSettings, problems: Problems): DomainList {
  const list = new DomainList(settings.always.flatMap((name) => asciiName(name) ?? []));
  for (const entry of parseDomains(settings.domains)) {
    if ("entry" in entry) list.add(entry.entry);
    else addWrong(problems, entry.problem);
  }
  return list;
}

async function loadFiles(paths: readonly string[], problems: Problems): Promise<Map<string, ListFile>> {
  const files = new Map<string, ListFile>();
  for (const path of paths) {
    const file = await loadListFile(path);
    if ("list" in file) files.set(path, file);
    else {
      const named = file.problems.map((problem) => `srs.own_domains.files: ${problem}`);
      if (file.isUnreadable) problems.errors.push(...named);
      else addWrong(problems, ...named);
    }
  }
  return files;
}

function noteIn({ errors }: Problems): (error: unknown) => undefined {
  return (error) => {
    errors.push(`srs.own_domains.postfix_classes: ${errorText(error)}`);
    return undefined;
  };
}

async function probe(table: string, tables: PostfixTables, problems: Problems): Promise<void> {
  if (!isTable(table)) {
    addWrong(
      problems,
      `srs.own_domains.postfix_tables: Cannot use "${table}": want type:name, as "hash:/etc/postfix/domains"`,
    );
    return;
  }
  const answer = await tables.probe(table, PROBE_DOMAIN);
  if (answer.status === "answered") return;
  (answer.wrong ? problems.errors : problems.warnings).push(`Cannot ask "${table}" for own domains: ${answer.reason}`);
}
