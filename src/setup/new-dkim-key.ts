/** Makes key files. Loaded only when one is made. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  chownSync,
  closeSync,
  dirname,
  existsSync,
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
 * directory above, which is the one that reads it.
 *
 * @throws {Failure} if the file exists, or cannot be made
 */
export function createKeyFile(path: string, key: KeyObject): void {
  try {
    const made = makeDirectory(dirname(path));
    const file = openSync(path, "wx", 0o600);
    try {
      writeFileSync(file, key.export({ type: "pkcs8", format: "pem" }));
      giveAway([...made, path]);
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

/** Makes a directory and those above it. Returns the new ones, the highest first. */
function makeDirectory(path: string): string[] {
  if (existsSync(path)) return [];
  const above = makeDirectory(dirname(path));
  mkdirSync(path, { mode: 0o755 });
  return [...above, path];
}

/** Gives files of root to the owner of the directory that holds the first one. */
function giveAway(paths: readonly string[]): void {
  const [first] = paths;
  if (first === undefined || process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(dirname(first));
  for (const path of paths) chownSync(path, uid, gid);
}
