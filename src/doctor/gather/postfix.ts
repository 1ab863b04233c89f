/** Reads Postfix's configuration. Never edits it. */
import { parseDomainFile } from "../../domains/entries.ts";
import { createOwnDomainSources, type OwnDomainSources } from "../../domains/sources.ts";
import { isDomainName, normalizeName } from "../../mail/names.ts";
import { parseMatchList } from "../../postfix/match-list.ts";
import { readMainCf, runPostconf } from "../../postfix/postconf.ts";
import { listTable, lookUp } from "../../postfix/postmap.ts";
import { type PostfixCommand, runPostfix } from "../../postfix/run.ts";
import { readServices } from "../../postfix/services.ts";
import { errorText } from "../../process/exit.ts";
import { readText } from "../../process/regular-file.ts";
import type { Known, PostfixFacts } from "../facts.ts";

/** The parameters that list the domains for which Postfix receives mail. */
const CLASSES = ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"] as const;

/** Largest number of domains that are listed for one parameter. */
const MAX_DOMAINS = 1_000;

/** Postfix's facts, until they are disposed of. */
export interface GatheredPostfix extends Disposable {
  readonly postfix: Known<PostfixFacts>;
}

/** Reads main.cf and master.cf. Never rejects: a Postfix that is absent, broken or does not answer is a reason. */
export async function gatherPostfix(command: PostfixCommand): Promise<GatheredPostfix> {
  const classes = createOwnDomainSources({ onEvent: () => {}, postfix: command });
  return { postfix: await readPostfix(command, classes), [Symbol.dispose]: () => classes.close() };
}

async function readPostfix(command: PostfixCommand, classes: OwnDomainSources): Promise<Known<PostfixFacts>> {
  try {
    const [mainCf, services, types] = await Promise.all([
      readMainCf(command),
      readServices(command),
      runPostconf(["-m"], command),
    ]);
    const value = (name: string): string => mainCf.values.get(name) ?? "";
    let domains: ReturnType<PostfixFacts["domains"]> | undefined;
    let ready: Promise<void> | undefined;
    return {
      known: {
        version: value("mail_version"),
        value,
        written: (name) => mainCf.written.get(name),
        complaints: mainCf.complaints,
        services,
        tableTypes: new Set(types.stdout.split("\n").filter(Boolean)),
        lookUp: (table, key) => lookUp(table, key, command),
        entries: (table) => listTable(table, command),
        receives: async (domain) => {
          await (ready ??= prepare(classes));
          return await classes.has(domain);
        },
        domains: () => (domains ??= listDomains(value, command)),
        queuedSenders: () => queuedSenders(command),
      },
    };
  } catch (error) {
    return { unknown: errorText(error) };
  }
}

/** Reads the domain classes, by the code that finds own domains. */
async function prepare(classes: OwnDomainSources): Promise<void> {
  const settings = { domains: [], files: [], postfixTables: [], postfixClasses: true, always: [] };
  const { report, commit } = await classes.prepare(settings);
  const [problem] = report.errors;
  if (problem !== undefined) throw new Error(problem);
  commit();
}

async function listDomains(
  value: (name: string) => string,
  command: PostfixCommand,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const lists = await Promise.all(
    CLASSES.map(async (name) => {
      const items = parseMatchList(value(name)).filter(({ negated }) => !negated);
      const found = await Promise.all(
        items.map(async ({ kind, text }) => {
          if (kind === "name") return [text];
          if (kind === "table") return [...((await listTable(text, command)) ?? new Map()).keys()];
          return [...parseDomainFile(readText(text) ?? "", text)].flatMap((one) => ("entry" in one ? one.entry : []));
        }),
      );
      const domains = found.flat().map(normalizeName).filter(isDomainName);
      return [name, domains.slice(0, MAX_DOMAINS)] as const;
    }),
  );
  return new Map(lists);
}

/** Reads the queue with `postqueue -j` (Postfix 3.1 and later). */
async function queuedSenders(command: PostfixCommand): Promise<string[] | undefined> {
  const run = await runPostfix("postqueue", ["-j"], "", command);
  if (run.status === "failed" || run.exitCode !== 0) return undefined;
  return run.stdout.split("\n").flatMap((line) => {
    const sender = line === "" ? undefined : (JSON.parse(line) as { readonly sender?: unknown }).sender;
    return typeof sender === "string" ? [sender] : [];
  });
}
