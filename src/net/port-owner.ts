/** Finds the process that listens on an endpoint, in /proc, as far as the kernel shows it to this user. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import type { Endpoint } from "./endpoint.ts";

/** The state of a listening socket in /proc/net/tcp. */
const LISTEN = "0A";

/** The process that listens there, such as `postsrsd, pid 812`; `undefined` if it cannot be seen. */
export function ownerOf(endpoint: Endpoint): string | undefined {
  try {
    if (endpoint.type === "fd") return undefined;
    const inodes = new Set(endpoint.type === "inet" ? inetInodes(endpoint.port) : unixInodes(endpoint.path));
    const pid = readdirSync("/proc").find((name) => /^\d+$/.test(name) && holds(name, inodes));
    return pid === undefined ? undefined : `${programOf(pid)}, pid ${pid}`;
  } catch {
    return undefined;
  }
}

/** The program by its name, or by what it runs if it is a Node.js, whose processes are all named MainThread. */
function programOf(pid: string): string {
  const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  if (name !== "MainThread") return name;
  const [program = "", ...args] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  return [basename(program), args.find((arg) => !arg.startsWith("-")) ?? ""].join(" ").trim();
}

/** Inodes of the sockets that listen on a port, at any address: one at `0.0.0.0` takes the port from all others. */
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

/** Tells if a process has one of the sockets. False if it has another user (unless we are root), or ends meanwhile. */
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
