/** Copies the peer's secrets to a place of ours: the removal of its package deletes its own file. */
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, errorCode, Failure, fileTrouble } from "../../process/exit.ts";
import { readRegularFile } from "../../process/regular-file.ts";
import { readSecretsFile } from "../../setup/secrets-file.ts";
import { parseSecrets } from "../../srs/secrets.ts";

const MAX_FILE_BYTES = 1024 * 1024;

/** Where the service looks for secrets, without any setting. */
const DEFAULT_SECRETS_FILE = "/var/lib/postvouch/srs.secrets";

export interface Secrets {
  /** The whole file, as it is. */
  readonly bytes: Uint8Array;
  /** The secrets in it. */
  readonly secrets: readonly Uint8Array[];
}

/**
 * Reads the peer's file.
 *
 * @throws {Failure} when there is no secret in it, or it cannot be read
 */
export function readSecrets(path: string): Secrets {
  const { isAbsent, secrets, problems } = readSecretsFile(path);
  if (isAbsent) throw new Failure(EXIT.dataError, [`Cannot read the secrets "${path}": no such file`]);
  if (problems.length === 0) return { bytes: readRegularFile(path, MAX_FILE_BYTES).bytes, secrets };
  const isForbidden = problems.some((problem) => problem.endsWith("no permission"));
  const lines = problems.map(
    (problem) => problem.replace(/^srs\.secrets_file: /, "") + (isForbidden ? "; run it as root" : ""),
  );
  throw new Failure(isForbidden ? EXIT.noPermission : EXIT.dataError, lines);
}

/**
 * The file that the service reads its secrets from: one that its unit loads as a credential, or that in the directory of
 * its state.
 *
 * @param systemdDir the directory of the admin's units
 */
export function serviceSecretsFile(systemdDir = "/etc/systemd/system"): string {
  for (const text of unitTexts(systemdDir)) {
    const [, path] = /^[ \t]*LoadCredential=srs\.secrets:(\/.*?)[ \t]*$/m.exec(text) ?? [];
    if (path !== undefined) return path;
  }
  return DEFAULT_SECRETS_FILE;
}

/** The texts of the unit, those that change it first. */
export function unitTexts(systemdDir: string): string[] {
  const dropIns = join(systemdDir, "postvouch.service.d");
  const read = (path: string): string[] => {
    try {
      return [readFileSync(path, "utf8")];
    } catch {
      return [];
    }
  };
  let names: string[] = [];
  try {
    names = readdirSync(dropIns).filter((name) => name.endsWith(".conf"));
  } catch {
    // The unit has no drop-ins.
  }
  return [...names.map((name) => join(dropIns, name)), join(systemdDir, "postvouch.service")].flatMap(read);
}

/**
 * The content of our file: the peer's secrets, of which the first signs, and behind them those that are there, which
 * still verify.
 *
 * @returns `undefined` if the file has them already
 * @throws {Failure} when the file is there with others, and may not be replaced
 */
export function secretsToWrite({ bytes, secrets }: Secrets, path: string, force: boolean): Uint8Array | undefined {
  let there: Uint8Array;
  try {
    if (lstatSync(path).isSymbolicLink()) throw new Error("it is a link, want a file of its own");
    there = readRegularFile(path, MAX_FILE_BYTES).bytes;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return bytes;
    const isForbidden = errorCode(error) === "EACCES";
    throw new Failure(
      isForbidden ? EXIT.noPermission : EXIT.cannotCreate,
      [`Cannot write "${path}": ${fileTrouble(error)}`],
      { cause: error },
    );
  }
  const others = parseSecrets(there).secrets.filter((one) => !secrets.some((known) => Buffer.from(known).equals(one)));
  if (others.length === 0 && Buffer.from(there).equals(bytes)) return undefined;
  if (!force) {
    throw new Failure(EXIT.cannotCreate, [
      `Cannot write "${path}": it exists, with ${others.length === 0 ? "the same secrets in another form" : "other secrets"}; with --force those of postsrsd come first and the others stay behind them`,
    ]);
  }
  const lf = Buffer.from("\n");
  const first = bytes.at(-1) === lf[0] ? bytes : Buffer.concat([bytes, lf]);
  return Buffer.concat([first, ...others.flatMap((secret) => [secret, lf])]);
}
