/** `postvouch explain-bounce`: says what a reply of a receiver or a line of a log means, and what to do about it. */
import { type Explanation, explainBounce } from "../bounce/explain.ts";
import { readSync } from "../process/builtins.ts";
import { EXIT, errorCode, Failure, fileTrouble, usageError } from "../process/exit.ts";
import type { Call } from "./call.ts";
import type { Output } from "./output.ts";
import { wrap } from "./wrap.ts";

const COLUMNS = 80;

/**
 * Prints an explanation for each cause in the text.
 *
 * @returns 1 if it is not known; then the meaning of its codes is a problem
 * @throws {Failure} without a text
 */
export function explain({ operands, options, output }: Call): number {
  const text = operands.length === 0 || operands.join() === "-" ? readText(operands.length > 0) : operands.join(" ");
  if (text.trim() === "") {
    throw new Failure(EXIT.dataError, ["Cannot explain the bounce: it is empty, want a log line or a notification"]);
  }
  const { explanations, unknown } = explainBounce(text);
  for (const one of explanations) {
    if (options.json === true) output.json(one);
    else print(one, output);
  }
  if (explanations.length > 0) return EXIT.ok;
  for (const line of unknown) output.problem(line);
  const wish = "want a line of the mail log, a reply of a server or a whole notification";
  output.problem(
    unknown.length > 0 ? "no more is known about this reply" : `Cannot find a reply or a known line in it: ${wish}`,
  );
  return EXIT.notExplained;
}

function print({ by, code, recipients, means, todo, who }: Explanation, output: Output): void {
  const to = recipients.length === 0 ? "" : `, to ${recipients.join(", ")}`;
  output.line(`${by}${code === "" ? "" : `, ${code}`}${to}`);
  for (const [name, sentence] of [
    ["means:", means],
    ["do:", todo],
    ["who:", who],
  ] as const) {
    for (const line of wrap(`  ${name.padEnd(6)} ${sentence}`, COLUMNS, " ".repeat(9))) output.line(line);
  }
}

const STDIN_FD = 0;

/** Largest text in bytes. What is behind it is the returned message. */
const MAX_BYTES = 1 << 20;

/** Time after which an empty pipe is read again, in milliseconds. */
const RETRY_MS = 20;

/** Reads standard input. At a terminal it waits only if the command line asked for that. */
function readText(isAsked: boolean): string {
  if (!isAsked && process.getBuiltinModule("node:tty").isatty(STDIN_FD)) {
    throw usageError("explain-bounce: want TEXT, or the text on standard input");
  }
  const bytes = Buffer.alloc(MAX_BYTES);
  let length = 0;
  while (length < MAX_BYTES) {
    try {
      const count = readSync(STDIN_FD, bytes, length, MAX_BYTES - length, null);
      if (count === 0) break;
      length += count;
    } catch (error) {
      if (errorCode(error) === "EOF") break;
      if (errorCode(error) !== "EAGAIN") {
        throw new Failure(EXIT.dataError, [`Cannot read standard input: ${fileTrouble(error)}`], { cause: error });
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
  return bytes.toString("utf8", 0, length);
}
