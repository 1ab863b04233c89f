/** Guesses what was meant by a term that is not SPF or has no effect, from common mistakes in records. */
import { isIPv4, isIPv6 } from "node:net";
import { findSyntaxError } from "../../mailauth/spf.ts";
import { withoutOddCharacters } from "../odd-character.ts";
import { readNetworks } from "./written-address.ts";

/** A guess about terms of a record. */
export interface Hint {
  /** The terms as published. */
  readonly text: string;
  /** The terms to write instead: one or several. */
  readonly suggestion: string;
}

const MECHANISMS = ["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"];
const MODIFIERS = ["redirect", "exp"];

/** Other names that people give to a mechanism. */
const ALIASES: Readonly<Record<string, string>> = { ipv4: "ip4", ipv6: "ip6", ip: "ip4", exist: "exists", mail: "mx" };

/** Number of repairs that a single term may need, as in `"ipv4:192.0.2.1",`. */
const MAX_REPAIRS = 3;
/** Shortest prefix that is suggested. A larger network is a good part of the Internet, so it would be no help. */
const MIN_PREFIX_BITS = { ip4: 8, ip6: 16 } as const;

/**
 * Guesses what was meant by the term at `index`, which is not SPF. It looks at the neighbours too, because blanks may
 * have split the term.
 *
 * @returns `undefined` without a good guess, and if the guess would let everybody send mail
 */
export function suggestTerms(terms: readonly string[], index: number): Hint | undefined {
  const text = terms[index];
  if (text === undefined) return undefined;
  const torn = joinTorn(terms, index);
  const suggestion = torn === undefined ? repair(text, MAX_REPAIRS) : repair(torn.joined, MAX_REPAIRS);
  return suggestion === undefined || letsEverybodySend(suggestion)
    ? undefined
    : { text: torn?.text ?? text, suggestion };
}

/**
 * Guesses what was meant by a valid term that its author hardly wanted: `ip4=192.0.2.1`, `include:a.example,b.example`.
 */
export function suggestInstead(text: string): Hint | undefined {
  const suggestion = mechanismAsModifier(text) ?? splitAtCommas(text) ?? splitBeforeAll(text) ?? splitBeforeName(text);
  if (suggestion === undefined || suggestion === text || letsEverybodySend(suggestion)) return undefined;
  return { text, suggestion };
}

/** Guesses what was meant by a term with characters that are not ASCII, such as an en dash for "-". */
export function suggestAscii(text: string): Hint | undefined {
  const suggestion = withoutOddCharacters(text)?.trim();
  if (suggestion === undefined || suggestion === "" || letsEverybodySend(suggestion)) return undefined;
  return { text, suggestion };
}

