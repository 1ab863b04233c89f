/** Finds what two sequences have in common, in order: the ground for a diff and for a merge. */

/** Pairs of indices of equal items, both ascending: a longest common subsequence. */
export type Alignment = readonly (readonly [first: number, second: number])[];

/** Aligns two sequences of lines or keys. Takes time and memory of their product, without a common start and end. */
export function align(first: readonly string[], second: readonly string[]): Alignment {
  const shorter = Math.min(first.length, second.length);
  let start = 0;
  while (start < shorter && first[start] === second[start]) start += 1;
  let end = 0;
  while (end < shorter - start && first[first.length - 1 - end] === second[second.length - 1 - end]) end += 1;
  const pairs: [number, number][] = Array.from({ length: start }, (_, i) => [i, i]);
  const middle = alignMiddle(first.slice(start, first.length - end), second.slice(start, second.length - end));
  for (const [i, j] of middle) pairs.push([i + start, j + start]);
  for (let i = end; i > 0; i -= 1) pairs.push([first.length - i, second.length - i]);
  return pairs;
}

function alignMiddle(first: readonly string[], second: readonly string[]): [number, number][] {
  const width = second.length + 1;
  // Length of the longest common subsequence of what begins at each pair of indices.
  const lengths = new Uint32Array((first.length + 1) * width);
  const lengthAt = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = first.length - 1; i >= 0; i -= 1) {
    for (let j = second.length - 1; j >= 0; j -= 1) {
      const isEqual = first[i] === second[j];
      lengths[i * width + j] = isEqual ? lengthAt(i + 1, j + 1) + 1 : Math.max(lengthAt(i + 1, j), lengthAt(i, j + 1));
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < first.length && j < second.length; ) {
    if (first[i] === second[j]) pairs.push([i++, j++]);
    else if (lengthAt(i + 1, j) >= lengthAt(i, j + 1)) i += 1;
    else j += 1;
  }
  return pairs;
}
