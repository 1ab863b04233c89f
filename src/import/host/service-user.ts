/** Tells which files the service will be able to read. */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { unitTexts } from "./secrets.ts";

/** The user that the service runs as. */
export interface ServiceUser {
  /** `undefined` for one that systemd makes at each start: no file can belong to it. */
  readonly uid: number | undefined;
  readonly gids: ReadonlySet<number>;
}

/** Directories that the unit hides from the service: ProtectHome= and PrivateTmp=. */
const HIDDEN = /^\/(?:home|root|run\/user|tmp|var\/tmp)\//;

/**
 * The user, by the owner of its state and by the unit.
 *
 * @param stateDir the directory of its state, which may not be there yet
 * @param systemdDir the directory of the admin's units
 */
export function serviceUser(stateDir = "/var/lib/postvouch", systemdDir = "/etc/systemd/system"): ServiceUser {
  const state = statSync(stateDir, { throwIfNoEntry: false });
  const owner = state === undefined || state.uid === 0 ? undefined : state;
  const groups = linesOf("/etc/group");
  const name = linesOf("/etc/passwd").find(([, , uid]) => uid === String(owner?.uid))?.[0];
  const supplementary = unitTexts(systemdDir).flatMap((text) =>
    [...text.matchAll(/^[ \t]*SupplementaryGroups=(.*)$/gm)].flatMap((match) => (match[1] ?? "").trim().split(/\s+/)),
  );
  const gids = groups
    .filter(([group = "", , gid = "", members = ""]) => {
      const isMember = name !== undefined && members.split(",").includes(name);
      return isMember || supplementary.includes(group) || supplementary.includes(gid);
    })
    .map(([, , gid]) => Number(gid));
  return { uid: owner?.uid, gids: new Set(owner === undefined ? gids : [owner.gid, ...gids]) };
}

function linesOf(path: string): string[][] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .map((line) => line.split(":"));
  } catch {
    return [];
  }
}

/** Tells if a user may read a file, by the permissions of the file and of all directories above it. */
export function canRead(user: ServiceUser, path: string): boolean {
  let real: string;
  try {
    real = realpathSync(path);
    if (HIDDEN.test(real) || !allows(user, real, 4)) return false;
    for (let above = dirname(real); ; above = dirname(above)) {
      if (!allows(user, above, 1)) return false;
      if (above === dirname(above)) return true;
    }
  } catch {
    return false;
  }
}

/** @param bit as in chmod(1): 4 to read, 1 to pass through */
function allows({ uid, gids }: ServiceUser, path: string, bit: 1 | 4): boolean {
  const { mode, uid: owner, gid } = statSync(path);
  if (uid !== undefined && owner === uid) return (mode & (bit << 6)) !== 0;
  return (mode & (gids.has(gid) ? bit << 3 : bit)) !== 0;
}
