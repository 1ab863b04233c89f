/** Problems that `serve` would meet when it opens sockets and the store, found without opening any. */
import { LISTENER_KEYS } from "../config/listeners.ts";
import { accessSync, constants, dirname, existsSync, lstatSync } from "../process/builtins.ts";
import { errorCode } from "../process/exit.ts";
import { parseStoreUrl } from "../store/url.ts";
import type { Setup } from "./setup.ts";

/** Problems, one line each. */
export function foresee(setup: Setup): string[] {
  const problems: string[] = [];
  for (const key of LISTENER_KEYS) {
    for (const endpoint of setup.config[key]) {
      if (endpoint.type === "unix") problems.push(...checkSocket(endpoint.path).map((problem) => `${key}: ${problem}`));
    }
  }
  const url = setup.config["srs.store.url"];
  const store = url === "" ? undefined : parseStoreUrl(url);
  if (store?.kind === "sqlite") problems.push(...checkFile(store.path).map((problem) => `srs.store.url: ${problem}`));
  if (setup.secrets.length === 0 && !setup.problems.some((problem) => problem.startsWith("srs.secrets_file"))) {
    problems.push(...checkCreatable(setup.secretsFile).map((problem) => `srs.secrets_file: ${problem}`));
  }
  return problems;
}

function checkSocket(path: string): string[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isSocket()) return [`Cannot listen on "${path}": the path exists and is no socket`];
  return checkDirectory(dirname(path), path);
}

function checkFile(path: string): string[] {
  if (existsSync(path)) return isAllowed(path) ? [] : [`Cannot write "${path}": no permission`];
  return checkDirectory(dirname(path), path);
}

function checkDirectory(directory: string, path: string): string[] {
  if (!existsSync(directory)) return [`Cannot make "${path}": its directory does not exist`];
  return isAllowed(directory) ? [] : [`Cannot make "${path}": no permission to write its directory`];
}

/** As checkDirectory, for a file whose directories `serve` makes. */
function checkCreatable(path: string): string[] {
  const parent = dirname(path);
  if (parent === path || existsSync(parent)) return checkDirectory(parent, path);
  return checkCreatable(parent);
}

function isAllowed(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    return errorCode(error) === "ENOENT";
  }
}
