/** Keeps a user of the history's directory from having another user, such as root, write where a link leads. */
import { lstatSync } from "node:fs";

/**
 * Refuses a symbolic link that belongs to neither root nor the user of this process. Links of an admin are followed.
 *
 * @throws {Error}
 */
export function refuseForeignLink(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.isSymbolicLink() !== true || there.uid === 0 || there.uid === process.geteuid?.()) return;
  throw new Error(`it is a symbolic link of another user (uid ${there.uid}), which is not followed`);
}
