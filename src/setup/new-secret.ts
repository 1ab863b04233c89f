/** Makes secrets. Loaded only when one is made. */
import {
  closeSync,
  dirname,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  unlinkSync,
  writeFileSync,
} from "../process/builtins.ts";
import { EXIT, errorCode, Failure, fileTrouble } from "../process/exit.ts";

/** Number of random bytes in a new secret: more than SHA-1 has. */
const SECRET_BYTES = 24;

/**
 * Makes a new random secret, without line end. It comes from the kernel's generator, which node:crypto uses too, but
 * loading node:crypto takes as long as the rest of `postvouch srs secret`. /dev/random waits until the generator is
 * seeded. /dev/urandom does not, which matters at the first boot of a machine.
 */
export function makeSecret(): string {
  const bytes = Buffer.alloc(SECRET_BYTES);
  const source = openSync("/dev/random", "r");
  try {
    for (let filled = 0; filled < SECRET_BYTES; ) {
      const count = readSync(source, bytes, { offset: filled });
      if (count === 0) throw new Error("Cannot read /dev/random: it is empty");
      filled += count;
    }
  } finally {
    closeSync(source);
  }
  return bytes.toString("base64url");
}

/**
 * Makes a secrets file with one random secret, mode 0600, and its directory. If another process makes the file at the
 * same time, the first one stays.
 *
 * @throws {Failure} when it cannot be made
 */
export function createSecretsFile(path: string): void {
  // Named at random, because in a container the process id is always the same, and a crash may have left such a file.
  const temporary = `${path}.${makeSecret()}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    // Opened apart: on a full disk the file is made and cannot be written, and systemd starts us again each second.
    const file = openSync(temporary, "wx", 0o600);
    try {
      writeFileSync(file, `${makeSecret()}\n`);
      linkSync(temporary, path);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    } finally {
      closeSync(file);
      unlinkSync(temporary);
    }
  } catch (error) {
    const line = `srs.secrets_file: Cannot create "${path}": ${fileTrouble(error)}; set srs.secrets_file or state_dir to a place that can be written`;
    throw new Failure(EXIT.cannotCreate, [line], { cause: error });
  }
}
