/** Reads main.cf parameters as Postfix does, with every `$name` expanded. */
import { type PostfixCommand, runPostfix } from "./run.ts";

/**
 * The values of `names` from `postconf -x` (Postfix 2.10 and later). A parameter that Postfix does not know is absent.
 *
 * @throws {Error} with Postfix's message, when postconf is missing or main.cf cannot be read
 */
export async function readParameters<Name extends string>(
  names: readonly Name[],
  command: PostfixCommand,
): Promise<Map<Name, string>> {
  const run = await runPostfix("postconf", ["-x", ...names], "", command);
  if (run.status === "failed") throw new Error(run.reason);
  if (run.exitCode !== 0) throw new Error(`Cannot read main.cf: ${run.stderr.trim().replaceAll("\n", "; ")}`);
  const values = new Map<Name, string>();
  for (const line of run.stdout.split("\n")) {
    const [, key, value] = /^(\S+) =(.*)$/.exec(line) ?? [];
    const name = names.find((wanted) => wanted === key);
    if (name !== undefined && value !== undefined) values.set(name, value.trim());
  }
  return values;
}
