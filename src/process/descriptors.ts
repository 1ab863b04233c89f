/** The bound on open files and sockets that the system sets for this process. */
import { readFileSync } from "node:fs";

/** @returns the soft limit of getrlimit(2), or `undefined` where it is unlimited or the system does not tell */
export function descriptorLimit(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
