/**
 * Finds the name that was meant by a mistyped word: one letter added, dropped, changed or swapped, or two in a word of
 * six or more.
 *
 * @returns `undefined` without a good guess
 */
export function nearest(word: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let fewest = Math.min(2, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    // Lengths that differ by more need more edits, and a word may be as long as a file.
    if (Math.abs(word.length - name.length) >= fewest) continue;
    const edits = countEdits(word, name);
    if (edits < fewest) [best, fewest] = [name, edits];
  }
  return best;
}

/** Counts the letters added, dropped, changed or swapped between `a` and `b` (optimal string alignment). */
function countEdits(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let edits = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        edits = Math.min(edits, at(beforeLast, j - 2) + 1);
      row.push(edits);
    }
    [beforeLast, last] = [last, row];
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
