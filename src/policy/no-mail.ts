/** The policy of a domain that sends no mail: `v=spf1 -all` (RFC 7208 section 10.1.2). */

/**
 * Whether `record` says that no host may send: `-all` is its only directive. Case and blanks do not matter, and neither
 * do modifiers (`exp=` only gives the text of the refusal; a `redirect` is not followed where there is an `all`).
 */
export function isNoMailPolicy(record: string | undefined): boolean {
  if (record === undefined) return false;
  const [version, ...terms] = record
    .toLowerCase()
    .split(" ")
    .filter((term) => term !== "");
  const directives = terms.filter((term) => !/^[a-z][a-z0-9._-]*=/.test(term));
  return version === "v=spf1" && directives.length === 1 && directives[0] === "-all";
}
