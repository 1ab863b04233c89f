/** Reads the limit on open files and sockets of this process. */
import { readFileSync } from "node:fs";

/** @returns the soft limit of getrlimit(2); `undefined` if there is none or the system does not show it */
export function descriptorLimit(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
