/** Tells when the terminal of this process goes away. */
import { closeSync, constants, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Time in milliseconds after a hang-up within which the kernel takes the terminal from all processes. */
const HANG_UP_MS = 100;

/**
 * Remembers if the output of this process goes to a terminal: a shell's window, an SSH session, script(1).
 *
 * @returns asks, after a SIGHUP, whether that terminal is gone (termio(7): a hang-up sends the signal to the foreground
 *   processes). Always false for a process without one: a service, or one under nohup(1), whose output is a file.
 */
export function watchTerminal(): () => Promise<boolean> {
  const hasTerminal = (process.stdout.isTTY || process.stderr.isTTY) && canOpenTerminal();
  return async () => {
    if (!hasTerminal) return false;
    if (!canOpenTerminal()) return true;
    await sleep(HANG_UP_MS);
    return !canOpenTerminal();
  };
}

function canOpenTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK));
    return true;
  } catch {
    return false;
  }
}
