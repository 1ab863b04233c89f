/** Reads and parses the configuration file, and collects its problems. */
import { type ParsedConfig, parseConfig } from "../config/parse.ts";
import { errorCode, fileTrouble } from "../process/exit.ts";
import { readRegularFile } from "../process/regular-file.ts";

/** The configuration file without `--config`. It need not exist. */
export const DEFAULT_CONFIG_FILE = "/etc/postvouch/postvouch.toml";

const MAX_FILE_BYTES = 16 * 1024 * 1024;

export interface ConfigFile extends ParsedConfig {
  /** The file that was read; `undefined` if there is none and the defaults are used. */
  readonly path: string | undefined;
}

/**
 * Reads and parses the configuration. All problems, such as an unreadable file, are in `problems`.
 *
 * @param path the file of `--config`, which must exist
 */
export function readConfigFile(path: string | undefined): ConfigFile {
  const file = path ?? DEFAULT_CONFIG_FILE;
  let text: string;
  try {
    text = readRegularFile(file, MAX_FILE_BYTES).bytes.toString("utf8");
  } catch (error) {
    const isAbsent = errorCode(error) === "ENOENT";
    const defaults = parseConfig("", file);
    if (isAbsent && path === undefined) return { ...defaults, path: undefined };
    return {
      ...defaults,
      isEmpty: false,
      isRead: false,
      path: file,
      problems: [`Cannot read configuration "${file}": ${fileTrouble(error)}`],
    };
  }
  return { ...parseConfig(text, file), path: file };
}
