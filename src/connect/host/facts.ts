/** Asks a Postfix for the facts that the planning needs. */
import { readFileSync } from "node:fs";
import { parseMatchLine, parseMatchList } from "../../postfix/match-list.ts";
import { askPostconf } from "../../postfix/postconf.ts";
import { lookUp } from "../../postfix/postmap.ts";
import { entriesOf } from "../entries.ts";
import { type PostfixFacts, READ_PARAMETERS, type Service } from "../postfix-facts.ts";
import { isListening, STRANGER } from "./probe.ts";
import type { WorkingCopy } from "./working-copy.ts";

/** The lists of domains that Postfix accepts mail for. */
const CLASSES = ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"] as const;

/** Longest wait for a table, in milliseconds. postmap waits nine seconds for a tcp_table(5) where nobody listens. */
const TABLE_MS = 3_000;

const SRS_ADDRESS = /^"?srs0[-+=].*@([^@]+)$/i;

/**
 * Reads the facts of a copy of Postfix's files.
 *
 * @param domains the SRS domains
 * @throws {Failure} when Postfix cannot read the files
 */
export async function readFacts(copy: WorkingCopy, domains: readonly string[]): Promise<PostfixFacts> {
  // The first that fails, if main.cf cannot be read.
  const setLines = await copy.postconf("-n");
  const command = { configDir: copy.path };
  const place = ["-o", `config_directory=${copy.configDir}`];
  const [written, expanded, services, mapTypes] = await Promise.all([
    askPostconf(READ_PARAMETERS, [], command),
    askPostconf(READ_PARAMETERS, ["-x", ...place], command),
    readServices(copy),
    copy.postconf("-m"),
  ]);
  const ask = (table: string, key: string): Promise<string | undefined> =>
    lookUp(table, key, { configDir: copy.configDir, timeoutMs: TABLE_MS }).catch(() => undefined);
  const srsMaps = await findSrsMaps(entriesOf(expanded.get("sender_canonical_maps") ?? ""), ask);
  return {
    configDir: copy.configDir,
    written,
    expanded,
    settings: new Map([...setLines.matchAll(/^(\S+) = ?(.*)$/gm)].map(([, name = "", value = ""]) => [name, value])),
    mapTypes: new Set(mapTypes.split("\n")),
    services,
    srsMaps,
    routed: await findRouted(expanded, [...domains, ...srsMaps.values()], ask),
    catchAlls: await findCatchAlls(entriesOf(expanded.get("transport_maps") ?? ""), ask),
  };
}

type Ask = (table: string, key: string) => Promise<string | undefined>;

async function readServices(copy: WorkingCopy): Promise<Service[]> {
  const [levelText, overrideText, serviceText] = await Promise.all([
    copy.postconf("-xh", "compatibility_level"),
    copy.postconf("-P", "*/*/*"),
    copy.postconf("-M"),
  ]);
  const level = Number.parseInt(levelText, 10);
  const overrides = new Map<string, Map<string, string>>();
  for (const line of overrideText.split("\n")) {
    const [, id, name, value] = /^(\S+\/\w[\w-]*)\/(\S+) = ?(.*)$/.exec(line) ?? [];
    if (id === undefined || name === undefined) continue;
    overrides.set(id, (overrides.get(id) ?? new Map<string, string>()).set(name, value ?? ""));
  }
  const services = serviceText.split("\n").filter(Boolean);
  return services.map((line) => {
    const [name = "", type = "", , , chroot, , , ...command] = line.split(/\s+/);
    const id = `${name}/${type}`;
    return {
      id,
      port: type === "inet" ? name.slice(name.lastIndexOf(":") + 1) : undefined,
      program: command[0] ?? "",
      // Without the word, Postfix before compatibility_level 1 took a chroot.
      isChrooted: chroot === "y" || (chroot === "-" && level < 1),
      overrides: overrides.get(id) ?? new Map<string, string>(),
      command: command.join(" "),
    };
  });
}

/** Asks each map of another program for a foreign sender. */
async function findSrsMaps(entries: readonly string[], ask: Ask): Promise<Map<string, string>> {
  const maps = entries
    .map((entry) => entry.replace(/^(?:proxy:)+/, ""))
    .filter((map) => /^(?:tcp|socketmap):/.test(map));
  const answers = await Promise.all(
    maps.map(async (map) => [map, (await isSilent(map)) ? undefined : await ask(map, STRANGER)] as const),
  );
  return new Map(
    answers.flatMap(([map, answer]) => {
      const domain = SRS_ADDRESS.exec(answer ?? "")?.[1]?.toLowerCase();
      return domain === undefined ? [] : [[map, domain] as const];
    }),
  );
}

/** Tells if nobody listens at a map on TCP. postmap would try again for nine seconds. */
async function isSilent(map: string): Promise<boolean> {
  const [, host = "", port = ""] = /^(?:tcp|socketmap:inet):\[?([^\]]*?)\]?:(\d+)/.exec(map) ?? [];
  return port !== "" && !(await isListening(host, Number(port)));
}

async function findRouted(
  expanded: PostfixFacts["expanded"],
  domains: readonly string[],
  ask: Ask,
): Promise<Set<string>> {
  const routed = new Set<string>();
  for (const domain of domains) {
    for (const name of CLASSES) {
      if (await hasDomain(expanded.get(name) ?? "", domain, name === "relay_domains", ask)) routed.add(domain);
    }
  }
  return routed;
}

/** Tells if a list of main.cf has a domain: by name, in a file, or in a table. The first item that matches decides. */
async function hasDomain(value: string, domain: string, isParentList: boolean, ask: Ask): Promise<boolean> {
  const names = isParentList ? withParents(domain) : [domain];
  for (const { kind, text, negated } of parseMatchList(value)) {
    if (kind === "name" && names.includes(text.toLowerCase())) return !negated;
    if (kind === "file" && fileHas(text, names)) return !negated;
    if (kind === "table" && (await ask(text, domain)) !== undefined) return !negated;
  }
  return false;
}

/** `srs.example.org`, `example.org` and `.example.org` … */
function withParents(domain: string): string[] {
  const labels = domain.split(".");
  const parents = labels.slice(1).map((_, index) => labels.slice(index + 1).join("."));
  return [domain, ...parents.flatMap((parent) => [parent, `.${parent}`])];
}

function fileHas(path: string, names: readonly string[]): boolean {
  try {
    const lines = readFileSync(path, "latin1").split("\n");
    return lines.flatMap(parseMatchLine).some(({ text }) => names.includes(text.toLowerCase()));
  } catch {
    return false;
  }
}

/** Entries with "*". A table of patterns has no "*": it is asked for an address. */
async function findCatchAlls(entries: readonly string[], ask: Ask): Promise<string[]> {
  const answers = await Promise.all(
    entries.map(async (entry) => (await ask(entry, "*")) ?? (await ask(entry, STRANGER))),
  );
  return entries.filter((_, index) => answers[index] !== undefined);
}
