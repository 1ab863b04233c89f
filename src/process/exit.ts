/** Exit codes as in sysexits.h. */
export const EXIT = {
  ok: 0,
  /** An address was not rewritten. */
  notRewritten: 1,
  usage: 64,
  dataError: 65,
  unavailable: 69,
  software: 70,
  cannotCreate: 73,
  tempFail: 75,
  noPermission: 77,
  config: 78,
} as const;

/** The program cannot go on. `lines` are for the admin, one problem each; there is no stack trace. */
export class Failure extends Error {
  override name = "Failure";
  readonly exitCode: number;
  readonly lines: readonly string[];

  constructor(exitCode: number, lines: readonly string[], options?: ErrorOptions) {
    super(lines.join("\n"), options);
    this.exitCode = exitCode;
    this.lines = lines;
  }
}

/** A command line that is wrong. */
export function usageError(problem: string): Failure {
  return new Failure(EXIT.usage, [`${problem}; "postvouch help" tells what there is`]);
}

/** The system's code of an error: ENOENT, EACCES, EADDRINUSE …; empty when it has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** What went wrong, in words, without a stack trace. Several tries at once (a name with many addresses) say what the first does. */
export function errorText(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorText(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}

/** Why a file could not be read or written, in an admin's words. */
export function fileTrouble(error: unknown): string {
  switch (errorCode(error)) {
    case "ENOENT":
      return "no such file";
    case "EACCES":
    case "EPERM":
      return "no permission";
    case "EISDIR":
      return "it is a directory";
    case "ENOTDIR":
      return "a part of its path is no directory";
    case "EROFS":
      return "the file system is read-only";
    case "ENOSPC":
      return "no space left on the disk";
    case "EDQUOT":
      return "the disk quota is used up";
    case "ELOOP":
      return "too many symbolic links";
    case "ENAMETOOLONG":
      return "a name in its path is too long";
    default:
      return errorText(error);
  }
}
