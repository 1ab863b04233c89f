/** Predicts the problems of `serve` with sockets and the store, without opening any. */
import { LISTENER_KEYS } from "../config/listeners.ts";
import { parseHistoryPlace } from "../history/place.ts";
import { accessSync, constants, dirname, existsSync, lstatSync, statSync } from "../process/builtins.ts";
import { errorCode, fileTrouble } from "../process/exit.ts";
import { parseStoreUrl } from "../store/url.ts";
import type { Setup } from "./setup.ts";

/** The problems, one line for each. */
export function foresee(setup: Setup): string[] {
  const problems: string[] = [];
  for (const key of LISTENER_KEYS) {
    for (const endpoint of setup.config[key]) {
      if (endpoint.type === "unix") problems.push(...checkSocket(endpoint.path).map((problem) => `${key}: ${problem}`));
    }
  }
  const url = setup.config["srs.store.url"];
  const store = url === "" ? undefined : parseStoreUrl(url);
  if (store?.kind === "sqlite")
    problems.push(...checkFile("store", store.path).map((problem) => `srs.store.url: ${problem}`));
  const history = parseHistoryPlace(setup.config["dmarc.history"]);
  if (history !== undefined)
    problems.push(...checkFile("history", history.path).map((problem) => `dmarc.history: ${problem}`));
  if (setup.secrets.length === 0 && !setup.problems.some((problem) => problem.startsWith("srs.secrets_file"))) {
    problems.push(...checkCreatable(setup.secretsFile).map((problem) => `srs.secrets_file: ${problem}`));
  }
  return problems;
}

function checkSocket(path: string): string[] {
  const problems = checkDirectory(dirname(path), path);
  if (problems.length > 0) return problems;
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined || stat.isSocket() ? [] : [`Cannot listen on "${path}": the path exists and is no socket`];
}

function checkFile(what: string, path: string): string[] {
  if (!existsSync(path)) return checkDirectory(dirname(path), path);
  const found = statSync(path);
  if (!found.isFile()) {
    return [`Cannot open ${what} "${path}": ${found.isDirectory() ? "it is a directory" : "not a regular file"}`];
  }
  return isAllowed(path, constants.W_OK) ? [] : [`Cannot write "${path}": no permission`];
}

function checkDirectory(directory: string, path: string): string[] {
  const trouble = directoryTrouble(directory);
  return trouble === undefined ? [] : [`Cannot make "${path}": ${trouble}`];
}

/** The reason why no file can be made in a directory. */
function directoryTrouble(directory: string): string | undefined {
  try {
    if (!statSync(directory).isDirectory()) return "a part of its path is no directory";
  } catch (error) {
    return errorCode(error) === "ENOENT" ? "its directory does not exist" : fileTrouble(error);
  }
  return isAllowed(directory, constants.W_OK | constants.X_OK) ? undefined : "no permission to write its directory";
}

/** Does the same as checkDirectory for a file whose directories `serve` makes. */
function checkCreatable(path: string): string[] {
  const parent = dirname(path);
  if (parent === path || existsSync(parent)) return checkDirectory(parent, path);
  return checkCreatable(parent);
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch (error) {
    return errorCode(error) === "ENOENT";
  }
}
