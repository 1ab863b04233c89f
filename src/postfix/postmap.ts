/**
 * Asks Postfix's lookup tables what Postfix would hear from them.
 *
 *     postmap -q - type:name      keys on stdin, one per line; "key TAB value" for each one found
 *                                 exit 0: some found; exit 1 and nothing but warnings on stderr: none found
 *
 * Keys go by stdin and not by argument: they are chosen by strangers, and one process can answer many.
 */
import { type PostfixCommand, runPostfix } from "./run.ts";

export type TableAnswer =
  | { readonly status: "answered"; readonly found: ReadonlySet<string> }
  /** The table could not be asked. `wrong` when that is the set-up's fault, not that of a server that is down. */
  | { readonly status: "failed"; readonly reason: string; readonly wrong: boolean };

/** Asks one table, e.g. `mysql:/etc/postfix/domains.cf`, which of some keys it has. */
export type AskTable = (table: string, keys: readonly string[]) => Promise<TableAnswer>;

/** Longest key in bytes: that of a domain name, with room. */
const MAX_KEY_BYTES = 255;
const TABLE = /^[a-z][a-z0-9_]*:\S/;

/** Whether `text` has the form of a Postfix table, `type:name`. */
export function isTable(text: string): boolean {
  return TABLE.test(text);
}

/**
 * The table to ask. `proxy:` is taken off: proxymap is for chrooted daemons, its socket is closed to other users, and
 * it asks the table behind it in just the same way.
 */
export function directTable(table: string): string {
  return table.replace(/^(?:proxy:)+/, "");
}

/** Makes an `AskTable` that runs one `postmap` for each call and never rejects. */
export function askPostmap(command: PostfixCommand): AskTable {
  return async (table, keys) => {
    // Tables come from main.cf too: one that begins with "-" would be read as an option.
    if (!isTable(table)) return { status: "failed", reason: "want type:name", wrong: true };
    const good = keys.filter(isKey);
    if (good.length === 0) return { status: "answered", found: new Set() };
    const run = await runPostfix("postmap", ["-q", "-", directTable(table)], `${good.join("\n")}\n`, command);
    if (run.status === "failed") return { ...run, wrong: false };
    const trouble = run.exitCode > 1 ? run.stderr : withoutWarnings(run.stderr);
    if (trouble.trim() !== "") return toFailure(run.stderr);
    return { status: "answered", found: foundKeys(run.stdout) };
  };
}

function isKey(key: string): boolean {
  return Buffer.byteLength(key) <= MAX_KEY_BYTES && !/[\s\0]/.test(key);
}

/** Drops the warnings about main.cf itself ("overriding earlier entry", "unused parameter"), which come with every lookup. */
function withoutWarnings(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => !/^\S+: (?:warning|info): /.test(line));
  return lines.join("\n");
}

/**
 * Tells a server that is down, which Postfix calls a "query error" and which will come back, from a table that cannot be
 * opened (a file that is missing or closed to us, a type that is not built in, bad syntax), which will not.
 */
function toFailure(stderr: string): TableAnswer {
  const reason = stderr
    .trim()
    .replaceAll(/\s*\n\s*/g, "; ")
    .slice(0, 500);
  return { status: "failed", reason, wrong: /: (?:fatal|error): /.test(stderr) && !stderr.includes(": query error") };
}

function foundKeys(stdout: string): Set<string> {
  const found = new Set<string>();
  for (const line of stdout.split("\n")) {
    const tab = line.indexOf("\t");
    if (tab > 0) found.add(line.slice(0, tab));
  }
  return found;
}
