/** The files of Postfix that we write, as latin1 text: one character is one byte. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, errorCode, Failure, fileTrouble } from "../../process/exit.ts";

export const FILE_NAMES = ["srs-recipients.regexp", "master.cf", "main.cf"] as const;

export type FileName = (typeof FILE_NAMES)[number];

/** The text of each file; `undefined` if it does not exist. */
export type Files = Readonly<Record<FileName, string | undefined>>;

/**
 * Reads the files.
 *
 * @throws {Failure} when one cannot be read
 */
export function readFiles(configDir: string): Files {
  return {
    "srs-recipients.regexp": readFile(join(configDir, "srs-recipients.regexp")),
    "master.cf": readFile(join(configDir, "master.cf")),
    "main.cf": readFile(join(configDir, "main.cf")),
  };
}

/**
 * Reads a file.
 *
 * @returns `undefined` if it does not exist
 * @throws {Failure} when it cannot be read
 */
export function readFile(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw fileFailure("read", path, error);
  }
}

/** The failure of an operation on a file. */
export function fileFailure(verb: string, path: string, error: unknown): Failure {
  const isForbidden = ["EACCES", "EPERM"].includes(errorCode(error));
  const line = `Cannot ${verb} "${path}": ${fileTrouble(error)}`;
  return new Failure(isForbidden ? EXIT.noPermission : EXIT.notDone, [line], { cause: error });
}
