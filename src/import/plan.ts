/** Puts what was found together to one configuration, and checks it with our own parser. Does no I/O. */
import { LISTENER_KEYS, LISTENERS } from "../config/listeners.ts";
import { PARAMETERS } from "../config/parameters.ts";
import { parseConfig } from "../config/parse.ts";
import { type MilterCircumstances, settleMilter } from "./milter-plan.ts";
import { type Findings, ImportError, type Key, type Setting, type TableKey } from "./readers/finding.ts";
import { type Tables, writeToml } from "./toml.ts";

/** What Postfix's own lists say about own domains. */
export interface PostfixDomains {
  /** True if the lists can be used in place of names. */
  readonly isUsable: boolean;
  /** Domains of the peer's list that Postfix's lists have too. */
  readonly covered: ReadonlySet<string>;
}

export interface Circumstances extends MilterCircumstances {
  /** Earlier SRS domains whose addresses may still be in use, and where they were seen. */
  readonly formerDomains: readonly { readonly domain: string; readonly from: string }[];
  readonly postfixDomains: PostfixDomains;
  /** The value of `srs.secrets_file`; empty for the default place. */
  readonly secretsFile: string;
  /** The day of the import, `2026-11-26`. */
  readonly date: string;
}

export interface Plan {
  /** The text of postvouch.toml. */
  readonly toml: string;
  readonly notes: readonly string[];
}

/**
 * Makes the configuration of what the readers found.
 *
 * @param found in the order of the table of readers
 * @param more further sentences for the admin
 * @throws {ImportError} when a value cannot be one of ours
 */
export function planImport(
  found: readonly Findings[],
  circumstances: Circumstances,
  more: readonly string[] = [],
): Plan {
  const notes = [...found.flatMap((findings) => findings.notes), ...more];
  const settings = new Map<Key, Setting>();
  const add = (key: Key, value: Setting["value"], from: string): Map<Key, Setting> =>
    settings.set(key, { key, value, from });
  for (const one of found.flatMap((findings) => findings.settings)) {
    const before = settings.get(one.key);
    if (before !== undefined && JSON.stringify(before.value) === JSON.stringify(one.value)) continue;
    if (before !== undefined)
      notes.push(
        `${one.key}: ${JSON.stringify(one.value)} by ${one.from}; not ${JSON.stringify(before.value)} of ${before.from}`,
      );
    settings.set(one.key, one);
  }
  const parts = new Set(found.flatMap((findings) => [...findings.parts]));
  if (parts.has("srs")) addDomains(found, circumstances, add, settings.get("srs.domain"));
  else
    for (const key of SRS_LISTENERS) add(key, [], "no postsrsd was found; take the line out to rewrite forwarded mail");
  if (parts.has("srs") && circumstances.secretsFile !== "") {
    add(
      "srs.secrets_file",
      circumstances.secretsFile,
      `a copy of ${found.find(({ secretsFile }) => secretsFile)?.secretsFile?.path}`,
    );
  }
  if (!parts.has("policy")) add("policy.listen", [], "no SPF policy service was found; take the line out to check SPF");
  if (parts.has("policy")) deferForFilters(found, add);
  notes.push(...settleMilter(found, settings, add, circumstances));
  notes.push(...distrusted(found, settings), ...freeEndpoints(settings));
  const tables: Tables = {
    "policy.override": found.flatMap((findings) => findings.overrides),
    "dkim.sign.keys": circumstances.keys.tables,
  };
  checkEach([...settings.values()], tables);
  const title = [`Made by "postvouch import" on ${circumstances.date}. "postvouch help config" explains each key.`];
  if (notes.length > 0) title.push("What it said:", ...notes.map((note) => `- ${note}`));
  const toml = writeToml([...settings.values()], tables, title);
  const { problems } = parseConfig(toml, "postvouch.toml");
  if (problems.length > 0) throw new ImportError(problems.join("\n"));
  return { toml, notes };
}

const SRS_LISTENERS = ["tcptable.forward", "tcptable.reverse", "socketmap.listen"] as const;

type Add = (key: Key, value: Setting["value"], from: string) => void;

