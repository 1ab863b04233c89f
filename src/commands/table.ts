/** Every command, once: how it is called, what it does, and the file that does it, loaded only when it is called. */
import type { Call, OptionName } from "./call.ts";

/**
 * Does what the command is for.
 *
 * @returns the exit code
 * @throws {Failure} when it cannot
 */
type Run = (call: Call) => number | Promise<number>;

export interface Command {
  /** What is typed after `postvouch`, options and operands included; at most two lines. */
  readonly usage: string;
  /** Half a line for the list of commands. */
  readonly summary: string;
  /** The rest of its help, in lines of at most 80 columns. */
  readonly help: string;
  readonly options: readonly OptionName[];
  /** What its operands are; without it, it takes none. */
  readonly operands?: string;
  readonly load: () => Promise<Run>;
}

const REWRITE_HELP = `Prints each rewritten address on a line; why one was not rewritten goes to
stderr. "-" reads addresses from stdin, one per line. An address may stand as a
log or a bounce shows it: from=<SRS0=...>, <SRS0=...>, or SRS0=3D...
--json prints one object per address: address, map, rewritten, outcome,
reason. Exits 1 if one was not rewritten.
POSTVOUCH_NOW=<unix seconds> freezes the clock.`;

/** By name. A name of two words is one of a group: `srs` alone tells the help of all of them. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    usage: "serve [--config FILE]",
    summary: "run the daemon in the foreground",
    help: `Runs the daemon in the foreground. SIGHUP reads the configuration, the secrets
and the domain lists again; SIGTERM answers what is under way and ends.
On a terminal it prints the main.cf lines that use it.
"postvouch help config" lists what the configuration may hold.`,
    options: ["config"],
    load: async () => (await import("./serve.ts")).serve,
  },
  "check-config": {
    usage: "check-config [--config FILE]",
    summary: "read all that serve would read, bind nothing",
    help: `Reads everything that serve would read and names every problem. Binds nothing.
Exits 0 when all is well, 78 when not.`,
    options: ["config"],
    load: async () => (await import("./check-config.ts")).checkConfig,
  },
  "srs forward": {
    usage: "srs forward [--config FILE] [--json] ADDRESS...",
    summary: 'rewrite senders; "-" reads them from stdin',
    help: REWRITE_HELP,
    options: ["config", "json"],
    operands: "ADDRESS...",
    load: async () => (await import("./srs.ts")).forward,
  },
  "srs reverse": {
    usage: "srs reverse [--config FILE] [--json] ADDRESS...",
    summary: "lead rewritten addresses back",
    help: REWRITE_HELP,
    options: ["config", "json"],
    operands: "ADDRESS...",
    load: async () => (await import("./srs.ts")).reverse,
  },
  "srs secret": {
    usage: "srs secret",
    summary: "make a secret, for a line of the secrets file",
    help: "Prints a new random secret.",
    options: [],
    load: async () => (await import("./srs-secret.ts")).printSecret,
  },
  spf: {
    usage:
      "spf --ip IP [--helo NAME] [--sender ADDRESS] [--record RECORD --domain NAME] [--config FILE] [--json] [--explain]",
    summary: "check HELO and MAIL FROM as the service would",
    help: `Checks HELO and MAIL FROM as the policy service would, and says what Postfix
would be answered. Without --sender the null sender is checked, which is
postmaster at the HELO name.
--record tries a policy before it is published: RECORD takes the place of what
NAME publishes, for NAME itself and where others include it. The sender is then
postmaster@NAME unless --sender says otherwise.
--explain prints the evaluation: records, mechanisms, lookups, answers, times,
and the reason of the verdict in a sentence. --json prints one object. DNS is
asked anew; a running daemon may still go by older answers, for as long as
their ttl says.`,
    options: ["config", "json", "explain", "ip", "helo", "sender", "record", "domain"],
    load: async () => (await import("./spf.ts")).runSpf,
  },
  "help config": {
    usage: "help config",
    summary: "list every key of the configuration",
    help: "Prints every key of the configuration with its default and what it is for.",
    options: [],
    load: async () => (await import("./help-config.ts")).printKeys,
  },
};

/** The command that `words` begin with. */
export function commandName(words: readonly string[]): string | undefined {
  return [words.slice(0, 2).join(" "), words[0] ?? ""].find((name) => Object.hasOwn(COMMANDS, name));
}
