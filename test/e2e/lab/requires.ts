/** Skips tests of the lab if a program is missing. */
import { requirePrograms, skipReason } from "../../helpers/requires.ts";
import { runOrLeave } from "./command.ts";

/** What every lab is made of. */
const PROGRAMS = ["ip", "unbound", "postfix", "policyd-spf"];

/** Options of a suite that works in a lab: past this, something that should come does not come at all. */
export const LAB_TEST = { timeout: 60_000 } as const;

/**
 * Why the lab, with these further programs, cannot run here, or `undefined` when it can.
 *
 * @throws {Error} when it cannot and `CI=true`
 */
export function requireLab(...programs: readonly string[]): string | undefined {
  const missing = requirePrograms(...PROGRAMS, ...programs);
  if (missing !== undefined || canMakeNamespaces()) return missing;
  return skipReason("want root and the right to make network namespaces");
}

function canMakeNamespaces(): boolean {
  const probe = `postvouch-lab${process.pid}.probe`;
  if (process.getuid?.() !== 0) return false;
  runOrLeave(["ip", "netns", "add", probe]);
  const made = runOrLeave(["ip", "netns", "exec", probe, "echo", "made"]) !== "";
  runOrLeave(["ip", "netns", "delete", probe]);
  return made;
}
