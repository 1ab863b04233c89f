/** Reads which sockets systemd has passed to this process (sd_listen_fds(3)). */

/** The first passed descriptor. */
const FIRST_DESCRIPTOR = 3;

export interface ActivationEnvironment {
  readonly LISTEN_PID?: string | undefined;
  readonly LISTEN_FDS?: string | undefined;
  readonly LISTEN_FDNAMES?: string | undefined;
}

/**
 * Descriptors by FileDescriptorName=, whose default is the name of the .socket unit.
 *
 * @param pid the id of this process. Sockets for another process are ignored.
 */
export function inheritedSockets(
  { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES }: ActivationEnvironment,
  pid: number,
): ReadonlyMap<string, readonly number[]> {
  const sockets = new Map<string, number[]>();
  if (LISTEN_PID !== String(pid) || !/^\d{1,4}$/.test(LISTEN_FDS ?? "")) return sockets;
  const names = (LISTEN_FDNAMES ?? "").split(":");
  for (let index = 0; index < Number(LISTEN_FDS); index++) {
    const name = names[index] || "unknown";
    sockets.set(name, [...(sockets.get(name) ?? []), FIRST_DESCRIPTOR + index]);
  }
  return sockets;
}
