/** Asks a Postfix for the facts that the planning needs. */
import { askPostconf } from "../../postfix/postconf.ts";
import { askPostmap, listTable, lookUp } from "../../postfix/postmap.ts";
import { entriesOf } from "../entries.ts";
import { milterAddressOf } from "../milter-place.ts";
import { type PostfixFacts, READ_PARAMETERS, type Service } from "../postfix-facts.ts";
import { findContentFilters } from "./content-filters.ts";
import { findFilters, type Traces } from "./filters.ts";
import { isListening, STRANGER } from "./probe.ts";
import { findPastRoutes, findReceived, type Tables } from "./routes.ts";
import type { WorkingCopy } from "./working-copy.ts";

/** Longest wait for a table, in milliseconds. postmap waits nine seconds for a tcp_table(5) where nobody listens. */
const TABLE_MS = 3_000;

const SRS_ADDRESS = /^"?srs0[-+=].*@([^@]+)$/i;

/**
 * Reads the facts of a copy of Postfix's files.
 *
 * @param domains the SRS domains
 * @param traces where those of other milters are
 * @throws {Failure} when Postfix cannot read the files
 */
export async function readFacts(copy: WorkingCopy, domains: readonly string[], traces: Traces): Promise<PostfixFacts> {
  // The first that fails, if main.cf cannot be read.
  const setLines = await copy.postconf("-n");
  const command = { configDir: copy.path };
  const place = ["-o", `config_directory=${copy.configDir}`];
  const [written, expanded, services, mapTypes, expandedLines] = await Promise.all([
    askPostconf(READ_PARAMETERS, [], command),
    askPostconf(READ_PARAMETERS, ["-x", ...place], command),
    readServices(copy),
    copy.postconf("-m"),
    copy.postconf("-nx", ...place),
  ]);
  const tableCommand = { configDir: copy.configDir, timeoutMs: TABLE_MS };
  const tables: Tables = {
    lookUp: (table, key) => lookUp(table, key, tableCommand).catch(() => undefined),
    askAll: askPostmap(tableCommand),
    list: (table) => listTable(table, tableCommand),
  };
  const srsMaps = await findSrsMaps(entriesOf(expanded.get("sender_canonical_maps") ?? ""), tables.lookUp);
  return {
    configDir: copy.configDir,
    written,
    expanded,
    settings: settingsIn(setLines),
    mapTypes: new Set(mapTypes.split("\n")),
    services,
    contentFilters: findContentFilters([settingsIn(expandedLines), ...services.map((service) => service.expanded)]),
    filters: findFilters(milterAddresses(expanded, services), expanded.get("queue_directory") ?? "", traces),
    srsMaps,
    routed: await findReceived(expanded, [...domains, ...srsMaps.values()], tables),
    ...(await findPastRoutes(expanded, tables)),
  };
}

function settingsIn(listing: string): Map<string, string> {
  return new Map([...listing.matchAll(/^(\S+) = ?(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]));
}

/** The addresses of all milters that Postfix asks. */
function milterAddresses(expanded: PostfixFacts["expanded"], services: readonly Service[]): string[] {
  const lists = [expanded.get("smtpd_milters"), expanded.get("non_smtpd_milters")];
  const overrides = services.map((service) => service.expanded.get("smtpd_milters"));
  const entries = [...lists, ...overrides].flatMap((list) => entriesOf(list ?? ""));
  return [...new Set(entries.map(milterAddressOf))];
}

async function readServices(copy: WorkingCopy): Promise<Service[]> {
  const [levelText, writtenText, expandedText, serviceText] = await Promise.all([
    copy.postconf("-xh", "compatibility_level"),
    copy.postconf("-P", "*/*/*"),
    copy.postconf("-Px", "*/*/*"),
    copy.postconf("-M"),
  ]);
  const level = Number.parseInt(levelText, 10);
  const [written, expanded] = [optionsIn(writtenText), optionsIn(expandedText)];
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
      overrides: written.get(id) ?? new Map<string, string>(),
      expanded: expanded.get(id) ?? new Map<string, string>(),
      command: command.join(" "),
    };
  });
}

/** The options of each service in the output of `postconf -P`. */
function optionsIn(listing: string): Map<string, Map<string, string>> {
  const options = new Map<string, Map<string, string>>();
  for (const line of listing.split("\n")) {
    const [, id, name, value] = /^(\S+\/\w[\w-]*)\/(\S+) = ?(.*)$/.exec(line) ?? [];
    if (id === undefined || name === undefined) continue;
    options.set(id, (options.get(id) ?? new Map<string, string>()).set(name, value ?? ""));
  }
  return options;
}

/** Asks each map of another program for a foreign sender. */
async function findSrsMaps(entries: readonly string[], ask: Tables["lookUp"]): Promise<Map<string, string>> {
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
