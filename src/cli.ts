/** The command line: arguments and environment in, exit code out. The only reader of process.env. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkConfig } from "./commands/check-config.ts";
import { standardOutput } from "./commands/output.ts";
import { commandHelp, GENERAL_HELP } from "./commands/usage.ts";
import { EXIT, Failure } from "./process/exit.ts";
import type { Surroundings } from "./setup/setup.ts";

const packageDir = join(import.meta.dirname, "..");

/** Every option of every command. */
const OPTIONS = {
  config: { type: "string" },
  json: { type: "boolean" },
  explain: { type: "boolean" },
  ip: { type: "string" },
  helo: { type: "string" },
  sender: { type: "string" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "V" },
} as const;

type OptionName = keyof typeof OPTIONS;

/** Which options each command takes. */
const COMMANDS: Readonly<Record<string, readonly OptionName[]>> = {
  serve: ["config"],
  "check-config": ["config"],
  srs: ["config", "json"],
  spf: ["config", "json", "explain", "ip", "helo", "sender"],
};

function usageError(problem: string): Failure {
  return new Failure(EXIT.usage, [`${problem}; "postvouch --help" tells what there is`]);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    const [what = ""] = error instanceof Error ? error.message.split(/\.(?:\s|$)/) : [];
    throw usageError(what);
  }
}

/** Runs one command line, without the program's name. */
export async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parse(argv);
  const [command, ...operands] = positionals;
  if (values.version === true) {
    standardOutput.line(version());
    return EXIT.ok;
  }
  if (command === undefined) {
    if (values.help === true) {
      standardOutput.line(GENERAL_HELP);
      return EXIT.ok;
    }
    throw usageError("want a command: serve, check-config, srs or spf");
  }
  const allowed = COMMANDS[command];
  if (allowed === undefined) throw usageError(`no such command: "${command}"`);
  if (values.help === true) {
    standardOutput.line(commandHelp(command));
    return EXIT.ok;
  }
  const refused = Object.keys(values).find((name) => !allowed.includes(name as OptionName));
  if (refused !== undefined) throw usageError(`${command} takes no --${refused}`);
  return dispatch(command, operands, values);
}

type Values = ReturnType<typeof parse>["values"];

/** The commands are loaded one by one: `srs` need not wait for what `spf` brings along. */
async function dispatch(command: string, operands: readonly string[], values: Values): Promise<number> {
  const around = surroundings(values.config);
  const now = clock();
  if (command === "srs") {
    const { runSrs } = await import("./commands/srs.ts");
    return runSrs({ around, operands, json: values.json === true, now }, standardOutput);
  }
  if (operands.length > 0) throw usageError(`${command} takes no operand, got "${operands.join(" ")}"`);
  if (command === "check-config") return checkConfig(around, standardOutput);
  if (command === "spf") {
    const { runSpf } = await import("./commands/spf.ts");
    const { ip, helo = "", sender = "", json = false, explain = false } = values;
    if (ip === undefined) throw usageError("spf: want --ip with the client's address");
    return runSpf({ around, clientAddress: ip, heloName: helo, sender, json, explain }, standardOutput);
  }
  const { serve } = await import("./commands/serve.ts");
  const { JOURNAL_STREAM, POSTVOUCH_NOW } = process.env;
  return serve({
    around,
    version: version(),
    now,
    isClockFrozen: (POSTVOUCH_NOW ?? "") !== "",
    journal: (JOURNAL_STREAM ?? "") !== "",
  });
}

function surroundings(configFile: string | undefined): Surroundings {
  return { configFile, packageDir, credentialsDir: process.env.CREDENTIALS_DIRECTORY };
}

/** The clock that SRS reads; $POSTVOUCH_NOW (unix seconds) freezes it, for tests and for replaying an incident. */
function clock(): () => number {
  const frozen = process.env.POSTVOUCH_NOW ?? "";
  if (frozen === "") return Date.now;
  if (!/^\d{1,12}$/.test(frozen)) throw usageError(`POSTVOUCH_NOW: got "${frozen}", want unix seconds`);
  const nowMs = Number(frozen) * 1000;
  return () => nowMs;
}

function version(): string {
  const { version: text } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as { version: string };
  return text;
}

/** Says what is wrong and leaves; only what nobody foresaw leaves a stack trace. */
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
