/** The file of SRS secrets: read with all that is wrong with it. */
import { lstatSync, readlinkSync } from "../process/builtins.ts";
import { errorCode, fileTrouble } from "../process/exit.ts";
import { readRegularFile } from "../process/regular-file.ts";
import { parseSecrets } from "../srs/secrets.ts";

/** Permission bits of others. With one of them set, every user of the machine can read or change the secrets. */
const OTHERS = 0o006;

const MAX_FILE_BYTES = 1024 * 1024;

const BYTE_ORDER_MARK = Buffer.from("\ufeff");

export interface SecretsFile {
  /** True if there is no such file. Otherwise, without problems, there is at least one secret. */
  readonly isAbsent: boolean;
  readonly secrets: readonly Uint8Array[];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** The result for a file that was not read. */
export const NO_SECRETS: SecretsFile = { isAbsent: false, secrets: [], problems: [], warnings: [] };

/** Reads a secrets file. Never throws: an unreadable file and a file without secrets are problems. */
export function readSecretsFile(path: string): SecretsFile {
  try {
    const { bytes, mode } = readRegularFile(path, MAX_FILE_BYTES);
    if (isUtf16(bytes)) {
      return unusable(path, 'it is UTF-16 text, want one byte for each character ("iconv -f UTF-16 -t UTF-8")');
    }
    const { secrets, cutLines } = parseSecrets(bytes);
    if (secrets.length === 0) return unusable(path, "it is empty, want one secret per line");
    const warnings = [...permissionWarnings(path, mode), ...textWarnings(path, bytes, cutLines)];
    return { ...NO_SECRETS, secrets, warnings };
  } catch (error) {
    if (errorCode(error) !== "ENOENT") return unusable(path, fileTrouble(error));
    const target = danglingTarget(path);
    if (target === undefined) return { ...NO_SECRETS, isAbsent: true };
    return unusable(path, `it is a link to "${target}", which does not exist`);
  }
}

function unusable(path: string, reason: string): SecretsFile {
  return { ...NO_SECRETS, problems: [`srs.secrets_file: Cannot use "${path}": ${reason}`] };
}

function permissionWarnings(path: string, mode: number): string[] {
  if ((mode & OTHERS) === 0) return [];
  return [
    `srs.secrets_file: "${path}" is open to every user of this machine (mode 0${mode.toString(8)}), want 0600: who reads it can forge addresses`,
  ];
}

function textWarnings(path: string, bytes: Buffer, cutLines: readonly number[]): string[] {
  const warnings = cutLines.map(
    (line) =>
      `srs.secrets_file: line ${line} of "${path}" holds a NUL or CR, and the secret ends there, as it does for postsrsd`,
  );
  if (bytes.indexOf(BYTE_ORDER_MARK) !== 0) return warnings;
  const mark = `srs.secrets_file: "${path}" begins with a byte order mark, which belongs to the first secret, as it does for postsrsd`;
  return [mark, ...warnings];
}

/** Tells if a file is UTF-16: it has its byte order mark, or every other byte of its start is NUL. */
function isUtf16(bytes: Buffer): boolean {
  const mark = bytes.toString("latin1", 0, 2);
  if (mark === "\xff\xfe" || mark === "\xfe\xff") return true;
  return /^(?:[^\0]\0){2,}$|^(?:\0[^\0]){2,}$/.test(bytes.toString("latin1", 0, Math.min(bytes.length & ~1, 16)));
}

/** The target of a dangling link; `undefined` if there is no link. */
function danglingTarget(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(path) : undefined;
}