/** Tells if a text was meant as an SPF record: `v=spf2 -all`, `spf1 a`, `"v=spf1 a"`, `v = spf1`, `v=SPF -all`. */
export function isNearlyRecord(text: string): boolean {
  if (/v\s*=\s*spf1/i.test(text)) return true;
  const plain = (withoutOddCharacters(text) ?? text).replace(/^[\s"'`(]+/, "");
  return /^(?:v\s*[=:]?\s*spf[\s._-]?\d*|spf[\s._-]?\d+)(?:[\s;,:"']|$)/i.test(plain);
}

/** Tells if a suggestion authorizes all of the Internet, or a good part of it. */
function letsEverybodySend(suggestion: string): boolean {
  return suggestion.split(" ").some((term) => {
    if (/^[-~?]/.test(term)) return false;
    const ipv6 = /^\+?ip6:/i.test(term) ? /\/(\d+)$/.exec(term) : /\/\/(\d+)$/.exec(term);
    const ipv4 = /^\+?ip6:/i.test(term) ? null : /[^/]\/(\d+)(?:$|\/\/)/.exec(term);
    return (
      /^\+?all$/i.test(term) ||
      Number(ipv4?.[1] ?? MIN_PREFIX_BITS.ip4) < MIN_PREFIX_BITS.ip4 ||
      Number(ipv6?.[1] ?? MIN_PREFIX_BITS.ip6) < MIN_PREFIX_BITS.ip6
    );
  });
}

interface Torn {
  /** The terms as published. */
  readonly text: string;
  readonly joined: string;
}

/**
 * Joins `- all`, `ip4: 192.0.2.1`, `include :x.example`, `ip4:192.0.2.1 - 192.0.2.9`, `ip4:192.0.2.0 255.255.255.0`.
 */
function joinTorn(terms: readonly string[], index: number): Torn | undefined {
  const [before = "", text = "", after = ""] = [terms[index - 1], terms[index], terms[index + 1]];
  const isRange = /^[-\u2013]$/.test(text) && /\d$/.test(before) && isIPv4(after);
  if (isRange || (/^[:=]$/.test(text) && isName(before) && after !== "")) {
    return { text: `${before} ${text} ${after}`, joined: `${before}${text}${after}` };
  }
  if (/^ip4:[\d.]+$/i.test(before) && (/^\/\d+$/.test(text) || isMask(text))) {
    return { text: `${before} ${text}`, joined: `${before}${text.startsWith("/") ? "" : "/"}${text}` };
  }
  if (/^[:=]./.test(text) && isName(before)) return { text: `${before} ${text}`, joined: `${before}${text}` };
  if (after === "") return undefined;
  if (isName(text) && /^[:=]$/.test(after)) {
    const value = terms[index + 2] ?? "";
    return { text: `${text} ${after} ${value}`, joined: `${text}${after}${value}` };
  }
  const isCut = /^[+\-?~]$/.test(text) || (/[:=]$/.test(text) && isName(text.slice(0, -1)));
  if (isCut || (isName(text) && /^[:=]/.test(after))) return { text: `${text} ${after}`, joined: `${text}${after}` };
  const isAddressApart = /^[+\-?~]?ip[46]$/i.test(text) && /^[\da-f.:/]+$/i.test(after);
  return isAddressApart ? { text: `${text} ${after}`, joined: `${text}:${after}` } : undefined;
}

/** Tells if a text is the name of a mechanism or modifier, with or without a qualifier. */
function isName(text: string): boolean {
  const name = text.replace(/^[+\-?~]/, "").toLowerCase();
  return MECHANISMS.includes(name) || MODIFIERS.includes(name) || name in ALIASES;
}

function isMask(text: string): boolean {
  return isIPv4(text) && /^(?:255|0)\..*\.(?:0|255)$/.test(text);
}

type Rule = (text: string) => string | undefined;

/** The rules in the order in which they are tried. Each gives one term or several, which need not be valid yet. */
const RULES: readonly Rule[] = [
  withoutPunctuation,
  splitAtCommas,
  withOneQualifier,
  writtenNetworks,
  splitBeforeAll,
  splitBeforeName,
  withoutUrl,
  modifierAsMechanism,
  mechanismAsModifier,
  nearestMechanism,
  bareName,
];

/** The term, or several in its place, as valid SPF. */
function repair(text: string, repairs: number): string | undefined {
  if (text !== "" && isValid(text)) return text;
  if (repairs === 0) return undefined;
  for (const rule of RULES) {
    const repaired = rule(text);
    if (repaired === undefined || repaired === text) continue;
    const terms = repaired.split(" ").map((term) => repair(term, repairs - 1));
    if (!terms.includes(undefined)) return terms.join(" ");
  }
  return undefined;
}

function isValid(term: string): boolean {
  return findSyntaxError([term]) === undefined;
}

/** Repairs `"ip4:192.0.2.1"`, `-all;`, `mx.`, `(a)`. */
function withoutPunctuation(text: string): string | undefined {
  return /^["'`(<[]*(.*?)["'`)>.,;\\]*$/s.exec(text)?.[1];
}

/** Repairs `ip4:192.0.2.1,192.0.2.2` and `a;mx`: a part without a name gets the name of the first part. */
function splitAtCommas(text: string): string | undefined {
  const parts = text.split(/[,;]/).filter((part) => part !== "");
  if (parts.length < 2 || text.includes("%{")) return undefined;
  const prefix = /^[+\-?~]?[a-z\d]+:/i.exec(parts[0] ?? "")?.[0] ?? "";
  return parts
    .map((part) => (/^[+\-?~]?(?:[a-z\d]+:|(?:all|a|mx|ptr)$)/i.test(part) ? part : `${prefix}${part}`))
    .join(" ");
}

/** Repairs `--all`, `~-all`, `all-`. */
function withOneQualifier(text: string): string | undefined {
  const behind = /^(all)([-~?])$/i.exec(text);
  if (behind !== null) return `${behind[2]}${behind[1]}`;
  return /^[+\-?~]+([+\-?~].+)$/s.exec(text)?.[1];
}

/** Repairs `192.0.2.1`, `ip4:192.0.2.*`, `a:192.0.2.0/255.255.255.0`, `ip6:[2001:db8::1]:25` and the like. */
function writtenNetworks(text: string): string | undefined {
  const [, qualifier = "", written = ""] =
    /^([+\-?~]?)(?:(?:ipv?[46]?|a|mx|include|exists|ptr)[:=])?(.+)$/is.exec(text) ?? [];
  return readNetworks(written)
    ?.map((network) => `${qualifier}${isIPv6(network.split("/", 1)[0] ?? "") ? "ip6" : "ip4"}:${network}`)
    .join(" ");
}

/** Repairs `ip4:192.0.2.10-all`, `include:_spf.example.com~all`. */
function splitBeforeAll(text: string): string | undefined {
  const [, before, all] = /^(.*[a-z\d].*?)([-~?]all)[.;,]?$/is.exec(text) ?? [];
  return before === undefined || /[:=]$/.test(before) ? undefined : `${before} ${all}`;
}

/** Repairs `ip4:192.0.2.1include:_spf.example.com`, and a name that is written twice. */
function splitBeforeName(text: string): string | undefined {
  const [, qualifier, twice, rest] =
    /^([+\-?~]?)((?:ip[46]|include|exists|a|mx|redirect)[:=])\2+(.+)$/is.exec(text) ?? [];
  if (twice !== undefined) return `${qualifier}${twice}${rest}`;
  const [, before, name] = /^(.*[a-z\d].*?[a-z\d])((?:(?:ip[46]|include|exists):|redirect=).+)$/is.exec(text) ?? [];
  return before === undefined || text.includes("%{") ? undefined : `${before} ${name}`;
}

/** Repairs `include:https://_spf.example.com/`, `a:mail.example.com:25`. */
function withoutUrl(text: string): string | undefined {
  const [, head = "", host] = /^([+\-?~]?[a-z\d]+:)(?:[a-z]+:\/\/)?([^/:]+)(?::\d+)?\/?$/i.exec(text) ?? [];
  return host === undefined ? undefined : `${head}${host}`;
}

/** Repairs `redirect:_spf.example.com`. */
function modifierAsMechanism(text: string): string | undefined {
  const [, name, value] = /^(redirect|exp):(.+)$/is.exec(text) ?? [];
  return name === undefined ? undefined : `${name.toLowerCase()}=${value}`;
}

/** Repairs `include=_spf.example.com`, `ip4=192.0.2.1`. */
function mechanismAsModifier(text: string): string | undefined {
  const [, name, value = ""] = /^([+\-?~]?(?:include|a|mx|ptr|exists|ipv?[46]))=(.+)$/is.exec(text) ?? [];
  if (name === undefined) return undefined;
  return writtenNetworks(text) ?? `${name}:${value}`;
}

/** Repairs `includ:a.example`, `ipv4:192.0.2.1`. An exact name stays, even if the text after it is wrong. */
function nearestMechanism(text: string): string | undefined {
  const [, qualifier = "", name = "", rest = ""] = /^([+\-?~]?)([^:=/]*)(.*)$/s.exec(text) ?? [];
  const word = name.toLowerCase();
  if (MECHANISMS.includes(word) || MODIFIERS.includes(word)) return undefined;
  const near = ALIASES[word] ?? MECHANISMS.find((known) => isOneEditAway(word, known));
  if (near !== undefined) return `${qualifier}${near}${rest}`;
  const modifier = MODIFIERS.find((known) => known !== "exp" && isOneEditAway(word, known));
  return modifier === undefined || qualifier !== "" ? undefined : `${modifier}${rest.replace(/^:/, "=")}`;
}

/** Repairs `mail.example.com`, `ip4:mail.example.com`, `_spf.example.com`. */
function bareName(text: string): string | undefined {
  const [, qualifier = "", name] = /^([+\-?~]?)(?:ip[46]:)?((?:[a-z\d_-]+\.)+[a-z]{2,})$/i.exec(text) ?? [];
  if (name === undefined) return undefined;
  return `${qualifier}${/^[^.]*spf/i.test(name) ? "include" : "a"}:${name}`;
}

/** Tells if `word` differs from a name of three letters or more by one added, dropped, changed or swapped letter. */
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
