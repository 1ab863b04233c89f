/**
 * Where milters listen, in the notation of main.cf and of the milters' own files, and which program it is.
 *
 *     main.cf      inet:host:port   unix:path   { inet:host:port, name=value, ... }
 *     Socket       inet:port@host   local:/path
 */
import { splitItems } from "../postfix/match-list.ts";

/** The programs whose work our milter does. */
export type FilterProgram = "OpenDKIM" | "OpenDMARC" | "OpenARC";

/** One of them, as far as it can be told. */
export interface Filter {
  readonly program: FilterProgram;
  /** Its options by their names in lower case; `undefined` if its file was not found. */
  readonly options: ReadonlyMap<string, string> | undefined;
}

/** The address of an entry of a list of milters, without settings: `inet:127.0.0.1:8891`. */
export function milterAddressOf(entry: string): string {
  const [address = ""] = entry.startsWith("{") ? splitItems(entry.replace(/^\{|\}$/g, "")) : [entry];
  return address;
}

/** An entry without blanks, for master.cf: an option there is one word. */
export function asOneWord(entry: string): string {
  return entry.replace(/\s+/g, "");
}

/** A place that can be compared: `port 8891` of this host, `host:port` of another, or the path of a socket. */
type Place = string;

const LOOPBACK = /^(?:|localhost|127\.[\d.]+|::1|0\.0\.0\.0|::|\*)$/i;

function placeOf(host: string, port: string): Place {
  return LOOPBACK.test(host) ? `port ${port}` : `${host.toLowerCase()}:${port}`;
}

/**
 * The places that an address of main.cf may mean. A path counts from the queue directory, in a chroot also one that
 * begins with "/".
 */
export function placesOf(address: string, queueDirectory: string): readonly Place[] {
  const [, v6, host = "", port] = /^inet:(?:\[([^\]]*)\]|([^:]*)):(\w+)$/i.exec(address) ?? [];
  if (port !== undefined) return [placeOf(v6 ?? host, port)];
  const [, path] = /^(?:unix|local):(.+)$/i.exec(address) ?? [];
  if (path === undefined) return [];
  return path.startsWith("/") ? [path, queueDirectory + path] : [`${queueDirectory}/${path}`];
}

/** The place of a Socket option; `undefined` if it is none. */
export function placeOfSocket(socket: string): Place | undefined {
  const [, port, host = ""] = /^inet6?:(\w+)(?:@\[?([^\]]*)\]?)?$/i.exec(socket) ?? [];
  if (port !== undefined) return placeOf(host, port);
  return /^(?:(?:unix|local):)?(\/.+)$/i.exec(socket)?.[1];
}

/** Ports of these programs in how-tos. */
const USUAL_PORTS: Readonly<Record<string, FilterProgram>> = {
  "port 8891": "OpenDKIM",
  "port 12301": "OpenDKIM",
  "port 8893": "OpenDMARC",
  "port 54321": "OpenDMARC",
};

const PROGRAMS = ["OpenDKIM", "OpenDMARC", "OpenARC"] as const satisfies readonly FilterProgram[];

/** The program of a name, as that of a process or a directory: `opendkim`. */
export function programNamed(name: string): FilterProgram | undefined {
  return PROGRAMS.find((program) => program.toLowerCase() === name);
}

/** The program that usually listens there: by its port, or its name in the path. */
export function usualProgram(places: readonly Place[]): FilterProgram | undefined {
  for (const place of places) {
    const named = PROGRAMS.find((program) => place.startsWith("/") && place.includes(program.toLowerCase()));
    const found = named ?? USUAL_PORTS[place];
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Reads a configuration file of these programs: a name and a value on each line. */
export function optionsIn(text: string): ReadonlyMap<string, string> {
  const lines = [...text.matchAll(/^[ \t]*([A-Za-z][\w-]*)[ \t]+(\S.*?)[ \t]*$/gm)];
  return new Map(lines.map(([, name = "", value = ""]) => [name.toLowerCase(), value.replace(/^(["'])(.*)\1$/, "$2")]));
}

/** The sockets in a file of shell variables that Debian's service files read: `SOCKET=local:$RUNDIR/opendkim.sock`. */
export function socketsIn(defaults: string): readonly string[] {
  const variables = new Map<string, string>();
  const sockets: string[] = [];
  for (const [, name = "", , quoted] of defaults.matchAll(/^[ \t]*([A-Za-z_]\w*)=(["']?)([^"'\n]*)\2[ \t]*$/gm)) {
    const value = (quoted ?? "").replace(/\$\{?(\w+)\}?/g, (_, variable: string) => variables.get(variable) ?? "");
    variables.set(name, value);
    if (name === "SOCKET") sockets.push(value);
  }
  return sockets.slice(-1);
}

/** Tells if it is an OpenDKIM that signs, as its file says: it has a key, and its mode is not to verify only. */
export function signs({ program, options }: Filter): boolean | undefined {
  if (options === undefined || program !== "OpenDKIM") return undefined;
  return (options.has("keytable") || options.has("keyfile")) && /s/i.test(options.get("mode") ?? "sv");
}
