import { readFileSync, unwatchFile, watchFile } from "node:fs";
import { isIP } from "node:net";

/** Where a DNS server listens. `host` is an IP address, an IPv6 one with its zone where it has one. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

const DNS_PORT = 53;
/** As the C library does (MAXNS in resolv.h): more servers only make the wait longer. */
const MAX_SERVERS = 3;
/** What is asked when resolv.conf names no server: resolv.conf(5). */
const LOCAL_SERVER: ServerAddress = { host: "127.0.0.1", port: DNS_PORT };
const WATCH_INTERVAL_MS = 2_000;

/** Reads `192.0.2.1`, `192.0.2.1:5353`, `::1`, `[::1]` or `[::1]:5353`; `undefined` for anything else. */
export function parseServer(text: string): ServerAddress | undefined {
  if (isIP(text) !== 0) return { host: text, port: DNS_PORT };
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = digits === undefined ? DNS_PORT : Number(digits);
  const isAddress = isIP(host) === (bracketed === undefined ? 4 : 6);
  return isAddress && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** As a person writes it: `192.0.2.1:53`, `[::1]:53`. */
export function formatServer({ host, port }: ServerAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The servers of a resolv.conf(5), in order. Lines that cannot be read are passed over, as the C library does. */
export function parseResolvConf(text: string): ServerAddress[] {
  const servers: ServerAddress[] = [];
  for (const line of text.split("\n")) {
    const [, word] = /^nameserver[ \t]+(\S+)/.exec(line) ?? [];
    if (word !== undefined && isIP(word) !== 0) servers.push({ host: word, port: DNS_PORT });
  }
  return servers.length > 0 ? servers.slice(0, MAX_SERVERS) : [LOCAL_SERVER];
}

/** The servers that the file at `path` names; the local one when there is no such file, `undefined` when it is unreadable. */
export function readResolvConf(path: string): ServerAddress[] | undefined {
  try {
    return parseResolvConf(readFileSync(path, "latin1"));
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT" ? [LOCAL_SERVER] : undefined;
  }
}

/**
 * Calls `onChange` with the servers whenever the file at `path` is written, replaced, or pointed elsewhere by a symbolic
 * link. It is looked at from time to time: a watch on the file would be lost when the file is replaced. A file that is
 * gone or unreadable changes nothing. Does not keep the process alive.
 *
 * @returns ends the watch
 */
export function watchResolvConf(
  path: string,
  onChange: (servers: ServerAddress[]) => void,
  intervalMs = WATCH_INTERVAL_MS,
): () => void {
  const look = (current: { readonly mtimeMs: number }) => {
    const servers = current.mtimeMs === 0 ? undefined : readResolvConf(path);
    if (servers !== undefined) onChange(servers);
  };
  watchFile(path, { persistent: false, interval: intervalMs }, look);
  return () => unwatchFile(path, look);
}
