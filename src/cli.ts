/** The command line: turns arguments and environment into an exit code. Only this file and main.js read process.env. */
import { type Call, OPTIONS, type OptionName, type OptionValues } from "./commands/call.ts";
import { standardOutput } from "./commands/output.ts";
import { COMMANDS, commandName } from "./commands/table.ts";
import { readFileSync } from "./process/builtins.ts";
import { EXIT, Failure, usageError } from "./process/exit.ts";

/** The folder of package.json. */
const packageDir = import.meta.dirname.replace(/\/[^/]*$/, "");

/**
 * Runs one command line, without the program's name. Loads only the code that it needs, because a person waits for it.
 */
export async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals: words } = await parse(argv);
  if (values.version === true) return print([version()]);
  const name = commandName(words);
  if (name !== undefined && values.help !== true) return call(name, words.slice(name.split(" ").length), values);
  const { help, unknownCommand } = await import("./commands/usage.ts");
  if (values.help === true) return print(help(words));
  if (words[0] === "help") return print(help(words.slice(1)));
  throw unknownCommand(words);
}

async function call(name: string, operands: readonly string[], options: OptionValues): Promise<number> {
  const command = COMMANDS[name];
  const refused = Object.keys(options).find((option) => command?.options.includes(option as OptionName) !== true);
  if (command === undefined || refused !== undefined) throw usageError(`${name} takes no --${refused}`);
  if (command.operands === undefined && operands.length > 0)
    throw usageError(`${name} takes no operand, got "${operands.join(" ")}"`);
  const isOperandWanted = command.operands !== undefined && !command.operands.startsWith("[");
  if (isOperandWanted && operands.length === 0) throw usageError(`${name}: want ${command.operands}`);
  const given = createCall(options, operands);
  const runCommand = await command.load();
  return runCommand(given);
}

function createCall(options: OptionValues, operands: readonly string[]): Call {
  const { CREDENTIALS_DIRECTORY, JOURNAL_STREAM, POSTVOUCH_NOW } = process.env;
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = process.env;
  return {
    around: { configFile: options.config, packageDir, credentialsDir: CREDENTIALS_DIRECTORY },
    options,
    operands,
    output: standardOutput,
    version: version(),
    timeMs: clock(POSTVOUCH_NOW ?? ""),
    isClockFrozen: (POSTVOUCH_NOW ?? "") !== "",
    journal: (JOURNAL_STREAM ?? "") !== "",
    activation: { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES },
  };
}

async function parse(argv: readonly string[]): Promise<{ values: OptionValues; positionals: string[] }> {
  // An import of node:util would load what each of its exports needs, and take as long as all of `--version` does.
  const { parseArgs } = process.getBuiltinModule("node:util");
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    const { wrongOption } = await import("./commands/usage.ts");
    throw wrongOption(error);
  }
}

/** The clock of SRS. $POSTVOUCH_NOW (unix seconds) freezes it, to test or to replay an incident. */
function clock(frozen: string): () => number {
  if (frozen === "") return Date.now;
  if (!/^\d{1,12}$/.test(frozen)) throw usageError(`POSTVOUCH_NOW: got "${frozen}", want unix seconds`);
  const timeMs = Number(frozen) * 1000;
  return () => timeMs;
}

function version(): string {
  const { version: text } = JSON.parse(readFileSync(`${packageDir}/package.json`, "utf8")) as { version: string };
  return text;
}

function print(lines: readonly string[]): number {
  for (const line of lines) standardOutput.line(line);
  return EXIT.ok;
}

/** Prints the problem and ends the process. Only an unexpected error prints a stack trace. */
export function giveUp(error: unknown): never {
  if (error instanceof Failure) {
    for (const line of error.lines) standardOutput.problem(line);
    process.exit(error.exitCode);
  }
  process.stderr.write(
    `postvouch: fatal: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(EXIT.software);
}