function addDomains(
  found: readonly Findings[],
  { formerDomains, postfixDomains }: Circumstances,
  add: Add,
  srsDomain: Setting | undefined,
): void {
  if (formerDomains.length > 0) {
    const from = `until 22 days have passed: ${[...new Set(formerDomains.map((one) => one.from))].join("; ")}`;
    add(
      "srs.former_domains",
      formerDomains.map(({ domain }) => domain),
      from,
    );
  }
  const list = found.find(({ ownDomains }) => ownDomains.size > 0);
  const own = [...(list?.ownDomains ?? [])].filter((domain) => domain !== String(srsDomain?.value).toLowerCase());
  const named = own.filter((domain) => !postfixDomains.covered.has(domain));
  const others = own.length - named.length;
  const rest = others === 0 ? "" : `; ${others} more of it Postfix has too`;
  if (named.length > 0) add("srs.own_domains.domains", named, `${list?.ownDomainsFrom}${rest}`);
  if (!postfixDomains.isUsable) return;
  const origin = others === 0 ? "" : `; ${others} of ${list?.ownDomainsFrom} are there`;
  add("srs.own_domains.postfix_classes", true, `mydestination, virtual_*_domains, relay_domains of main.cf${origin}`);
}

/** Has mail wait that a filter would refuse for good, because DNS trouble has left it without a result. */
function deferForFilters(found: readonly Findings[], add: Add): void {
  for (const { rejectsFrom, parts } of found) {
    if (rejectsFrom === undefined) continue;
    const end = parts.has("milter") ? "; remove the line when OpenDMARC is not asked any more" : "";
    const from = `${rejectsFrom}: while DNS is out of order, mail waits instead of being refused for good${end}`;
    for (const identity of ["helo", "mail_from"] as const) add(`policy.${identity}.temperror`, "defer", from);
  }
}

/** Says if a filter would not believe the field that it gets its results from. */
function distrusted(found: readonly Findings[], settings: ReadonlyMap<Key, Setting>): string[] {
  const headers = settings.get("policy.headers")?.value;
  const id = settings.get("policy.authserv_id")?.value;
  if (typeof id !== "string" || JSON.stringify(headers) !== '["authentication-results"]') return [];
  return found.flatMap(({ parts, trusts, trustsFrom }) =>
    parts.has("milter") || trusts === undefined || trusts.includes(id.toLowerCase())
      ? []
      : [
          `${trustsFrom}: OpenDMARC believes ${trusts.join(", ")}, and not our authserv_id: add "${id}" to TrustedAuthservIDs`,
        ],
  );
}

/** Moves default endpoints that an imported one has taken. @returns a sentence for each */
function freeEndpoints(settings: Map<Key, Setting>): string[] {
  const taken = new Set(LISTENER_KEYS.flatMap((key) => settings.get(key)?.value ?? []) as string[]);
  const notes: string[] = [];
  for (const key of LISTENER_KEYS) {
    const [endpoint = ""] = LISTENERS[key].default;
    if (settings.has(key)) continue;
    let free = endpoint;
    while (taken.has(free)) free = free.replace(/\d+$/, (port) => String(Number(port) + 1));
    taken.add(free);
    if (free === endpoint) continue;
    settings.set(key, { key, value: [free], from: `${endpoint} is taken` });
    notes.push(`${key}: "${endpoint}" is taken by what was imported, so it is "${free}"`);
  }
  return notes;
}

/** Checks each value by its kind, so that a problem names the origin of the value. */
function checkEach(settings: readonly Setting[], tables: Tables): void {
  const problems = settings.flatMap(({ key, value, from }) => {
    const parsed = PARAMETERS[key].kind.parse(value);
    return parsed.ok
      ? []
      : parsed.problems.map(
          ({ path, got, want }) => `${from}: got ${JSON.stringify(got)}, want ${want} (${key}${path})`,
        );
  });
  for (const [key, list] of Object.entries(tables)) {
    for (const { values, from } of list) {
      const parsed = PARAMETERS[key as TableKey].kind.parse([values]);
      if (!parsed.ok)
        problems.push(
          ...parsed.problems.map(
            ({ path, got, want }) => `${from}: got ${JSON.stringify(got)}, want ${want} (${key}${path})`,
          ),
        );
    }
  }
  if (problems.length > 0) throw new ImportError(problems.join("\n"));
}
