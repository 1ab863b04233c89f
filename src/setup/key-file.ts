/** Bounds of a file with a private key. */

export const MAX_KEY_FILE_BYTES = 65_536;

/** Permission bits of others: with one of them set, every user of the machine can sign as the domain. */
const OTHERS = 0o006;

/** @param mode permission bits */
export function isOpenToAll(mode: number): boolean {
  return (mode & OTHERS) !== 0;
}
