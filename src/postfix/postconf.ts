/** Reads main.cf parameters as Postfix does. */
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
  return askPostconf(names, ["-x"], command);
}

/**
 * The values of `names` with these options of postconf: without `-x` as main.cf has them, with each `$name`.
 *
 * @throws {Error} as readParameters
 */
export async function askPostconf<Name extends string>(
  names: readonly Name[],
  options: readonly string[],
  command: PostfixCommand,
): Promise<Map<Name, string>> {
  const { stdout } = await runPostconf([...options, ...names], command);
  const wanted = new Set<string>(names);
  return new Map([...settings(stdout)].filter(([name]) => wanted.has(name))) as Map<Name, string>;
}

/** All that main.cf says. */
export interface MainCf {
  /** Every parameter, expanded, also those that main.cf does not set. */
  readonly values: ReadonlyMap<string, string>;
  /** The parameters that main.cf sets, as it writes them. */
  readonly written: ReadonlyMap<string, string>;
  /** Warnings, such as "unused parameter: foo=bar", each once. */
  readonly complaints: readonly string[];
}

/**
 * Reads every parameter.
 *
 * @throws {Error} with Postfix's message, when postconf is missing or main.cf cannot be read
 */
export async function readMainCf(command: PostfixCommand): Promise<MainCf> {
  const [all, own] = await Promise.all([runPostconf(["-x"], command), runPostconf(["-n"], command)]);
  const warnings = [...`${all.stderr}\n${own.stderr}`.matchAll(/^postconf: warning: (.*)$/gm)];
  return {
    values: settings(all.stdout),
    written: settings(own.stdout),
    complaints: [...new Set(warnings.map(([, text = ""]) => text))],
  };
}

/**
 * Runs postconf, and returns its output.
 *
 * @throws {Error} with Postfix's message, when postconf is missing or does not like a file
 */
export async function runPostconf(
  args: readonly string[],
  command: PostfixCommand,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const run = await runPostfix("postconf", args, "", command);
  if (run.status === "failed") throw new Error(run.reason);
  if (run.exitCode !== 0) throw new Error(`Cannot read main.cf: ${run.stderr.trim().replaceAll("\n", "; ")}`);
  return run;
}

/** The lines `name = value` of an output. */
export function settings(stdout: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of stdout.split("\n")) {
    const [, name, value] = /^(\S+) =(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) values.set(name, value.trim());
  }
  return values;
}
