/** The milter: the lists of main.cf, and what else of main.cf decides whether mail comes to it as it needs it. */
import { entriesOf, joined } from "./entries.ts";
import type { Ground } from "./ground.ts";
import {
  milterEntry,
  miltersIn,
  needsProtocol,
  needsTime,
  type Replaced,
  sortMilters,
  whyItStays,
} from "./milter-entry.ts";
import { milterAddressOf, signs } from "./milter-place.ts";
import { planMilterServices } from "./milter-services.ts";
import type { Planning } from "./plan.ts";
import type { ReadParameter } from "./postfix-facts.ts";
import { planProxyFilter } from "./proxy-filter.ts";

const LIST = "smtpd_milters";
const INTERNAL_LIST = "non_smtpd_milters";
const CLASSES = "internal_mail_filter_classes";

/** An entry that takes all of smtpd_milters over. */
const SAME_LIST = /^\$(?:smtpd_milters|\{smtpd_milters\}|\(smtpd_milters\))$/;

export function planMilter(planning: Planning, ground: Ground): void {
  const replaced = [...planList(planning, ground), ...planInternalMail(planning, ground)];
  const replacedByServices = planMilterServices(planning, ground);
  noteReplaced(planning, ground, [...replaced, ...replacedByServices]);
  planMacros(planning, ground);
  planDaemonName(planning, ground);
  noteSettings(planning, ground);
  planProxyFilter(planning, ground);
  noteOtherParts(planning, ground);
}

/** Puts ours in front: it removes forged results before others read them. */
function planList(planning: Planning, ground: Ground): readonly Replaced[] {
  const { others, replaced } = sortMilters(miltersIn(LIST, ground), ground);
  noteChanges(planning, ground, LIST, { others, replaced });
  if (others.length > 0) {
    planning.note(
      `${LIST}: ours in front of ${joined(others)}. If that changes the text or the signed fields of your own mail, it breaks our signatures`,
    );
  }
  planning.set(LIST, joined([milterEntry(ground), ...others]));
  return replaced;
}

/** Mail of sendmail(1), and bounces. */
function planInternalMail(planning: Planning, ground: Ground): readonly Replaced[] {
  const { facts } = ground;
  const pipe = pipeFilter(ground);
  const written = entriesOf(facts.written.get(INTERNAL_LIST) ?? "");
  const same = written.filter((entry) => SAME_LIST.test(entry));
  const isSame = same.length > 0 && pipe === undefined;
  const entries = ((): readonly string[] => {
    if (isSame) return written.filter((entry) => !SAME_LIST.test(entry));
    if (same.length === 0) return miltersIn(INTERNAL_LIST, ground);
    // smtpd_milters as it was: in what it becomes is ours.
    return written.flatMap((entry) => (SAME_LIST.test(entry) ? miltersIn(LIST, ground) : [entry]));
  })();
  const { others, replaced, hasOurs } = sortMilters(entries, ground);
  noteChanges(planning, ground, INTERNAL_LIST, { others, replaced });
  if (pipe !== undefined) {
    planning.note(
      `${INTERNAL_LIST}: without ours, because the content filter ${pipe} hands mail back by sendmail(1): there, what comes from outside looks like your own, and would be signed. Mail of sendmail(1) and bounces are not signed`,
    );
    if (same.length > 0 || hasOurs || replaced.length > 0) setOrUnset(planning, INTERNAL_LIST, others);
    return replaced;
  }
  const ours = isSame ? same.slice(0, 1) : [milterEntry(ground)];
  if (!isSame || replaced.length > 0 || hasOurs) planning.set(INTERNAL_LIST, joined([...ours, ...others]));
  planClasses(planning, ground, [...(isSame ? sortMilters(miltersIn(LIST, ground), ground).others : []), ...others]);
  return replaced;
}

/** Bounces are signed too. @param others further milters that see them then */
function planClasses(planning: Planning, { facts }: Ground, others: readonly string[]): void {
  const classes = entriesOf(facts.expanded.get(CLASSES) ?? "");
  if (classes.includes("bounce")) return;
  const watchers = [
    ...(["header_checks", "body_checks"] as const).filter((name) => (facts.expanded.get(name) ?? "") !== ""),
    ...others,
  ];
  if (watchers.length > 0) {
    planning.note(`${CLASSES}: adds bounce, so that bounces are signed; ${joined(watchers)} begins to see them too`);
  }
  planning.set(CLASSES, joined([...entriesOf(facts.written.get(CLASSES) ?? ""), "bounce"]));
}

/** A content filter that is a program, as most how-tos have SpamAssassin: it hands mail back by sendmail(1). */
function pipeFilter({ facts }: Ground): string | undefined {
  return facts.contentFilters.find((filter) => {
    const transport = filter.split(":", 1)[0] ?? "";
    return facts.services.some(({ id, program }) => id === `${transport}/unix` && program === "pipe");
  });
}

function setOrUnset(planning: Planning, name: string, entries: readonly string[]): void {
  if (entries.length === 0) planning.unset(name);
  else planning.set(name, joined(entries));
}

