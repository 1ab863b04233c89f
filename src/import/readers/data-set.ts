/** Reads data sets of OpenDKIM (opendkim(8), "DATA SETS"): lists in the option itself, and in files. */
import type { Host } from "./finding.ts";
import type { MilterOptions } from "./milter-options.ts";

/** An element, or a key with its value. */
export interface Row {
  readonly key: string;
  readonly value: string | undefined;
  /** Its place: that of the option, or the line of the file. */
  readonly where: string;
}

export interface DataSet {
  readonly rows: readonly Row[];
  /** True if `*` in a key stands for any text (`refile:`). */
  readonly hasPatterns: boolean;
}

/** Kinds whose content is in a program or in a database. */
const ELSEWHERE = /^(?:db|dsn|ldap|ldaps|ldapi|lua|memcache|erlang|mdb|redis|socket):/i;

/**
 * Reads the set that an option names.
 *
 * @returns the reason for one that cannot be read
 */
export function readDataSet(name: string, options: MilterOptions, host: Host): DataSet | string {
  const text = options.text(name) ?? "";
  const [, kind, rest = ""] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  if (kind === undefined) {
    if (text.endsWith(".db")) return `"${text}" is a database, which is not read here`;
    return text.startsWith("/")
      ? readTable(text, false, options, host)
      : { rows: listed(text, options.where(name)), hasPatterns: false };
  }
  switch (kind.toLowerCase()) {
    case "csl":
      return { rows: listed(rest, options.where(name)), hasPatterns: false };
    case "file":
      return readTable(rest, false, options, host);
    case "refile":
      return readTable(rest, true, options, host);
    default:
      return ELSEWHERE.test(text)
        ? `"${kind}:" is answered by a program or a database, which is not asked here`
        : `"${kind}:" is no kind of list, so ${options.program} does not start with it`;
  }
}

function listed(text: string, where: string): Row[] {
  return text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .map((entry) => {
      const at = entry.indexOf("=");
      return at === -1
        ? { key: entry, value: undefined, where }
        : { key: entry.slice(0, at), value: entry.slice(at + 1), where };
    });
}

/** A file with a row on a line, blanks between key and value. */
function readTable(path: string, hasPatterns: boolean, options: MilterOptions, host: Host): DataSet | string {
  const file = options.at(path.trim());
  const text = host.readFile(file);
  if (text === undefined) return `Cannot read "${file}"`;
  const rows = text.split("\n").flatMap((line, index) => {
    const content = (line.split("#", 1)[0] ?? "").trim();
    if (content === "") return [];
    const [key = ""] = content.split(/\s/, 1);
    const value = content.slice(key.length).trim();
    return [{ key, value: value === "" ? undefined : value, where: `${file}:${index + 1}` }];
  });
  return { rows, hasPatterns };
}
