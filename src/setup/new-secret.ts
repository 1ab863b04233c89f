/** Makes secrets. Loaded only where one is made. */
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

/** Bytes of randomness in a secret that we make: more than SHA-1 has. */
const SECRET_BYTES = 24;

/**
 * A new random secret, without line end. It comes from the kernel's generator, which node:crypto asks too: to load that
 * takes as long as the rest of `postvouch srs secret`. /dev/random waits until the generator is seeded, which at the first
 * boot of a machine /dev/urandom does not.
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
 * Makes a secrets file with one random secret, mode 0600, and the directory around it. When another process was
 * quicker, its file stays.
 *
 * @throws {Failure} when it cannot be made
 */
export function createSecretsFile(path: string): void {
  // Not named after the process: in a container its number is always the same, and it may have left one behind.
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
