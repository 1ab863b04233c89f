/** Writes a restriction list anew, so that the policy services in it are where and as they should be. */
import { splitItems } from "../../postfix/match-list.ts";
import type { Setup } from "../../setup/setup.ts";
import { postconf } from "../check.ts";
import type { PostfixFacts } from "../facts.ts";
import { isOurs, nameOf, type PolicyCall, policyCalls } from "../restrictions.ts";

/** Items of a list that end the way of mail for strangers' domains. */
export const RELAY_GUARDS = ["reject_unauth_destination", "defer_unauth_destination"];

/** The lists that decide whether a stranger may send to strangers. */
export const RELAY_LISTS: ReadonlySet<string> = new Set(["smtpd_relay_restrictions", "smtpd_recipient_restrictions"]);

/** An option without blanks around "=". Inner braces may have some. */
export function tight(option: string): string {
  return option.startsWith("{") ? option : option.replaceAll(/\s*=\s*/g, "=");
}

function braces(endpoint: string, options: readonly string[]): string {
  return options.length === 0 ? endpoint : `{ ${[endpoint, ...options].join(", ")} }`;
}

/**
 * The command that writes the list of a call anew. It mends all that is wrong with the calls in it at once, because the
 * commands of several checks would undo each other. For a list in master.cf, or behind a `$name`, it is said in words.
 *
 * @param drop another call to leave out
 */
export function mendList(call: PolicyCall, postfix: PostfixFacts, setup: Setup, drop?: PolicyCall): string {
  const { name, service } = call.list;
  const items = splitItems(postfix.written(name) ?? "").filter(Boolean);
  if (service !== undefined || !items.includes(call.text)) return `edit ${nameOf(call.list)}`;
  const calls = new Map(policyCalls({ ...call.list, items }).map((one) => [one.index, one]));
  const entries = items.flatMap((item, index) => {
    if (items[index - 1] === "check_policy_service") return [];
    const one = calls.get(index);
    if (one === undefined) return [{ text: item, isPolicy: false }];
    if (one.text === drop?.text) return [];
    const text = isOurs(one, setup, postfix) ? tidied(one, setup) : braces(one.endpoint, one.options.map(tight));
    return [{ text: `check_policy_service ${text}`, isPolicy: true }];
  });
  // Postfix wants a restriction class to have an item.
  if (entries.length === 0) return `edit ${nameOf(call.list)}`;
  return postconf(`${name} = ${joined(RELAY_LISTS.has(name) ? behindGuard(entries) : entries)}`);
}

interface Entry {
  readonly text: string;
  readonly isPolicy: boolean;
}

/** Moves the policy services that come before reject_unauth_destination behind it. */
function behindGuard(entries: readonly Entry[]): readonly Entry[] {
  const guard = entries.findIndex(({ text }) => RELAY_GUARDS.includes(text));
  const others = entries.filter(({ isPolicy }) => !isPolicy);
  if (guard === -1) {
    const added = { text: "reject_unauth_destination", isPolicy: false };
    return [...others, added, ...entries.filter(({ isPolicy }) => isPolicy)];
  }
  const [before, behind] = [entries.slice(0, guard + 1), entries.slice(guard + 1)];
  return [...before.filter(({ isPolicy }) => !isPolicy), ...before.filter(({ isPolicy }) => isPolicy), ...behind];
}

/** A call of ours without blanks, without a default_action that lets mail in, and with time enough. */
function tidied({ endpoint, options }: PolicyCall, { config }: Setup): string {
  const limitSeconds = config["policy.time_limit"] / 1000;
  const kept = options.filter((option) => !LETS_IN.test(option)).map(tight);
  const timeout = kept.find((option) => option.startsWith("timeout="));
  const isLong = timeout !== undefined && (postfixSeconds(timeout.slice("timeout=".length)) ?? 0) > limitSeconds;
  const others = kept.filter((option) => option !== timeout);
  return braces(endpoint, [isLong ? timeout : `timeout=${Math.ceil(limitSeconds * 1.5)}s`, ...others]);
}

/** A default_action with which mail passes unchecked. */
export const LETS_IN = /^default_action\s*=\s*(?:DUNNO|OK)\b/i;

/** A list for main.cf. Other names that take an argument keep it beside them. */
function joined(entries: readonly Entry[]): string {
  return entries.reduce((text, entry, index) => {
    if (index === 0) return entry.text;
    return `${text}${/^check_\w+$/.test(entries[index - 1]?.text ?? "") ? " " : ", "}${entry.text}`;
  }, "");
}

/** A time of Postfix in seconds: `30`, `30s`, `5m`. */
export function postfixSeconds(text: string): number | undefined {
  const [, digits, unit = "s"] = /^(\d+)([smhdw])?$/.exec(text) ?? [];
  const factor = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }[unit];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}
