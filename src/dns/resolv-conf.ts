/** The DNS servers of the host: resolv.conf(5), read and watched. */
import { readFile, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { DNS_PORT, type ServerAddress } from "./server-address.ts";

/** As the C library does (MAXNS in resolv.h): more servers only make the wait longer. */
const MAX_SERVERS = 3;
/** What is asked when resolv.conf names no server: resolv.conf(5). */
const LOCAL_SERVER: ServerAddress = { host: "127.0.0.1", port: DNS_PORT };
const WATCH_INTERVAL_MS = 2_000;

/** The servers that a resolv.conf(5) names, in order. Lines that cannot be read are passed over, as the C library does. */
export function parseResolvConf(text: string): ServerAddress[] {
  const servers: ServerAddress[] = [];
  for (const line of text.split("\n")) {
    const [, word] = /^nameserver[ \t]+(\S+)/.exec(line) ?? [];
    if (word !== undefined && isIP(word) !== 0) servers.push({ host: word, port: DNS_PORT });
  }
  return servers.slice(0, MAX_SERVERS);
}

/** The servers that the file at `path` names; the local one when it names none, or cannot be read. */
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
 * Looks at the file at `path` from time to time, and calls `onChange` with its servers at the first look and whenever its
 * text has changed. A watch on the file itself would be lost when the file, or a link on the way to it, is replaced.
 * A file that is gone, unreadable, or names no server (it may be half written) changes nothing. Does not keep the process alive.
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
