/** Tells what the user of our systemd unit may read. */
import type { Account, HostFacts } from "./facts.ts";

/** The user of the unit: an account, or one that systemd makes up, which has only the rights of everybody. */
function serviceUser(host: HostFacts): { readonly account: Account | undefined; readonly groups: readonly number[] } {
  const settings = host.unit ?? [];
  const name = settings.findLast(([key]) => key === "User")?.[1];
  const isDynamic = /^(?:yes|true|1|on)$/i.test(settings.findLast(([key]) => key === "DynamicUser")?.[1] ?? "");
  const account = name === undefined || isDynamic ? undefined : host.user(name);
  const supplementary = settings
    .filter(([key]) => key === "SupplementaryGroups")
    .flatMap(([, value]) => value.split(/\s+/))
    .flatMap((group) => host.groupId(group) ?? []);
  return { account, groups: [...(account === undefined ? [] : [account.gid, ...account.groups]), ...supplementary] };
}

/** What keeps the service's user from reading a file. */
interface Barrier {
  /** A directory on the way, or the file. */
  readonly step: string;
  readonly isDirectory: boolean;
  /** As `0640`. */
  readonly mode: string;
  /** The user, for a sentence. */
  readonly who: string;
  /** Its name; `undefined` if systemd makes it up. */
  readonly user: string | undefined;
}

/** The first directory on the way, or the file itself, that the service's user may not pass or read. */
export function barrierFor(path: string, host: HostFacts): Barrier | undefined {
  // systemd makes this directory, and its files belong to the service.
  if (path.startsWith("/var/lib/postvouch/") || path.startsWith("/var/lib/private/")) return undefined;
  const isRootService = (host.unit ?? []).every(([name]) => name !== "User" && name !== "DynamicUser");
  if (isRootService) return undefined;
  const { account, groups } = serviceUser(host);
  for (const step of stepsTo(path)) {
    const found = host.file(step);
    if (found === undefined) return undefined;
    const isAllowed = mayUse(found, found.isDirectory ? 0o1 : 0o4, account?.uid, groups);
    if (isAllowed) continue;
    return {
      step,
      isDirectory: found.isDirectory,
      mode: modeText(found.mode),
      who: account === undefined ? "the service's user (DynamicUser)" : `the service's user ${account.name}`,
      user: account?.name,
    };
  }
  return undefined;
}

/** The directories on the way to a file, and the file itself. */
export function stepsTo(path: string): string[] {
  const parts = path.split("/").slice(1);
  return parts.map((_part, index) => `/${parts.slice(0, index + 1).join("/")}`);
}

/** Tells if a user with these groups has a permission (4 read, 2 write, 1 pass), as the kernel finds it. */
export function mayUse(
  file: { readonly mode: number; readonly uid: number; readonly gid: number },
  wanted: 0o1 | 0o2 | 0o4,
  uid: number | undefined,
  groups: readonly number[],
): boolean {
  const shift = file.uid === uid ? 6 : groups.includes(file.gid) ? 3 : 0;
  return ((file.mode >> shift) & wanted) !== 0;
}

/** Permission bits as chmod(1) has them: `0640`. */
export function modeText(mode: number): string {
  return `0${(mode & 0o777).toString(8)}`;
}
