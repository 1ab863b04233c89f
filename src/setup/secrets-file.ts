import { linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { EXIT, errorCode, Failure, fileTrouble } from "../process/exit.ts";
import { parseSecrets } from "../srs/secrets.ts";
import { makeSecret } from "./new-secret.ts";

/** Permission bits of others: with one of them set, every user of the machine knows the secret or can change it. */
const OTHERS = 0o006;

export interface SecretsFile {
  /** `absent`: there is no such file. Without problems and not absent, there is at least one secret. */
  readonly isAbsent: boolean;
  readonly secrets: readonly Uint8Array[];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Reads a secrets file. Never throws: a file that cannot be read or holds no secret is a problem. */
export function readSecretsFile(path: string): SecretsFile {
  const nothing: SecretsFile = { isAbsent: false, secrets: [], problems: [], warnings: [] };
  try {
    const secrets = parseSecrets(readFileSync(path));
    const mode = statSync(path).mode & 0o777;
    if (secrets.length === 0)
      return { ...nothing, problems: [`${CANNOT_USE} "${path}": it is empty, want one secret per line`] };
    if ((mode & OTHERS) === 0) return { ...nothing, secrets };
    const warning = `srs.secrets_file: "${path}" is open to every user of this machine (mode 0${mode.toString(8)}), want 0600: who reads it can forge addresses`;
    return { ...nothing, secrets, warnings: [warning] };
  } catch (error) {
    if (errorCode(error) === "ENOENT") return { ...nothing, isAbsent: true };
    return { ...nothing, problems: [`${CANNOT_USE} "${path}": ${fileTrouble(error)}`] };
  }
}

const CANNOT_USE = "srs.secrets_file: Cannot use";

/**
 * Makes a secrets file with one random secret, mode 0600, and the directory around it. When another process was
 * quicker, its file stays.
 *
 * @throws {Failure} when it cannot be made
 */
export function createSecretsFile(path: string): void {
  const temporary = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    writeFileSync(temporary, `${makeSecret()}\n`, { mode: 0o600, flag: "wx" });
    try {
      linkSync(temporary, path);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    } finally {
      unlinkSync(temporary);
    }
  } catch (error) {
    const line = `srs.secrets_file: Cannot create "${path}": ${fileTrouble(error)}; set srs.secrets_file or state_dir to a place that can be written`;
    throw new Failure(EXIT.cannotCreate, [line], { cause: error });
  }
}
