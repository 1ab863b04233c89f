/** What a seal passes on of our own Authentication-Results fields (RFC 8617 section 4.1.1). */

/**
 * The value of ARC-Authentication-Results behind its number: our name, and the results of all fields.
 *
 * @param values what follows the colon of the fields, each written by this host. None: nothing is known of the message
 * @param authservId our name as it stands in such a field
 */
export function sealedResults(values: readonly string[], authservId: string): string {
  const results = values.map(withoutName).filter((text) => text !== "" && !/^none\b(?!=)/.test(text));
  const text = [authservId, ...(results.length === 0 ? ["none"] : results)].join(";\r\n\t");
  // No line of it can begin another field.
  const lines = text.split(/[\r\n]+/).map((line) => line.trim());
  return ` ${lines.filter((line) => line !== "").join("\r\n\t")}`;
}

/** The text behind the first semicolon that stands in no comment and in no quotes. */
function withoutName(value: string): string {
  const start = /^(?:[^;"()]|"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\))*;/s.exec(value)?.[0];
  return start === undefined ? "" : value.slice(start.length).trim();
}
