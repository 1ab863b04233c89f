/** Reads our own domains from all sources. */
import { parseDomainFile } from "../../domains/entries.ts";
import { asciiName } from "../../domains/name.ts";
import { createOwnDomainSources } from "../../domains/sources.ts";
import { listTable } from "../../postfix/postmap.ts";
import type { PostfixCommand } from "../../postfix/run.ts";
import { readText } from "../../process/regular-file.ts";
import { ownDomainSettings, type Setup } from "../../setup/setup.ts";
import type { Known, OwnFacts, PostfixFacts } from "../facts.ts";

/** Largest number of domains that are listed. */
const MAX_LISTED = 1_000;

/** Never rejects. The caller ends it. */
export async function gatherOwn(
  setup: Setup,
  postfix: Known<PostfixFacts>,
  command: PostfixCommand,
): Promise<OwnFacts & Disposable> {
  const settings = ownDomainSettings(setup);
  const sources = createOwnDomainSources({ onEvent: () => {}, postfix: command });
  const { report, commit } = await sources.prepare(settings);
  if (report.errors.length === 0) commit();
  const delivered = "known" in postfix ? await postfix.known.domains() : new Map<string, readonly string[]>();
  const classes = [...delivered].flatMap(([name, domains]) =>
    name === "relay_domains" && !settings.postfixClasses ? [] : domains,
  );
  const tables = await Promise.all(settings.postfixTables.map((table) => listTable(table, command)));
  const inFiles = settings.files.flatMap((path) =>
    [...parseDomainFile(readText(path) ?? "", path)].flatMap((one) => ("entry" in one ? one.entry : [])),
  );
  const listed = [
    ...settings.always,
    ...settings.domains,
    ...inFiles,
    ...classes,
    ...tables.flatMap((table) => [...(table?.keys() ?? [])]),
  ];
  const names = listed.flatMap((name) => (name.startsWith(".") ? [] : (asciiName(name) ?? [])));
  return {
    errors: report.errors,
    warnings: report.warnings,
    has: (domain) => sources.has(domain),
    listed: [...new Set(names)].slice(0, MAX_LISTED),
    [Symbol.dispose]: () => sources.close(),
  };
}
