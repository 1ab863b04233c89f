/** Writes the text of `--help`, and the errors for a wrong command line. */
import { nearest } from "../collections/nearest.ts";
import { type Failure, usageError } from "../process/exit.ts";
import { OPTIONS } from "./call.ts";
import { COMMANDS, commandName } from "./table.ts";
import { wrap } from "./wrap.ts";

/** Column of the summaries, and width of a line. */
const SUMMARY_COLUMN = 40;
const COLUMNS = 80;

/**
 * The help of the command or group that `words` begin with; without words the list of all commands.
 *
 * @throws {Failure} when there is no such command
 */
export function help(words: readonly string[]): string[] {
  if (words.length === 0) return generalHelp();
  const name = commandName(words);
  const names = name === undefined && words.length === 1 ? group(words[0] ?? "") : [name ?? ""];
  const commands = names.flatMap((one) => COMMANDS[one] ?? []);
  if (commands.length === 0) throw unknownCommand(words);
  return [
    ...commands.flatMap(({ usage }) => wrap(`postvouch ${usage}`, COLUMNS, " ".repeat(14))),
    ...[...new Set(commands.map((command) => command.help))].flatMap((text) => ["", ...text.split("\n")]),
  ];
}

function generalHelp(): string[] {
  return [
    "postvouch: SPF, SRS, DKIM, DMARC and ARC for Postfix",
    "",
    ...Object.values(COMMANDS).flatMap(({ usage, summary }) => {
      const lines = wrap(`  postvouch ${usage}`, COLUMNS, " ".repeat(14));
      const last = lines.at(-1) ?? "";
      return last.length + 2 <= SUMMARY_COLUMN
        ? [...lines.slice(0, -1), last.padEnd(SUMMARY_COLUMN) + summary]
        : [...lines, " ".repeat(SUMMARY_COLUMN) + summary];
    }),
    "  postvouch help [COMMAND], COMMAND --help, --version",
    "",
    "The configuration is /etc/postvouch/postvouch.toml unless --config FILE says",
    "otherwise. Exit codes are those of sysexits.h: 64 usage, 78 configuration,",
    "75 try again.",
  ];
}

/** The error for `words` that begin with no command. */
export function unknownCommand(words: readonly string[]): Failure {
  const [first, second] = words;
  if (first === undefined) return usageError(`want a command: ${list(firstWords())}`);
  if (first === "help") return unknownCommand(words.slice(1));
  const verbs = group(first).map((name) => name.slice(first.length + 1));
  if (verbs.length > 0) {
    const got = second === undefined ? "" : `, got "${second}"${isMeant(nearest(second, verbs))}`;
    return usageError(`${first}: want ${list(verbs)}${got}`);
  }
  const inGroup = Object.keys(COMMANDS).find((name) => name.endsWith(` ${first}`));
  return usageError(`no such command: "${first}"${isMeant(inGroup ?? nearest(first, firstWords()))}`);
}

/** The error for options that util.parseArgs refuses. */
export function wrongOption(error: unknown): Failure {
  const [what = ""] = error instanceof Error ? error.message.split(/\.(?:\s|$)/) : [];
  const [, unknown = ""] = /^Unknown option '--([^']+)'/.exec(what) ?? [];
  const near = nearest(unknown, Object.keys(OPTIONS));
  return usageError(what + isMeant(near === undefined ? undefined : `--${near}`));
}

/** The names of a group of commands, such as `srs`. */
function group(word: string): string[] {
  return Object.keys(COMMANDS).filter((name) => name.startsWith(`${word} `));
}

function firstWords(): string[] {
  return [...new Set(Object.keys(COMMANDS).map((name) => name.replace(/ .*/, "")))];
}

function list(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function isMeant(name: string | undefined): string {
  return name === undefined ? "" : ` (is ${name} meant?)`;
}
