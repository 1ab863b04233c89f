/** Makes new inputs from old ones. */
import type { Random } from "../spf/random-policies.ts";

/** Bytes that protocols, addresses and files are built of, and the edges of ranges. */
const BYTES = [..."\0\t\n\r\x1b\x1f \"#%'()+,-./0129:;<=>@AZ[\\]_az{}~\x7f\x80\xa0\xc0\xc2\xe2\xfe\xff"];

/** One to eight changes. */
export function mutate(random: Random, corpus: readonly string[], words: readonly string[], maxBytes: number): string {
  let input = random.pick(corpus);
  for (let left = 1 + random.below(random.onceIn(3) ? 8 : 3); left > 0; left--) {
    input = change(random, input, corpus, words);
  }
  return input.length > maxBytes ? input.slice(0, maxBytes) : input;
}

function change(random: Random, input: string, corpus: readonly string[], words: readonly string[]): string {
  const at = random.below(input.length + 1);
  const end = Math.min(input.length, at + 1 + random.below(random.onceIn(4) ? 64 : 4));
  const [before, part, after] = [input.slice(0, at), input.slice(at, end), input.slice(end)];
  switch (random.below(10)) {
    case 0:
      return before + after;
    case 1:
      return before + part + part + after;
    case 2: // To and past the limits of lines, names and requests.
      return before + part.repeat(random.pick([3, 16, 64, 256, 1024])) + after;
    case 3:
      return before + random.pick(BYTES) + input.slice(at);
    case 4:
      return before + random.pick(BYTES) + input.slice(at + 1);
    case 5:
      return before + String.fromCharCode((input.charCodeAt(at) ^ (1 << random.below(8))) & 0xff) + input.slice(at + 1);
    case 6: {
      const other = random.pick(corpus);
      return before + other.slice(random.below(other.length + 1));
    }
    case 7: {
      const other = random.pick(corpus);
      const from = random.below(other.length + 1);
      return before + other.slice(from, from + 1 + random.below(32)) + after;
    }
    default: {
      const word = random.pick(words);
      return before + word + (random.onceIn(2) ? input.slice(at) : after);
    }
  }
}
