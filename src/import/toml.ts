/** Writes postvouch.toml: each key with its origin beside it, in the order of the table of parameters. */
import { PARAMETERS } from "../config/parameters.ts";
import type { Setting, TableKey, TableSetting, TomlValue } from "./readers/finding.ts";

type InlineTable = Readonly<Record<string, string | boolean>>;

/** Columns up to which an origin stands behind its key; beyond, it stands above. */
const COLUMNS = 110;

/** The tables of the keys that are lists of them. */
export type Tables = Readonly<Record<TableKey, readonly TableSetting[]>>;

/**
 * Writes the file.
 *
 * @param title comment lines at the top, without their `#`
 */
export function writeToml(settings: readonly Setting[], tables: Tables, title: readonly string[]): string {
  const lines = title.map(comment);
  let section = "";
  for (const name of Object.keys(PARAMETERS)) {
    if (Object.hasOwn(tables, name)) continue;
    const setting = settings.find(({ key }) => key === name);
    if (setting === undefined) continue;
    const dot = name.lastIndexOf(".");
    if (name.slice(0, Math.max(dot, 0)) !== section) {
      section = name.slice(0, dot);
      lines.push("", `[${section}]`);
    }
    lines.push(...withOrigin(`${name.slice(dot + 1)} = ${tomlValue(setting.value)}`, setting.from));
  }
  for (const [name, list] of Object.entries(tables)) {
    for (const { values, from } of list) {
      lines.push("", comment(from), `[[${name}]]`);
      for (const [key, value] of Object.entries(values)) lines.push(`${key} = ${tomlValue(value)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function withOrigin(line: string, from: string): string[] {
  const beside = `${line}  ${comment(from)}`;
  return beside.length <= COLUMNS ? [beside] : [comment(from), line];
}

/** A comment may hold no control characters (TOML 1.0, "Comment"). */
function comment(text: string): string {
  return `# ${text.toWellFormed().replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?")}`.trimEnd();
}

function tomlValue(value: TomlValue | InlineTable): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object") return String(value);
  if (isList(value)) return `[${value.map(quoted).join(", ")}]`;
  const pairs = Object.entries(value).map(([key, inner]) => `${key} = ${tomlValue(inner)}`);
  return `{ ${pairs.join(", ")} }`;
}

function isList(value: readonly string[] | InlineTable): value is readonly string[] {
  return Array.isArray(value);
}

/** A basic string. TOML's escapes are those of JSON, but DEL needs one too, and a lone surrogate has none. */
function quoted(text: string): string {
  return JSON.stringify(text.toWellFormed()).replaceAll("\x7f", "\\u007f");
}
