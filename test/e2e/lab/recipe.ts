/** The program that puts the recipe of docs/postfix.md into a Postfix and takes it out again. */
import { join } from "node:path";
import type { CommandOptions } from "./command.ts";
import { PACKAGE } from "./runtime.ts";

const PROGRAM = join(PACKAGE, "deploy", "postfix", "forward-only.sh");

/**
 * Runs it for the main.cf of a directory.
 *
 * @param run on which host
 * @returns what it says
 */
export function forwardOnlyProgram(
  run: (argv: readonly string[], options: CommandOptions) => Promise<string>,
  configDir: string,
  ...args: readonly string[]
): Promise<string> {
  return run(["sh", PROGRAM, ...args], { env: { MAIL_CONFIG: configDir } });
}
