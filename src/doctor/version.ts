/** Compares versions of Postfix. */

function versionOf(text: string): number[] {
  return (/^\d+(?:\.\d+)*/.exec(text)?.[0] ?? "").split(".").map(Number);
}

/** Tells if a version is `wanted` or newer. */
export function isAtLeast(text: string, wanted: readonly number[]): boolean {
  const version = versionOf(text);
  for (const [index, number] of wanted.entries()) {
    const got = version[index] ?? 0;
    if (got !== number) return got > number;
  }
  return true;
}

/** Tells if a version is of the same release as `fixed` and not older; `3.9` stands for all from 3.9 on. */
export function hasFix(text: string, fixed: readonly number[]): boolean {
  if (fixed.length === 2) return isAtLeast(text, fixed);
  const [major, minor] = versionOf(text);
  return major === fixed[0] && minor === fixed[1] && isAtLeast(text, fixed);
}
