/** Our command line on a host of the lab. */
import { join } from "node:path";
import type { Postfix } from "./postfix.ts";
import { NODE, PACKAGE } from "./runtime.ts";

/**
 * Runs `postvouch setup`, and waits until Postfix has read its files again.
 *
 * @param configFile postvouch.toml
 * @returns the diff, and what it says
 */
export async function setup(host: Postfix, configFile: string, ...args: readonly string[]): Promise<string> {
  const program = [NODE, join(PACKAGE, "src/main.js"), "setup", "--config", configFile, ...args];
  const command = ["sh", "-c", 'exec "$@" 2>&1', "sh", ...program];
  const run = (): Promise<string> => host.run(command, { env: { MAIL_CONFIG: host.configDir } });
  const isWriting = args.includes("--apply") || args.includes("--undo");
  return isWriting ? host.reloadBy(run) : run();
}