function noteChanges(
  planning: Planning,
  ground: Ground,
  name: string,
  { others, replaced }: { readonly others: readonly string[]; readonly replaced: readonly Replaced[] },
): void {
  for (const { entry, filter } of replaced) {
    planning.note(`${name}: takes out ${milterAddressOf(entry)} (${filter.program}), in whose place ours comes`);
  }
  for (const entry of others) {
    const filter = ground.facts.filters.get(milterAddressOf(entry));
    const why = filter === undefined ? undefined : whyItStays(filter, ground);
    if (why !== undefined) planning.note(`${name}: ${milterAddressOf(entry)} (${filter?.program}) stays: ${why}`);
  }
}

/** Tells what those programs did that ours does not do, as it is configured. */
function noteReplaced(planning: Planning, { facts, wiring: { milter } }: Ground, replaced: readonly Replaced[]): void {
  const isSigned = milter.hasKeys || [...facts.filters.values()].some((filter) => signs(filter) === true);
  if (!isSigned) {
    planning.note(
      '[dkim.sign] has no key: your own mail leaves unsigned. "postvouch dkim keygen" makes one, "postvouch import" takes those of OpenDKIM',
    );
  }
  const openDmarc = replaced.find(({ filter }) => filter.program === "OpenDMARC")?.filter;
  const rejects = /^(?:true|yes|on|1)$/i.test(openDmarc?.options?.get("rejectfailures") ?? "");
  if (rejects && !milter.rejects) {
    planning.note(
      "dmarc.reject: OpenDMARC refuses what fails p=reject (RejectFailures), ours only tags it as configured",
    );
  }
  const history = openDmarc?.options?.get("historyfile");
  if (history !== undefined) planning.note(`${history}: OpenDMARC writes no more results for its reports into it`);
}

/** The macros of messages that we read, and where one of the lists has to have each. */
const MACROS = [
  { macro: "{auth_type}", why: "which tells mail of your own users", lists: ["milter_mail_macros"] },
  {
    macro: "i",
    why: "the queue id of our log lines",
    lists: ["milter_data_macros", "milter_end_of_header_macros", "milter_end_of_data_macros", "milter_rcpt_macros"],
  },
] as const satisfies readonly { macro: string; why: string; lists: readonly [ReadParameter, ...ReadParameter[]] }[];

/** Gives back what a list of macros has lost. Those of the connection we ask for ourselves, whatever main.cf has. */
function planMacros(planning: Planning, { facts }: Ground): void {
  for (const { macro, why, lists } of MACROS) {
    const isThere = lists.some((name) => entriesOf(facts.expanded.get(name) ?? "").includes(macro));
    if (isThere) continue;
    const [name] = lists;
    planning.note(`${name}: adds ${macro}, ${why}`);
    planning.set(name, [...entriesOf(facts.written.get(name) ?? ""), macro].join(" "));
  }
}

/** One name for all services would make all mail our own, or let it pass unchecked. */
function planDaemonName(planning: Planning, { facts, wiring }: Ground): void {
  const name = "milter_macro_daemon_name";
  const value = facts.expanded.get(name) ?? "";
  if (!facts.settings.has(name) || !wiring.milter.tellingNames.includes(value)) return;
  planning.note(
    `${name}: takes out ${value}, which belongs to single services of master.cf: with it nothing is checked`,
  );
  planning.unset(name);
}

function noteSettings(planning: Planning, ground: Ground): void {
  const { expanded } = ground.facts;
  const of = (name: ReadParameter): string => (expanded.get(name) ?? "").trim();
  if (needsProtocol(ground.facts)) {
    planning.note(`milter_protocol: ${of("milter_protocol")} is too old for ours, which is asked with protocol=6`);
  }
  if (needsTime(ground)) {
    planning.note(
      `milter_content_timeout: ${of("milter_content_timeout")} is shorter than milter.time_limit, so ours has content_timeout=${ground.wiring.milter.timeoutS}s`,
    );
  }
  if (of("milter_default_action") === "accept") {
    planning.note("milter_default_action: accept stays for other milters; while ours is down, mail waits (451)");
  }
  if (of("smtpd_milter_maps") !== "") {
    planning.note(
      `smtpd_milter_maps: ${of("smtpd_milter_maps")} can switch milters off for a client: its forged results stay, and its mail is not checked`,
    );
  }
  if (of("milter_header_checks") !== "") {
    planning.note(
      `milter_header_checks: ${of("milter_header_checks")} sees the fields that ours adds, and can take them out or change them`,
    );
  }
  if (/(?:^|[\s,{])\{?auth_type\}?\s*=/.test(of("milter_macro_defaults"))) {
    planning.note(
      "milter_macro_defaults: with auth_type in it all mail looks like that of your own users, and none is checked. Take it out",
    );
  }
}

/** Tells what the other parts do beside the milter. */
function noteOtherParts(planning: Planning, { wiring, parts }: Ground): void {
  if (parts.has("policy") && wiring.policyHeaders.length > 0) {
    planning.note(
      `policy.headers: the policy service adds ${joined(wiring.policyHeaders)}, and the milter has the same in its own field. Want []`,
    );
  }
  if (parts.has("classic") && wiring.milter.sealsForwarded) {
    planning.note('arc.seal: with "forwarded" nothing is sealed in the classic set-up, which has no second pass');
  }
}
