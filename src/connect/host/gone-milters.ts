/** The milters that a change takes out of Postfix's files, or brings back. */
import { entriesOf } from "../entries.ts";
import { parameterUnits, parameterValue } from "../logical-lines.ts";
import { milterAddressOf } from "../milter-place.ts";
import type { Files } from "./files.ts";
import { requireListener } from "./probe.ts";

/** Longest chain of names in a value. */
const MAX_DEPTH = 10;

/** A milter with the place that names it: `smtpd_milters`, `master.cf`. */
export interface NamedMilter {
  readonly address: string;
  readonly places: readonly string[];
}

/** The milters that `from` names and `to` does not. */
export function goneMilters(from: Files, to: Files): readonly NamedMilter[] {
  const left = namedMilters(to);
  return [...namedMilters(from)].flatMap(([address, places]) => (left.has(address) ? [] : [{ address, places }]));
}

/** Those of some milters where nobody listens, with the reason. */
export async function silentOnes(
  milters: readonly NamedMilter[],
  queueDirectory: string,
): Promise<readonly (NamedMilter & { readonly error: unknown })[]> {
  const asked = milters.map((milter) =>
    requireListener(milter.address, queueDirectory).then(
      () => [],
      (error: unknown) => [{ ...milter, error }],
    ),
  );
  return (await Promise.all(asked)).flat();
}

/** The addresses of milters in the values of main.cf and in the options of master.cf, with the places of each. */
function namedMilters(files: Files): ReadonlyMap<string, readonly string[]> {
  const units = parameterUnits(files["main.cf"] ?? "");
  const parameters = new Map(units.map(({ key, text }) => [key, parameterValue(text)]));
  const lists = [...parameters].filter(([name]) => name.endsWith("smtpd_milters"));
  const options = (files["master.cf"] ?? "").matchAll(/^\s+-o\s+smtpd_milters=(\S*)/gm);
  const values = [...lists, ...[...options].map(([, value = ""]) => ["master.cf", value] as const)];
  const found = new Map<string, string[]>();
  for (const [place, value] of values) {
    for (const address of entriesOf(expand(value, parameters)).map(milterAddressOf)) {
      found.set(address, [...new Set([...(found.get(address) ?? []), place])]);
    }
  }
  return found;
}

/** A value with each `$name` of main.cf replaced. */
function expand(value: string, parameters: ReadonlyMap<string, string>, depth = 0): string {
  if (depth > MAX_DEPTH) return value;
  return value.replace(/\$(?:(\w+)|\{(\w+)\}|\((\w+)\))/g, (whole, ...names: (string | undefined)[]) => {
    const name = names.slice(0, 3).find((one) => one !== undefined) ?? "";
    const found = parameters.get(name);
    return found === undefined ? whole : expand(found, parameters, depth + 1);
  });
}
