/** Counts work instead of time, so that its growth can be tested on any machine. */

const COUNTED = ["charCodeAt", "endsWith", "includes", "indexOf", "slice", "split", "startsWith", "trim"] as const;

/**
 * The characters that methods of strings look at while `run` goes on. What counts is what `indexOf` passes over, a whole
 * string when it is looked at for the first time (V8 copies the parts of a concatenated string together then), and what
 * is joined.
 */
export function charactersLookedAt(run: () => void): number {
  const prototype = String.prototype as unknown as Record<string, (...values: unknown[]) => unknown>;
  const originals = COUNTED.map((name) => [name, prototype[name]] as const);
  let count = 0;
  const seen = new Set<string>();
  for (const [name, original] of originals) {
    if (original === undefined) continue;
    prototype[name] = function (this: string, ...values: unknown[]): unknown {
      const text = String(this);
      if (!seen.has(text)) count += text.length;
      seen.add(text);
      const result = Reflect.apply(original, text, values);
      if (name === "indexOf") count += (result === -1 ? text.length : Number(result)) - Number(values[1] ?? 0);
      return result;
    };
  }
  const { join } = Array.prototype;
  Array.prototype.join = function (separator?: string): string {
    const joined = join.call(this, separator);
    count += joined.length;
    return joined;
  };
  try {
    run();
  } finally {
    Array.prototype.join = join;
    for (const [name, original] of originals) if (original !== undefined) prototype[name] = original;
  }
  return count;
}

/** The elements that `includes` of arrays looks at while `run` goes on. */
export function elementsLookedAt(run: () => void): number {
  const prototype = Array.prototype as { includes: (this: unknown[], wanted: unknown) => boolean };
  const { includes } = prototype;
  let count = 0;
  prototype.includes = function (wanted: unknown): boolean {
    const at = this.indexOf(wanted);
    count += at === -1 ? this.length : at + 1;
    return includes.call(this, wanted);
  };
  try {
    run();
  } finally {
    prototype.includes = includes;
  }
  return count;
}
