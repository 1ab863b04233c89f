/** Reads and watches resolv.conf(5), which names the DNS servers of the host. */
import { readFile, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { DNS_PORT, type ServerAddress } from "./server-address.ts";

/** Number of servers that are used, as in the C library (MAXNS in resolv.h). More would only make the wait longer. */
const MAX_SERVERS = 3;
/** The server to use when resolv.conf names none, as resolv.conf(5) says. */
const LOCAL_SERVER: ServerAddress = { host: "127.0.0.1", port: DNS_PORT };
const WATCH_INTERVAL_MS = 2_000;

/** The servers of a resolv.conf(5), in order. Lines that cannot be read are skipped, as in the C library. */
export function parseResolvConf(text: string): ServerAddress[] {
  const servers: ServerAddress[] = [];
  for (const line of text.split("\n")) {
    const [, word] = /^nameserver[ \t]+(\S+)/.exec(line) ?? [];
    if (word !== undefined && isIP(word) !== 0) servers.push({ host: word, port: DNS_PORT });
  }
  return servers.slice(0, MAX_SERVERS);
}

/** The servers of the file at `path`; the local one if the file names none or cannot be read. */
export function readResolvConf(path: string): ServerAddress[] {
  const servers = parseResolvConf(readText(path) ?? "");
  return servers.length > 0 ? servers : [LOCAL_SERVER];
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

/**
 * Reads the file at `path` at intervals. Calls `onChange` with its servers after the first reading and when its text
 * has changed. A watch on the file itself would be lost when the file, or a link on its path, is replaced. A file that
 * is missing or unreadable, or that names no server (it may be half written), changes nothing. The interval does not
 * keep the process alive.
 *
 * @returns ends the watch
 */
export function watchResolvConf(
  path: string,
  onChange: (servers: ServerAddress[]) => void,
  intervalMs = WATCH_INTERVAL_MS,
): () => void {
  let lastText: string | undefined;
  let isOver = false;
  const look = () =>
    readFile(path, "latin1", (error, text) => {
      if (isOver || error || text === lastText) return;
      lastText = text;
      const servers = parseResolvConf(text);
      if (servers.length > 0) onChange(servers);
    });
  const interval = setInterval(look, intervalMs);
  interval.unref();
  return () => {
    isOver = true;
    clearInterval(interval);
  };
}
