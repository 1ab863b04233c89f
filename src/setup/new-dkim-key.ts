/** Makes key files. Loaded only when one is made. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  closeSync,
  constants,
  dirname,
  existsSync,
  fchownSync,
  mkdirSync,
  openSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "../process/builtins.ts";
import { EXIT, errorCode, Failure, fileTrouble } from "../process/exit.ts";

export const KEY_ALGORITHMS = ["rsa2048", "rsa3072", "rsa4096", "ed25519"] as const;

export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number];

export function makeKey(algorithm: KeyAlgorithm): KeyObject {
  if (algorithm === "ed25519") return generateKeyPairSync("ed25519").privateKey;
  return generateKeyPairSync("rsa", { modulusLength: Number(algorithm.slice("rsa".length)) }).privateKey;
}

/**
 * Writes a key to a new file of mode 0600, and makes its directories. Run by root, all of them get the owner of the
 * directory above, which is the one that reads it. That user may put links in their places meanwhile: what is given away
 * is what was made, by its descriptor.
 *
 * @throws {Failure} if the file exists, or cannot be made
 */
export function createKeyFile(path: string, key: KeyObject): void {
  try {
    const give = ownerGiver(nearestExisting(dirname(path)));
    makeDirectory(dirname(path), give);
    const file = openSync(path, "wx", 0o600);
    try {
      writeFileSync(file, key.export({ type: "pkcs8", format: "pem" }));
      give(file);
    } catch (error) {
      unlinkSync(path); // No half of a key, on a full disk.
      throw error;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const state = errorCode(error) === "EEXIST" ? "it exists; want another --selector" : fileTrouble(error);
    throw new Failure(EXIT.cannotCreate, [`Cannot make key "${path}": ${state}`], { cause: error });
  }
}

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}

/** Gives an open file of root to the owner of a directory. Any other user owns what he makes already. */
function ownerGiver(directory: string): (file: number) => void {
  const { uid, gid } = statSync(directory);
  return process.getuid?.() === 0 ? (file) => fchownSync(file, uid, gid) : () => {};
}

/** Makes a directory and those above it. */
function makeDirectory(path: string, give: (file: number) => void): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path), give);
  mkdirSync(path, { mode: 0o755 });
  const made = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    give(made);
  } finally {
    closeSync(made);
  }
}
