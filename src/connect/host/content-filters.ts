/** Finds the content filters of a Postfix: those of content_filter, and FILTER actions of access(5) and header_checks(5). */
import { readFileSync } from "node:fs";

/** Longest file of a table that is looked at, in characters. */
const MAX_CHARACTERS = 4_000_000;

/** An action with its destination, such as `FILTER smtp-amavis:[127.0.0.1]:10024`. */
const ACTION = /\bFILTER[ \t]+([\w-]+:[^\s,{}]*)/gi;

/** A table in a file, such as `hash:/etc/postfix/access`. */
const TABLE = /\b\w+:(\/[^\s,{}]+)/g;

/** Parameters whose tables have actions; a class of restrictions has a name of its own. */
const WITH_ACTIONS = /_(?:restrictions|checks)$/;

/**
 * Finds the destinations of all content filters. A table that cannot be read as text has none.
 *
 * @param parameters what main.cf sets, and the options of each service of master.cf, with each `$name` replaced
 * @returns `transport:nexthop`, each once
 */
export function findContentFilters(parameters: readonly ReadonlyMap<string, string>[]): readonly string[] {
  const classes = new Set(
    parameters.flatMap((values) => (values.get("smtpd_restriction_classes") ?? "").split(/[\s,]+/)),
  );
  const found = parameters.flatMap((values) =>
    [...values].flatMap(([name, value]) => {
      if (name === "content_filter") return value === "" ? [] : [value];
      if (!WITH_ACTIONS.test(name) && !classes.has(name)) return [];
      const tables = [...value.matchAll(TABLE)].map(([, path = ""]) => read(path));
      return [value, ...tables].flatMap(destinationsIn);
    }),
  );
  return [...new Set(found)];
}

function destinationsIn(text: string): string[] {
  const lines = text.split("\n").filter((line) => !line.trimStart().startsWith("#"));
  return [...lines.join("\n").matchAll(ACTION)].map(([, destination = ""]) => destination);
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1").slice(0, MAX_CHARACTERS);
  } catch {
    return "";
  }
}
