/** Exit codes of sysexits.h. */
export const EXIT = {
  ok: 0,
  /** An address was not rewritten. This code is our own. */
  notRewritten: 1,
  /** A bounce is not known. This code is our own. */
  notExplained: 1,
  /** A report could not be sent. */
  notReported: 1,
  /** The doctor has found an error. */
  wrong: 1,
  /** Postfix's files were not changed, or put back. This code is our own. */
  notDone: 1,
  usage: 64,
  dataError: 65,
  unavailable: 69,
  software: 70,
  cannotCreate: 73,
  tempFail: 75,
  noPermission: 77,
  config: 78,
} as const;

/** The error that ends the program with `lines` for the admin, one for each problem, and without a stack trace. */
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

/** The error for a wrong command line. */
export function usageError(problem: string): Failure {
  return new Failure(EXIT.usage, [`${problem}; "postvouch help" lists the commands`]);
}

/** The system's code of an error: ENOENT, EACCES, EADDRINUSE …; empty if it has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/**
 * The text of an error, without a stack trace. For several tries (a name with many addresses), the text of the first.
 */
export function errorText(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorText(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}

/** Tells an admin in words why a file could not be read or written. */
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
