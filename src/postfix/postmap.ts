/**
 * Asks Postfix's lookup tables through `postmap`, so the answers are those that Postfix would get.
 *
 *     postmap -q - type:name      keys on stdin, one per line; "key TAB value" for each one found
 *                                 exit 0: some found; exit 1 and nothing but warnings on stderr: none found
 *
 * Keys are sent on stdin, not as arguments, because strangers choose them, and because one process can answer many.
 */
import { type PostfixCommand, runPostfix } from "./run.ts";

export type TableAnswer =
  | { readonly status: "answered"; readonly found: ReadonlySet<string> }
  /** The table could not be asked. `wrong` is true for a fault of the set-up, false for a server that is down. */
  | { readonly status: "failed"; readonly reason: string; readonly wrong: boolean };

/** Asks one table, such as `mysql:/etc/postfix/domains.cf`, which of the keys it has. */
export type AskTable = (table: string, keys: readonly string[]) => Promise<TableAnswer>;

/** Longest key in bytes, enough for any domain name. */
const MAX_KEY_BYTES = 255;
const TABLE = /^[a-z][a-z0-9_]*:\S/;

/** Tells if `text` has the form of a Postfix table, `type:name`. */
export function isTable(text: string): boolean {
  return TABLE.test(text);
}

/**
 * The table without `proxy:`. proxymap is for chrooted daemons, and its socket is closed to other users. It would ask
 * the same table in the same way.
 */
export function directTable(table: string): string {
  return table.replace(/^(?:proxy:)+/, "");
}

/** Makes an `AskTable` that runs one `postmap` for each call and never rejects. */
export function askPostmap(command: PostfixCommand): AskTable {
  return async (table, keys) => {
    // Checked again, because tables come from main.cf too, and one that begins with "-" would be read as an option.
    if (!isTable(table)) return { status: "failed", reason: "want type:name", wrong: true };
    const good = keys.filter(isKey);
    if (good.length === 0) return { status: "answered", found: new Set() };
    const run = await runPostfix("postmap", ["-q", "-", directTable(table)], `${good.join("\n")}\n`, command);
    if (run.status === "failed") return { ...run, wrong: false };
    const trouble = run.exitCode > 1 ? run.stderr : withoutWarnings(run.stderr);
    if (trouble.trim() !== "") return toFailure(run.stderr);
    const found = foundKeys(run.stdout);
    if (run.exitCode === 0 && found.size === 0) {
      const reason = `Cannot ask "${table}": postmap ended well and printed no answer`;
      return { status: "failed", reason, wrong: false };
    }
    return { status: "answered", found };
  };
}

/**
 * The value of one key.
 *
 * @throws {Error} when the table cannot be asked
 */
export async function lookUp(table: string, key: string, command: PostfixCommand): Promise<string | undefined> {
  if (!isTable(table) || !isKey(key)) throw new Error(`Cannot ask "${table}" for "${key}": want type:name and a key`);
  const run = await runPostfix("postmap", ["-q", "-", directTable(table)], `${key}\n`, command);
  if (run.status === "failed") throw new Error(run.reason);
  if (run.exitCode > 1 || withoutWarnings(run.stderr).trim() !== "") {
    throw new Error(`Cannot ask "${table}": ${oneLine(run.stderr)}`);
  }
  const value = run.stdout.split("\n", 1)[0] ?? "";
  if (value.startsWith(`${key}\t`)) return value.slice(key.length + 1).trimEnd();
  if (run.exitCode === 0) throw new Error(`Cannot ask "${table}": postmap ended well and printed no answer`);
  return undefined;
}

/** All keys and values of a table; `undefined` for one that cannot list them, or cannot be asked. */
export async function listTable(table: string, command: PostfixCommand): Promise<Map<string, string> | undefined> {
  if (!isTable(table)) return undefined;
  const run = await runPostfix("postmap", ["-s", directTable(table)], "", command);
  if (run.status === "failed" || run.exitCode !== 0) return undefined;
  return new Map(
    run.stdout.split("\n").flatMap((line): [string, string][] => {
      const tab = line.indexOf("\t");
      return tab > 0 ? [[line.slice(0, tab), line.slice(tab + 1)]] : [];
    }),
  );
}

function isKey(key: string): boolean {
  return Buffer.byteLength(key) <= MAX_KEY_BYTES && !/[\s\0]/.test(key);
}

/**
 * Removes the warnings about main.cf itself ("overriding earlier entry", "unused parameter"), which each lookup prints.
 */
function withoutWarnings(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => !/^\S+: (?:warning|info): /.test(line));
  return lines.join("\n");
}

/**
 * Distinguishes a server that is down from a table that cannot be opened. The first is a "query error" for Postfix and
 * will pass. The second will not: a missing or unreadable file, a type that is not built in, bad syntax.
 */
function toFailure(stderr: string): TableAnswer {
  return {
    status: "failed",
    reason: oneLine(stderr),
    wrong: /: (?:fatal|error): /.test(stderr) && !stderr.includes(": query error"),
  };
}

function oneLine(stderr: string): string {
  return stderr
    .trim()
    .replaceAll(/\s*\n\s*/g, "; ")
    .slice(0, 500);
}

function foundKeys(stdout: string): Set<string> {
  const found = new Set<string>();
  for (const line of stdout.split("\n")) {
    const tab = line.indexOf("\t");
    if (tab > 0) found.add(line.slice(0, tab));
  }
  return found;
}
