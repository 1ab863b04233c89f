/** Who listens on an endpoint, from /proc: as much as the kernel lets this user see. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Endpoint } from "./endpoint.ts";

/** State of a listening socket in /proc/net/tcp. */
const LISTEN = "0A";

/** The process that listens there, as `postsrsd, pid 812`; `undefined` when it cannot be seen. */
export function ownerOf(endpoint: Endpoint): string | undefined {
  try {
    if (endpoint.type === "fd") return undefined;
    const inodes = new Set(endpoint.type === "inet" ? inetInodes(endpoint.port) : unixInodes(endpoint.path));
    const pid = readdirSync("/proc").find((name) => /^\d+$/.test(name) && holds(name, inodes));
    return pid === undefined ? undefined : `${readFileSync(`/proc/${pid}/comm`, "utf8").trim()}, pid ${pid}`;
  } catch {
    return undefined;
  }
}

/** Of whatever address: `0.0.0.0` takes a port from all others. */
function inetInodes(port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return ["tcp", "tcp6"].flatMap((table) =>
    rows(table).flatMap((fields) => (fields[1]?.endsWith(suffix) && fields[3] === LISTEN ? [fields[9] ?? ""] : [])),
  );
}

function unixInodes(path: string): string[] {
  return rows("unix").flatMap((fields) => (fields[7] === path ? [fields[6] ?? ""] : []));
}

function rows(table: string): string[][] {
  const lines = readFileSync(`/proc/net/${table}`, "utf8").split("\n").slice(1);
  return lines.map((line) => line.trim().split(/\s+/));
}

/** False for processes of other users, unless we are root, and for those that end meanwhile. */
function holds(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode !== undefined && inodes.has(inode);
    });
  } catch {
    return false;
  }
}
