/**
 * Manual pages from the tables of commands and parameters, and from the tables of docs/install.md: postvouch(8),
 * postvouch.toml(5), and one of section 1 for each command.
 */
import { COMMANDS } from "../src/commands/table.ts";
import { sections, toml } from "./config-docs.ts";
import { item, marked, type PageHead, page, prose, section, subsection, synopsis } from "./roff.ts";

const SUMMARY = "SPF, SRS, DKIM, DMARC and ARC for Postfix";

/** @param installMd docs/install.md, which has the tables of signals and of exit codes */
interface Sources {
  readonly installMd: string;
  /** YYYY-MM-DD. */
  readonly date: string;
  readonly version: string;
}

/** Texts by path below a folder `man`: `man8/postvouch.8`. */
export function manPages(sources: Sources): Record<string, string> {
  const pages: Record<string, string> = {
    "man8/postvouch.8": daemonPage(sources),
    "man5/postvouch.toml.5": configPage(sources),
  };
  for (const name of Object.keys(COMMANDS)) pages[`man1/${commandPage(name)}.1`] = manOfCommand(name, sources);
  return pages;
}

/** The name of a command's page: `postvouch-srs-forward`. */
function commandPage(name: string): string {
  return `postvouch-${name.replaceAll(" ", "-")}`;
}

function daemonPage({ installMd, ...rest }: Sources): string {
  const head: PageHead = { name: "postvouch", section: 8, summary: SUMMARY, ...rest };
  return page(
    head,
    section(
      "SYNOPSIS",
      ...Object.values(COMMANDS).map(({ usage }) => synopsis("postvouch", usage)),
      synopsis("postvouch", "help [COMMAND]"),
      synopsis("postvouch", "--version"),
    ),
    section(
      "DESCRIPTION",
      prose([
        "postvouch checks SPF on incoming mail, as a policy service of Postfix (check_policy_service), and rewrites the",
        "envelope sender of forwarded mail (SRS), as a lookup table (tcp_table and socketmap), so that SPF still passes",
        "at the next host. One process does both, and reports metrics and logs.",
        "",
        "Without configuration the defaults run. The log goes to standard error.",
      ]),
    ),
    section("COMMANDS", ...Object.entries(COMMANDS).map(([name, { summary }]) => item(name, `${summary}.`))),
    section("SIGNALS", ...tableAfter(installMd, "signal").map(([signal, effect]) => item(signal, `${effect}.`))),
    section("EXIT STATUS", ...tableAfter(installMd, "code").map(([code, meaning]) => item(code, `${meaning}.`))),
    section("ENVIRONMENT", ...ENVIRONMENT.map(([name, meaning]) => item(name, meaning))),
    section("FILES", ...FILES.map(([name, meaning]) => item(name, meaning))),
    section("SEE ALSO", prose(["postvouch.toml(5), postconf(5), tcp_table(5), socketmap_table(5), postmap(1)"])),
  );
}

function configPage({ installMd: _, ...rest }: Sources): string {
  const head: PageHead = { name: "postvouch.toml", section: 5, summary: "configuration of postvouch", ...rest };
  return page(
    head,
    section(
      "DESCRIPTION",
      prose([
        "TOML, in /etc/postvouch/postvouch.toml unless --config names another file. Without a file the defaults run.",
        "Unknown keys and wrong values are errors; postvouch check-config names them all.",
        "",
        'Durations are strings ("20s", "5m", "21d"). Endpoints are "127.0.0.1:10001", "[::1]:10001", "unix:/path", or',
        '"fd:NAME" for a socket of systemd. An empty list of endpoints turns that service off.',
        "",
        "SIGHUP reads the file again. On any error the old state stays and the error is logged.",
      ]),
    ),
    section(
      "KEYS",
      ...[...sections()].map(([name, rows]) =>
        subsection(
          name === "" ? "Top level" : `[${name}]`,
          ...rows.map(([key, { help, default: value, kind }]) =>
            item(`${key} = ${toml(value)}`, `${help} Wants ${kind.want}.`),
          ),
        ),
      ),
    ),
    section("SEE ALSO", prose(["postvouch(8)"])),
  );
}

function manOfCommand(name: string, { installMd: _, ...rest }: Sources): string {
  const { usage = "", summary = "", help = "" } = COMMANDS[name] ?? {};
  return page(
    { name: commandPage(name), section: 1, summary, ...rest },
    section("SYNOPSIS", synopsis("postvouch", usage)),
    section("DESCRIPTION", prose(help.split("\n"))),
    section("SEE ALSO", prose(["postvouch(8), postvouch.toml(5)"])),
  );
}

/** The rows of the Markdown table whose first column has this name. @throws {Error} if there is none */
function tableAfter(markdown: string, column: string): [string, string][] {
  const [, table] = markdown.split(`\n| ${column} |`);
  if (table === undefined) throw new Error(`Cannot find the table "${column}": not in docs/install.md`);
  const lines = table.split("\n").slice(2);
  const rows = lines.slice(0, lines.indexOf("")).map((row) => row.split(" | "));
  return rows.map(([first = "", second = ""]) => [marked(first.slice(2)), marked(second.replace(/ \|$/, ""))]);
}

const ENVIRONMENT = [
  ["CREDENTIALS_DIRECTORY", "Directory of systemd credentials. A file srs.secrets in it is the secrets file."],
  ["POSTVOUCH_NOW", "Unix seconds: freezes the clock of SRS, to replay an incident."],
] as const;

const FILES = [
  ["/etc/postvouch/postvouch.toml", "Configuration."],
  ["/var/lib/postvouch/srs.secrets", "Secrets. The first line signs, all verify. Keep a copy."],
] as const;
