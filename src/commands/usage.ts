/** What `--help` prints. */
import { PARAMETERS, type Parameter } from "../config/parameters.ts";
import { DEFAULT_CONFIG_FILE } from "../setup/config-file.ts";
import { wrap } from "./output.ts";

export const GENERAL_HELP = `postvouch: SPF policy service and SRS lookup tables for Postfix

  postvouch serve [--config FILE]            run the daemon in the foreground
  postvouch check-config [--config FILE]     read all that serve would read, bind nothing
  postvouch srs forward|reverse [--json] ADDRESS...
                                             rewrite addresses; "-" reads them from stdin
  postvouch srs secret                       make a secret, for a line of the secrets file
  postvouch spf --ip IP [--helo NAME] [--sender ADDRESS] [--json] [--explain]
                                             check HELO and MAIL FROM as the service would
  postvouch --version, --help, COMMAND --help

The configuration is ${DEFAULT_CONFIG_FILE} unless --config FILE says otherwise.
Exit codes are those of sysexits.h: 64 usage, 78 configuration, 75 try again.`;

const COMMAND_HELP: Readonly<Record<string, string>> = {
  "check-config": `postvouch check-config [--config FILE]

Reads everything that serve would read and names every problem. Binds nothing.
Exits 0 when all is well, 78 when not.`,
  srs: `postvouch srs forward|reverse [--config FILE] [--json] ADDRESS...
postvouch srs secret

Prints each rewritten address on a line; why one was not rewritten goes to
stderr. "-" reads addresses from stdin, one per line.
--json prints one object per address: address, map, rewritten, outcome,
reason. Exits 1 if one was not rewritten.
srs secret prints a new random secret.
POSTVOUCH_NOW=<unix seconds> freezes the clock.`,
  spf: `postvouch spf --ip IP [--helo NAME] [--sender ADDRESS]
              [--config FILE] [--json] [--explain]

Checks HELO and MAIL FROM as the policy service would, and says what Postfix
would be answered. Without --sender the null sender is checked, which is
postmaster at the HELO name.
--explain prints the evaluation: records, mechanisms, lookups, answers, times,
and the reason of the verdict in a sentence. --json prints one object.`,
};

/** The help of one command. That of `serve` lists every configuration key. */
export function commandHelp(command: string): string {
  return COMMAND_HELP[command] ?? serveHelp();
}

function serveHelp(): string {
  const keys = Object.entries<Parameter<unknown>>(PARAMETERS).map(
    ([name, { help, default: value }]) =>
      `${name} = ${JSON.stringify(value)}\n${wrap(help, 73)
        .map((line) => `      ${line}`)
        .join("\n")}`,
  );
  return `postvouch serve [--config FILE]

Runs the daemon in the foreground. SIGHUP reads the configuration, the secrets
and the domain lists again; SIGTERM answers what is under way and ends.

The configuration is TOML. Its keys, with their defaults:

${keys.join("\n")}`;
}
