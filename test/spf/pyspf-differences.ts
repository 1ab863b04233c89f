/** The differences of pyspf from RFC 7208, by class. */
import type { RandomCase } from "./random-policies.ts";

/** Both checkers' answers to one case. */
export interface Pair {
  readonly ours: { readonly result: string; readonly problem: string };
  readonly theirs: { readonly result: string; readonly text: string };
}

/** The limits that both are run with. */
export interface Limits {
  readonly lookups: number;
  readonly voids: number;
}

/**
 * One deviation of pyspf. A difference belongs to it if it looks like one (`fits`), and if both agree once the case is
 * such that the deviation cannot show (`without`).
 */
export interface Deviation {
  readonly name: string;
  readonly fits: (pair: Pair) => boolean;
  readonly without: (given: RandomCase, limits: Limits) => readonly [RandomCase, Limits];
}

const theirsSays = (text: string) => (pair: Pair) => pair.theirs.text.includes(text);
const MODIFIER = /(?<= )([a-z][a-z0-9\-_.]*)=/gi;

export const DEVIATIONS: readonly Deviation[] = [
  {
    // RFC 7208 4.6.4 counts terms; pyspf counts each query, asks again for what it found void, asks for the hosts
    // of all MX and PTR records, and for the macros of terms that are never reached.
    name: "void lookups are counted by query, not by term",
    fits: theirsSays("Void lookup limit"),
    without: (given, limits) => [given, { ...limits, voids: 1000 }],
  },
  {
    // 4.6.4 counts terms during evaluation; pyspf counts redirect= when it reads it.
    name: "redirect= counts as a lookup before it is followed",
    fits: theirsSays("Too many DNS lookups"),
    without: (given, limits) => [given, { ...limits, lookups: limits.lookups + 6 }],
  },
  {
    // RFC 5234 2.3: literals of the grammar are case-insensitive.
    name: "modifier names are case-sensitive",
    fits: () => true,
    without: (given, limits) => [
      editTerms(given, (record) => record.replace(MODIFIER, (name) => name.toLowerCase())),
      limits,
    ],
  },
  {
    // Section 6: only exp= and redirect= must not repeat.
    name: "unknown modifiers must not repeat",
    fits: theirsSays("MUST appear at most once"),
    without: (given, limits) => {
      let count = 0;
      const rename = (whole: string) => (/^(?:redirect|exp)=/i.test(whole) ? whole : `m${count++}=`);
      return [editTerms(given, (record) => record.replace(MODIFIER, rename)), limits];
    },
  },
  {
    // 7.1: "%%" is a macro-expand, wherever it stands.
    name: '"%%" before a letter is an error',
    fits: theirsSays("invalid-macro-char"),
    without: (given, limits) => [editTerms(given, (record) => record.replaceAll("%%", "p")), limits],
  },
  {
    // 7.1: the number of parts is not zero and comes before the "r", and a macro ends with a brace.
    name: "%{d0}, %{dr2} and %{d without a brace are accepted",
    fits: ({ ours }) => /nonzero|Invalid macro|Unterminated macro/.test(ours.problem),
    without: (given, limits) => [
      editTerms(given, (record) => record.replace(/%\{d(?:0\}|r2\}|(?=\.))/g, "%{d}")),
      limits,
    ],
  },
  {
    // RFC 5234 2.3, as above.
    name: "the R of %{dR} is not understood",
    fits: () => true,
    without: (given, limits) => [editTerms(given, (record) => record.replace(/(%\{[a-z]\d*)R/gi, "$1r")), limits],
  },
  {
    // 5.2 knows no such error; a record that includes itself runs into the limit of lookups, if it gets there.
    name: "a record that includes itself is an error even where that is not evaluated",
    fits: theirsSays("include has trivial recursion"),
    without: (given, limits) => [withoutSelfIncludes(given), limits],
  },
  {
    // 5.4 and 5.5: MX hosts are asked in order until one matches; DNS errors of PTR lookups only mean "no match".
    name: "a DNS error of a lookup that is not needed, or that must not matter, ends the check",
    fits: ({ theirs }) => theirs.result === "temperror",
    without: (given, limits) => [withoutTrouble(given), limits],
  },
  {
    // 4.6.4 limits the MX hosts that are queried; a match before the eleventh stands.
    name: "more than ten MX records are an error even if an early one matches",
    fits: theirsSays("More than 10 MX records"),
    without: (given, limits) => [withFewMx(given), limits],
  },
];

/** The same case with each SPF record edited. */
function editTerms(given: RandomCase, edit: (record: string, domain: string) => string): RandomCase {
  const zone: Record<string, RandomCase["zone"][string]> = {};
  for (const [name, entries] of Object.entries(given.zone)) {
    zone[name] = entries.map((entry) => {
      if (typeof entry === "string" || typeof entry.TXT !== "string") return entry;
      return { TXT: edit(entry.TXT, name) };
    });
  }
  return { ...given, zone };
}

/** Without the includes that are, or could expand to, the record's own domain. */
function withoutSelfIncludes(given: RandomCase): RandomCase {
  return editTerms(given, (record, domain) =>
    record
      .split(" ")
      .filter((term) => !term.endsWith(`include:${domain}`) && !term.includes("include:%"))
      .join(" "),
  );
}

function withoutTrouble(given: RandomCase): RandomCase {
  const entries = Object.entries(given.zone).map(([name, list]) => [
    name,
    list.filter((entry) => entry !== "SERVFAIL"),
  ]);
  return { ...given, zone: Object.fromEntries(entries) };
}

function withFewMx(given: RandomCase): RandomCase {
  const entries = Object.entries(given.zone).map(([name, list]) => {
    const isMx = (entry: (typeof list)[number]) => typeof entry !== "string" && "MX" in entry;
    return [name, [...list.filter((entry) => !isMx(entry)), ...list.filter(isMx).slice(0, 10)]];
  });
  return { ...given, zone: Object.fromEntries(entries) };
}
