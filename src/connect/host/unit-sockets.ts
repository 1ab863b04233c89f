/** Finds the sockets that systemd hands over under a name: `fd:maps` is FileDescriptorName=maps of a .socket unit. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Endpoint, parseEndpoint } from "../../net/endpoint.ts";

/** Where systemd.unit(5) looks, the first one first. */
const DIRECTORIES = [
  "/etc/systemd/system",
  "/run/systemd/system",
  "/usr/local/lib/systemd/system",
  "/lib/systemd/system",
];

/** The sockets of our units by name. */
export function unitSockets(directories: readonly string[] = DIRECTORIES): ReadonlyMap<string, Endpoint> {
  const sockets = new Map<string, Endpoint>();
  for (const path of directories.flatMap(unitsIn)) {
    const unit = read(path);
    const name = /^FileDescriptorName=(.+)$/m.exec(unit)?.[1];
    const stream = /^ListenStream=(.+)$/m.exec(unit)?.[1] ?? "";
    const endpoint = parseEndpoint(stream.startsWith("/") ? `unix:${stream}` : stream);
    if (name !== undefined && endpoint !== undefined && !sockets.has(name)) sockets.set(name, endpoint);
  }
  return sockets;
}

function unitsIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^postvouch.*\.socket$/.test(name))
      .map((name) => join(directory, name));
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
