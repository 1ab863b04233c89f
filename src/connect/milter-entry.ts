/** Our milter as the lists of main.cf and master.cf name it, and what else is in them. */
import { entriesOf } from "./entries.ts";
import type { Ground } from "./ground.ts";
import { type Filter, type FilterProgram, milterAddressOf, placesOf, signs } from "./milter-place.ts";
import type { PostfixFacts } from "./postfix-facts.ts";
import { parametersOf } from "./snippets.ts";

/** The first version of Postfix with settings for single milters. */
const WITH_SETTINGS = 3;

/** The protocol that has all that we need; the default of Postfix. */
const PROTOCOL = "6";

/** Our entry: the snippet's, and settings of its own where those of main.cf would not do. */
export function milterEntry(ground: Ground): string {
  const { facts, wiring, snippets } = ground;
  if (Number.parseInt(facts.expanded.get("mail_version") ?? "", 10) < WITH_SETTINGS) {
    return wiring.addresses.get("milter.listen") ?? "";
  }
  const shown = parametersOf(snippets["milter.main.cf"], wiring, facts.configDir).get("smtpd_milters") ?? "";
  const more = [
    ...(needsProtocol(facts) ? [`protocol=${PROTOCOL}`] : []),
    ...(needsTime(ground) ? [`content_timeout=${wiring.milter.timeoutS}s`] : []),
  ];
  return shown.replace(/ \}$/, [...more.map((setting) => `, ${setting}`), " }"].join(""));
}

/** Tells if main.cf has an older protocol. With it no names of services come, and roles cannot be told. */
export function needsProtocol({ expanded }: PostfixFacts): boolean {
  return (expanded.get("milter_protocol") ?? PROTOCOL) !== PROTOCOL;
}

/** Tells if Postfix would not wait as long as DNS may take. */
export function needsTime({ facts, wiring }: Ground): boolean {
  return secondsOf(facts.expanded.get("milter_content_timeout") ?? "300s") < wiring.milter.timeoutS;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** A time of postconf(5), such as `300s`. */
function secondsOf(text: string): number {
  const [, digits, unit = "s"] = /^(\d+)([smhdw]?)$/.exec(text.trim()) ?? [];
  return digits === undefined ? Number.POSITIVE_INFINITY : Number(digits) * (SECONDS[unit] ?? 1);
}

/** Tells our own entries. */
function isOurMilter({ facts, wiring }: Ground): (entry: string) => boolean {
  const queue = facts.expanded.get("queue_directory") ?? "";
  const own = placesOf(wiring.addresses.get("milter.listen") ?? "", queue);
  return (entry) => placesOf(milterAddressOf(entry), queue).some((place) => own.includes(place));
}

/** An entry that is not ours, with the program behind it. */
export interface Replaced {
  readonly entry: string;
  readonly filter: Filter;
}

export interface SortedMilters {
  /** What stays. */
  readonly others: readonly string[];
  /** Those whose work ours does from now on. */
  readonly replaced: readonly Replaced[];
  readonly hasOurs: boolean;
}

/** Sorts the entries of a list. */
export function sortMilters(entries: readonly string[], ground: Ground): SortedMilters {
  const isOurs = isOurMilter(ground);
  const strangers = entries.filter((entry) => !isOurs(entry));
  const replaced = strangers.flatMap((entry) => {
    const filter = ground.facts.filters.get(milterAddressOf(entry));
    return filter === undefined || whyItStays(filter, ground) !== undefined ? [] : [{ entry, filter }];
  });
  const gone = new Set(replaced.map(({ entry }) => entry));
  return {
    others: strangers.filter((entry) => !gone.has(entry)),
    replaced,
    hasOurs: strangers.length < entries.length,
  };
}

/** The key of the check of each program. */
const KEYS: Readonly<Record<FilterProgram, string>> = {
  OpenDKIM: "dkim.verify",
  OpenDMARC: "dmarc.verify",
  OpenARC: "arc.verify",
};

/** Why one of these programs is still needed. */
export function whyItStays(filter: Filter, { wiring: { milter } }: Ground): string | undefined {
  const { program } = filter;
  if (signs(filter) === true && !milter.hasKeys) {
    return 'it signs, and [dkim.sign] has no key: give us its keys ("postvouch import"), then run setup again';
  }
  return milter.does[program] ? undefined : `${KEYS[program]} is off, so ours does not do its work`;
}

/** The entries of a list of main.cf. A `$name` stays one, unless what is looked for is behind it. */
export function miltersIn(name: "smtpd_milters" | "non_smtpd_milters", ground: Ground): readonly string[] {
  const { written, expanded } = ground.facts;
  return miltersOf(written.get(name), expanded.get(name), ground);
}

/** The same of a list that is given as it is written, and with each `$name` replaced. */
export function miltersOf(
  written: string | undefined,
  expanded: string | undefined,
  ground: Ground,
): readonly string[] {
  const listOf = (text: string | undefined): string[] => entriesOf(text ?? "");
  // A "$" that is left after expansion was written "$$".
  const [asWritten, asExpanded] = [listOf(written), listOf(expanded?.replaceAll("$", "$$$$"))];
  const count = (entries: readonly string[]): number => {
    const { others } = sortMilters(entries, ground);
    return entries.length - others.length;
  };
  return count(asWritten) === count(asExpanded) ? asWritten : asExpanded;
}

/** Tells if Postfix asks our milter: it will by the plan, or main.cf has it from other hands. */
export function isMilterInUse(ground: Ground): boolean {
  const { facts, wiring, parts } = ground;
  if (!wiring.addresses.has("milter.listen")) return false;
  return parts.has("milter") || entriesOf(facts.expanded.get("smtpd_milters") ?? "").some(isOurMilter(ground));
}
