/** Lists of main.cf: maps, domains, restrictions. Blanks and commas inside braces do not end an entry. */
import { splitItems } from "../postfix/match-list.ts";

/** The entries of a list of maps or domains. */
export function entriesOf(value: string): string[] {
  return splitItems(value);
}

const POLICY_CALL = "check_policy_service";

/** Restrictions with an argument behind them (postconf(5), smtpd_recipient_restrictions). */
const WITH_ARGUMENT = /^(?:check_\w+|(?:reject|permit)_(?:rbl|rhsbl|dnswl|rhswl)_\w+|sleep)$/;

/** The entries of a list of restrictions, each with its argument. */
export function restrictionsOf(value: string): string[] {
  const entries: string[] = [];
  for (const word of splitItems(value)) {
    const last = entries.at(-1);
    if (last !== undefined && WITH_ARGUMENT.test(last)) entries[entries.length - 1] = `${last} ${word}`;
    else entries.push(word);
  }
  return entries;
}

/** The policy service that an entry calls, without options: `unix:private/policyd-spf`. */
export function policyServiceOf(entry: string): string | undefined {
  if (!entry.startsWith(`${POLICY_CALL} `)) return undefined;
  return /^\{?\s*([^\s,{}]+)/.exec(entry.slice(POLICY_CALL.length + 1))?.[1];
}

/** A list of the entries. */
export function joined(entries: readonly string[]): string {
  return entries.join(", ");
}

/**
 * Takes our changes out of a list that was edited since.
 *
 * @returns the entries; `undefined` if one of ours was edited or is gone
 */
export function takeOutEntries(
  before: readonly string[],
  made: readonly string[],
  now: readonly string[],
): string[] | undefined {
  const ours = made.filter((entry) => !before.includes(entry));
  if (ours.some((entry) => !now.includes(entry))) return undefined;
  const result = now.filter((entry) => !ours.includes(entry));
  for (const [index, entry] of before.entries()) {
    if (made.includes(entry) || result.includes(entry)) continue;
    const neighbour = before.slice(0, index).findLast((earlier) => result.includes(earlier));
    result.splice(neighbour === undefined ? 0 : result.indexOf(neighbour) + 1, 0, entry);
  }
  return result;
}
