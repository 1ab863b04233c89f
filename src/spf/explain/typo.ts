import { isIPv4, isIPv6 } from "node:net";

const MECHANISMS = ["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"] as const;

/** Other names that people give to a mechanism. */
const ALIASES: Readonly<Record<string, string>> = { ipv4: "ip4", ipv6: "ip6", ip: "ip4", exist: "exists", mail: "mx" };

/**
 * What was probably meant by a term that is no SPF, such as `ipv4:192.0.2.1` or a bare address.
 *
 * @returns `undefined` without a good guess.
 */
export function suggestTerm(text: string): string | undefined {
  const [, qualifier = "", body = ""] = /^([+\-?~]?)(.*)$/s.exec(text) ?? [];
  const suggestion = suggestAddress(body) ?? suggestModifier(body) ?? suggestMechanism(body);
  return suggestion === undefined || suggestion === body ? undefined : `${qualifier}${suggestion}`;
}

/** `192.0.2.1`, `a:192.0.2.1/24`, `ip4:2001:db8::1` and the like. */
function suggestAddress(body: string): string | undefined {
  const [, address = "", prefix = ""] = /^(?:(?:ipv?[46]?|a|mx)[:=])?([^/]+)(\/\d+)?$/i.exec(body) ?? [];
  if (isIPv4(address)) return `ip4:${address}${prefix}`;
  return isIPv6(address) ? `ip6:${address}${prefix}` : undefined;
}

function suggestModifier(body: string): string | undefined {
  const [, name, value] = /^(redirect|exp):(.+)$/i.exec(body) ?? [];
  return name === undefined ? undefined : `${name.toLowerCase()}=${value}`;
}

function suggestMechanism(body: string): string | undefined {
  const [, name = "", rest = ""] = /^([^:=/]*)(.*)$/s.exec(body) ?? [];
  const near = ALIASES[name.toLowerCase()] ?? MECHANISMS.find((known) => isOneEditAway(name.toLowerCase(), known));
  return near === undefined ? undefined : `${near}${rest}`;
}

/** Whether one added, dropped, changed or swapped letter makes `word` of a name of three letters or more. */
function isOneEditAway(word: string, name: string): boolean {
  if (name.length < 3 || Math.abs(word.length - name.length) > 1) return false;
  let start = 0;
  while (start < word.length && word[start] === name[start]) start++;
  let end = 0;
  while (end < Math.min(word.length, name.length) - start && word.at(-1 - end) === name.at(-1 - end)) end++;
  const rest = word.slice(start, word.length - end);
  const wanted = name.slice(start, name.length - end);
  const isSwap = rest.length === 2 && rest === `${wanted[1]}${wanted[0]}`;
  return isSwap || (rest.length <= 1 && wanted.length <= 1);
}
