/** Skips tests if a program is missing. */
import { type ExecFileSyncOptions, execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Why a test that needs these programs cannot run here, or `undefined` when it can:
 * `test.skipIf(missing)` with `missing` in the name of the suite.
 *
 * @throws {Error} when one is missing and `CI=true`: there, a test that silently does not run is a failed one.
 */
export function requirePrograms(...names: readonly string[]): string | undefined {
  const missing = names.filter((name) => programPath(name) === undefined);
  if (missing.length === 0) return undefined;
  return skipReason(`Cannot run: ${missing.join(", ")} not installed`);
}

/** The reason itself, to skip a test with. @throws {Error} when `CI=true`: see requirePrograms. */
export function skipReason(reason: string): string {
  if (environment("CI") === "true") throw new Error(reason);
  return reason;
}

/** Runs a program of the system to its end and gives its output. @throws {Error} when it is not there or fails. */
export function runProgram(name: string, args: readonly string[], options: ExecFileSyncOptions = {}): string {
  const path = programPath(name);
  if (path === undefined) throw new Error(`Cannot run "${name}": not installed`);
  return String(
    execFileSync(path, args, { stdio: ["ignore", "pipe", "ignore"], ...options, encoding: "latin1" }) ?? "",
  );
}

/** Where a program is, sbin directories included. */
export function programPath(name: string): string | undefined {
  const directories = [...(environment("PATH") ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin", "/sbin"];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function environment(name: string): string | undefined {
  return process.env[name];
}
