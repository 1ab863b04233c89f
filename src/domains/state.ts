/** Reads everything that the settings name, and says all that is wrong with it. */

import { DomainList } from "../mail/names.ts";
import { isTable } from "../postfix/postmap.ts";
import type { PostfixCommand } from "../postfix/run.ts";
import { type LoadedClasses, loadClasses } from "./classes.ts";
import { parseDomainEntry } from "./entries.ts";
import { type GoodFile, loadDomainFile } from "./load-file.ts";
import { asciiName } from "./name.ts";
import type { TableLookups } from "./table-lookups.ts";

/** `[srs.own_domains]`, and the domains that are own in any case. */
export interface OwnDomainSettings {
  readonly domains: readonly string[];
  readonly files: readonly string[];
  readonly postfixTables: readonly string[];
  readonly postfixClasses: boolean;
  /** srs.domain, srs.former_domains and hostname. What is no domain name is passed over. */
  readonly always: readonly string[];
}

export interface LoadReport {
  /** What the admin has to mend. */
  readonly errors: readonly string[];
  /** Tables that do not answer at the moment: nothing is wrong with the set-up, as far as can be seen. */
  readonly warnings: readonly string[];
}

/** Everything that was read, complete. */
export interface LoadedState {
  readonly fixed: DomainList;
  readonly files: ReadonlyMap<string, GoodFile>;
  readonly classes: LoadedClasses | undefined;
}

/** The name that tables are asked for to see whether they answer. It exists nowhere (RFC 6761 section 6.4). */
export const PROBE_DOMAIN = "postvouch.invalid";

/** Never rejects; without errors the state is whole. */
export async function loadState(
  settings: OwnDomainSettings,
  lookups: TableLookups,
  command: PostfixCommand,
): Promise<LoadReport & { readonly state: LoadedState }> {
  const errors: string[] = [];
  const warnings: string[] = [];
  const fixed = loadFixed(settings, errors);
  const files = await loadFiles(settings.files, errors);
  const classes = settings.postfixClasses ? await loadClasses(lookups, command).catch(noteIn(errors)) : undefined;
  const tables = [...settings.postfixTables, ...(classes?.tables ?? [])];
  await Promise.all([...new Set(tables)].map((table) => probe(table, lookups, errors, warnings)));
  return { state: { fixed, files, classes }, errors, warnings };
}

function loadFixed(settings: OwnDomainSettings, errors: string[]): DomainList {
  const list = new DomainList(settings.always.flatMap((name) => asciiName(name) ?? []));
  for (const domain of settings.domains) {
    const entry = parseDomainEntry(domain);
    if ("entry" in entry) list.add(entry.entry);
    else errors.push(`srs.own_domains.domains: ${entry.problem}`);
  }
  return list;
}

async function loadFiles(paths: readonly string[], errors: string[]): Promise<Map<string, GoodFile>> {
  const files = new Map<string, GoodFile>();
  for (const path of paths) {
    const file = await loadDomainFile(path);
    if ("list" in file) files.set(path, file);
    else errors.push(...file.problems.map((problem) => `srs.own_domains.files: ${problem}`));
  }
  return files;
}

function noteIn(errors: string[]): (error: unknown) => undefined {
  return (error) => {
    errors.push(`srs.own_domains.postfix_classes: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  };
}

async function probe(table: string, lookups: TableLookups, errors: string[], warnings: string[]): Promise<void> {
  if (!isTable(table)) {
    errors.push(
      `srs.own_domains.postfix_tables: Cannot use "${table}": want type:name, as "hash:/etc/postfix/domains"`,
    );
    return;
  }
  const answer = await lookups.probe(table, PROBE_DOMAIN);
  if (answer.status === "answered") return;
  (answer.wrong ? errors : warnings).push(`Cannot ask "${table}" for own domains: ${answer.reason}`);
}
