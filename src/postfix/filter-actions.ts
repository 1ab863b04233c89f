/** Finds the FILTER actions of access(5) and header_checks(5), in values of main.cf and in the files of their tables. */

/** An action with its destination, such as `FILTER smtp-amavis:[127.0.0.1]:10024`. */
const ACTION = /(?<![\w-])FILTER[ \t]+([\w.-]+:[^\s,{}]*)/gi;

/** A table in a file, such as `hash:/etc/postfix/access` or `proxy:pcre:/etc/postfix/header_checks`. */
const TABLE = /\b\w+:(\/[^\s,{}]+)/g;

/**
 * The destinations, each as `transport:nexthop`, in the order of their actions. Only texts can be seen: a table in SQL or
 * LDAP has none.
 *
 * @param value of a parameter, or an item of it: tables in files, and `inline:{…}`
 * @param read the text of a file; undefined where it cannot be read
 */
export function filterDestinations(value: string, read: (path: string) => string | undefined): string[] {
  const files = [...value.matchAll(TABLE)].map(([, path = ""]) => read(path) ?? "");
  return [value, ...files].flatMap(destinationsIn);
}

function destinationsIn(text: string): string[] {
  const lines = text.split("\n").filter((line) => !line.trimStart().startsWith("#"));
  return [...lines.join("\n").matchAll(ACTION)].map(([, destination = ""]) => destination);
}
