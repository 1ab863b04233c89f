/** Finds the content filters of a Postfix: those of content_filter, and FILTER actions of access(5) and header_checks(5). */
import { filterDestinations } from "../../postfix/filter-actions.ts";
import { readText } from "../../process/regular-file.ts";

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
      return filterDestinations(value, readText);
    }),
  );
  return [...new Set(found)];
}
