/** Finds the milters in main.cf and master.cf whose work ours does: by the process, by their files, by their usual places. */
import { join } from "node:path";
import type { Endpoint } from "../../net/endpoint.ts";
import { ownerOf } from "../../net/port-owner.ts";
import { readText } from "../../process/regular-file.ts";
import {
  type Filter,
  type FilterProgram,
  optionsIn,
  placeOfSocket,
  placesOf,
  programNamed,
  socketsIn,
  usualProgram,
} from "../milter-place.ts";

/** Where the traces of other milters are. */
export interface Traces {
  /** The directory of configuration files, usually /etc. */
  readonly etc: string;
  /** The process that listens on an endpoint, such as `opendkim, pid 812`. */
  readonly ownerOf: (endpoint: Endpoint) => string | undefined;
}

/** Those of this host. */
export const OF_THIS_HOST: Traces = { etc: "/etc", ownerOf };

/** The files of each program, below /etc, as packages of Debian and Red Hat have them. */
const FILES: Readonly<
  Record<FilterProgram, { readonly options: readonly string[]; readonly defaults: readonly string[] }>
> = {
  OpenDKIM: { options: ["opendkim.conf", "opendkim/opendkim.conf"], defaults: ["default/opendkim"] },
  OpenDMARC: { options: ["opendmarc.conf", "opendmarc/opendmarc.conf"], defaults: ["default/opendmarc"] },
  OpenARC: { options: ["openarc.conf", "openarc/openarc.conf"], defaults: ["default/openarc"] },
};

interface Known extends Filter {
  readonly places: readonly string[];
}

/**
 * Tells which program is behind each address.
 *
 * @param addresses as main.cf has them, without settings
 * @returns those of OpenDKIM, OpenDMARC and OpenARC
 */
export function findFilters(
  addresses: readonly string[],
  queueDirectory: string,
  traces: Traces,
): ReadonlyMap<string, Filter> {
  const known = (Object.keys(FILES) as FilterProgram[]).map((program) => readFiles(program, traces.etc));
  const found = new Map<string, Filter>();
  for (const address of addresses) {
    const places = placesOf(address, queueDirectory);
    const program = running(places, traces) ?? configured(places, known) ?? usualProgram(places);
    const filter = known.find((one) => one.program === program);
    if (filter !== undefined) found.set(address, { program: filter.program, options: filter.options });
  }
  return found;
}

/** The program that listens there now. Another one than these is `other`, whatever a file says. */
function running(places: readonly string[], traces: Traces): FilterProgram | "other" | undefined {
  for (const place of places) {
    const [, port] = /^port (\d+)$/.exec(place) ?? [];
    const isPath = place.startsWith("/");
    if (port === undefined && !isPath) continue;
    const owner = traces.ownerOf(
      isPath ? { type: "unix", path: place } : { type: "inet", host: "127.0.0.1", port: Number(port) },
    );
    if (owner !== undefined) return programNamed(owner.replace(/,.*/, "")) ?? "other";
  }
  return undefined;
}

function configured(places: readonly string[], known: readonly Known[]): FilterProgram | undefined {
  return known.find((filter) => filter.places.some((place) => places.includes(place)))?.program;
}

function readFiles(program: FilterProgram, etc: string): Known {
  const texts = (names: readonly string[]): string[] => names.flatMap((name) => readText(join(etc, name)) ?? []);
  const { options: optionFiles, defaults } = FILES[program];
  const [text] = texts(optionFiles);
  const options = text === undefined ? undefined : optionsIn(text);
  const sockets = [...(options?.get("socket") ?? "").split(",", 1), ...texts(defaults).flatMap(socketsIn)];
  return { program, options, places: sockets.flatMap((socket) => placeOfSocket(socket.trim()) ?? []) };
}
