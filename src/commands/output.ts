/**
 * The output of a command: results on standard output, problems on standard error. Unprintable characters are escaped.
 */

import { writeSync } from "../process/builtins.ts";
import { EXIT, errorCode, Failure, fileTrouble } from "../process/exit.ts";

export interface Output {
  /** Writes one line. */
  line(text: string): void;
  /** Writes one object on a line. `replacer` is that of JSON.stringify. */
  json(value: unknown, replacer?: (key: string, value: unknown) => unknown): void;
  /** Writes bytes as they are: a message. */
  bytes(data: Buffer): void;
  /** Writes one line for the admin. */
  problem(text: string): void;
}

export const standardOutput: Output = {
  line: (text) => writeLine(STDOUT_FD, printable(text)),
  json: (value, replacer) => writeLine(STDOUT_FD, printableJson(JSON.stringify(value, replacer))),
  bytes: (data) => write(STDOUT_FD, data),
  problem: (text) => writeLine(STDERR_FD, `postvouch: ${printable(text)}`),
};

const STDOUT_FD = 1;
const STDERR_FD = 2;

/** Errors of a reader that has gone (postvouch ... | head) or of a closed terminal, which are ignored. */
const GONE: ReadonlySet<string> = new Set(["EPIPE", "EIO"]);

/** Time after which a full pipe is tried again, in milliseconds. */
const RETRY_MS = 5;

function writeLine(fd: number, line: string): void {
  write(fd, Buffer.from(`${line}\n`));
}

/**
 * Writes bytes and waits until they are written. Node's own streams for these descriptors wait too, and take as long to
 * load as the rest of a small command.
 *
 * @throws {Failure} when results cannot be written: a success with an empty file of secrets would be wrong
 */
function write(fd: number, data: Buffer): void {
  let bytes = data;
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      if (errorCode(error) === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      else if (fd === STDERR_FD || GONE.has(errorCode(error))) return;
      else
        throw new Failure(EXIT.cannotCreate, [`Cannot write standard output: ${fileTrouble(error)}`], { cause: error });
    }
  }
}

/** Characters that move the cursor, end a line, change its colour or reverse its direction. */
const UNPRINTABLE = /(?!\t)[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** Makes text from outside safe for a terminal: control characters become `\\xNN` or `\\u{NNNN}`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** Escapes JSON so that it is safe for a terminal. Its value stays the same. */
function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (char) =>
    Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
  );
}
