/** The milter in master.cf: the names of services, by which it knows whose mail it is, and lists of their own. */
import { entriesOf } from "./entries.ts";
import type { Ground } from "./ground.ts";
import { milterEntry, miltersOf, type Replaced, sortMilters } from "./milter-entry.ts";
import { asOneWord, milterAddressOf } from "./milter-place.ts";
import type { Planning } from "./plan.ts";
import type { Service } from "./postfix-facts.ts";
import { takesBack } from "./reinjection.ts";
import { isSecondPass, planMilterOfSecondPass } from "./second-pass-milter.ts";
import { isFromOutside, isSubmission } from "./services.ts";

const LIST = "smtpd_milters";
const DAEMON_NAME = "milter_macro_daemon_name";
const OPTIONS = "receive_override_options";

/** Names services, and exchanges milters in their own lists. @returns what was exchanged */
export function planMilterServices(planning: Planning, ground: Ground): readonly Replaced[] {
  const services = ground.facts.services.filter(({ program }) => program === "smtpd");
  return services.flatMap((service) => {
    if (!isSecondPass(service)) return planService(planning, ground, service);
    planMilterOfSecondPass(planning, ground, service);
    return [];
  });
}

function planService(planning: Planning, ground: Ground, service: Service): readonly Replaced[] {
  const own = service.overrides.get(LIST);
  if (noMilters(service, ground)) {
    noteUnseen(planning, ground, service, `no_milters in ${OPTIONS}`);
    return [];
  }
  if (own !== undefined) {
    const exchanged = planOwnList(planning, ground, service, own);
    if (exchanged === undefined) {
      noteUnseen(planning, ground, service, `${LIST} = ${own}`);
      return [];
    }
    planName(planning, ground, service);
    return exchanged;
  }
  planName(planning, ground, service);
  return [];
}

/** Tells of mail that ours does not see. Behind a content filter that is as it should be. */
function noteUnseen(planning: Planning, ground: Ground, service: Service, has: string): void {
  const { id, expanded } = service;
  if (takesBack(service, ground) === "yes") {
    if (noMilters(service, ground) || expanded.get(LIST) === "") return;
    planning.note(
      `master.cf: ${id} has ${has}, which stays. What comes back from a content filter was handled before it: take that out, or it is signed twice`,
    );
    return;
  }
  if (!isSubmission(service) && !isFromOutside(service)) return;
  const what = isSubmission(service) ? "signed" : "checked";
  planning.note(`master.cf: ${id} has ${has}, which stays: its mail is not ${what} by ours`);
}

/** Tells if a service will ask our milter: by the list of main.cf, or by one of its own. */
export function asksOurs(service: Service, ground: Ground): boolean {
  if (noMilters(service, ground)) return false;
  const own = service.expanded.get(LIST);
  if (own === undefined) return true;
  const { hasOurs, replaced } = sortMilters(entriesOf(own), ground);
  return hasOurs || (replaced.length > 0 && takesBack(service, ground) !== "yes");
}

/** Tells if no milter sees what comes to a service. */
function noMilters({ expanded }: Service, { facts }: Ground): boolean {
  return entriesOf(expanded.get(OPTIONS) ?? facts.expanded.get(OPTIONS) ?? "").includes("no_milters");
}

/**
 * Exchanges milters whose work ours does. Behind a content filter the list stays: mail was handled before it.
 *
 * @returns what was exchanged; `undefined` if ours is not in the list
 */
function planOwnList(
  planning: Planning,
  ground: Ground,
  service: Service,
  own: string,
): readonly Replaced[] | undefined {
  const entries = miltersOf(own, service.expanded.get(LIST), ground);
  const { others, replaced, hasOurs } = sortMilters(entries, ground);
  if (!hasOurs && (replaced.length === 0 || takesBack(service, ground) === "yes")) return undefined;
  for (const { entry, filter } of replaced) {
    const what = `${milterAddressOf(entry)} (${filter.program})`;
    planning.note(`master.cf: ${service.id} has ${LIST} of its own: takes out ${what}, in whose place ours comes`);
  }
  const list = [milterEntry(ground), ...others].map(asOneWord).join(",");
  if (list !== own) planning.override(service.id, LIST, list);
  return replaced;
}

/** Gives a service the name by which the milter knows what its mail is. A name that it has stays. */
function planName(planning: Planning, ground: Ground, service: Service): void {
  const { id, expanded } = service;
  const { daemonNames, tellingNames } = ground.wiring.milter;
  const present = expanded.get(DAEMON_NAME);
  const answer = takesBack(service, ground);
  const isBehindFilter = answer === "yes";
  if (answer === "unknown" && present === undefined) {
    planning.note(
      `master.cf: ${id} may take mail back from a content filter. If it does, give it "-o ${DAEMON_NAME}=${daemonNames.reinjection ?? "REINJECT"}": without that, mail of strangers is checked again there, or signed as your own`,
    );
  }
  if (!isBehindFilter && !isSubmission(service)) return;
  const key = isBehindFilter ? "milter.skip_daemons" : "milter.submission_daemons";
  if (present !== undefined) {
    if (!tellingNames.includes(present)) {
      planning.note(`master.cf: ${id} has ${DAEMON_NAME} = ${present}, which stays. Put it into ${key}`);
    } else if (isBehindFilter && present === daemonNames.submission) {
      planning.note(
        `master.cf: ${id} has ${DAEMON_NAME} = ${present}, so what comes from the content filter is signed`,
      );
    }
    return;
  }
  const name = isBehindFilter ? daemonNames.reinjection : daemonNames.submission;
  if (name === undefined) {
    planning.note(`${key}: it is empty, so mail at ${id} of master.cf cannot be told from other mail of this host`);
    return;
  }
  planning.override(id, DAEMON_NAME, name);
  const what = isBehindFilter
    ? `was handled before the content filter, which must not change the text of what is signed. If programs of yours submit there, give it ${daemonNames.submission ?? "a name of milter.submission_daemons"} instead`
    : "is signed and not checked";
  planning.note(`master.cf: ${id} gets ${DAEMON_NAME} = ${name}: its mail ${what}`);
}
