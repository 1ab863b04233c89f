/** Where a command writes: results on standard output, problems on standard error. What it is given is made printable. */

import { writeSync } from "../process/builtins.ts";
import { EXIT, errorCode, Failure, fileTrouble } from "../process/exit.ts";

export interface Output {
  /** One line, whatever stands in it. */
  line(text: string): void;
  /** One object on a line; `replacer` as JSON.stringify takes it. */
  json(value: unknown, replacer?: (key: string, value: unknown) => unknown): void;
  /** One line for the admin. */
  problem(text: string): void;
}

export const standardOutput: Output = {
  line: (text) => write(STDOUT_FD, printable(text)),
  json: (value, replacer) => write(STDOUT_FD, printableJson(JSON.stringify(value, replacer))),
  problem: (text) => write(STDERR_FD, `postvouch: ${printable(text)}`),
};

const STDOUT_FD = 1;
const STDERR_FD = 2;

/** A reader that went away (postvouch ... | head), or a terminal, is no fault. */
const GONE: ReadonlySet<string> = new Set(["EPIPE", "EIO"]);

/** A pipe that is full is tried again after this time, in milliseconds. */
const RETRY_MS = 5;

/**
 * Writes a line and waits until it is written. Node's own streams for these descriptors wait as well, and take as long to
 * load as the rest of a small command.
 *
 * @throws {Failure} when results cannot be written: "all well" behind an empty file of secrets would be untrue
 */
function write(fd: number, line: string): void {
  let bytes = Buffer.from(`${line}\n`);
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

/** What moves the cursor, ends a line, colours it or turns its direction. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** Text from outside as one line that a terminal can be shown: control characters become `\\xNN` or `\\u{NNNN}`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** The same value for every JSON parser, and nothing in it that a terminal would obey. */
function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (char) =>
    Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
  );
}
