/** The way back for bounces: the maps that restore original senders, and the domains that bounces come to. */
import { entriesOf, joined } from "./entries.ts";
import type { Ground } from "./ground.ts";
import type { Planning } from "./plan.ts";
import { recipientTable } from "./snippets.ts";
import { classicParameters, forwardOnlyParameters, routeDomains, splitMaps, srsDomains } from "./srs-maps.ts";

const MAPS = "recipient_canonical_maps";
const CLASSES = "recipient_canonical_classes";

/** Every recipient is looked up. */
export function planClassicRecipients(planning: Planning, ground: Ground): void {
  const parameters = classicParameters(ground);
  planMap(planning, ground, parameters.get(MAPS) ?? "");
  if (ground.facts.settings.has(CLASSES)) planClasses(planning, ground);
  else planning.set(CLASSES, parameters.get(CLASSES) ?? "");
  routeDomains(planning, ground, srsDomains(planning, ground));
}

/**
 * Only addresses of the SRS domains are looked up.
 *
 * @param where "if absent" leaves a map that leads back already
 */
export function planForwardOnlyRecipients(planning: Planning, ground: Ground, where: "always" | "if absent"): void {
  const { facts, snippets } = ground;
  const domains = srsDomains(planning, ground);
  if (where === "always" || splitMaps(MAPS, ground).srs.length === 0) {
    planning.setRecipientTable(recipientTable(snippets["srs-recipients.regexp"], domains, facts.configDir));
    planMap(planning, ground, forwardOnlyParameters(ground).get(MAPS) ?? "");
    if (facts.settings.has(CLASSES)) planClasses(planning, ground);
  }
  routeDomains(planning, ground, domains);
}

function planMap(planning: Planning, ground: Ground, ours: string): void {
  const { others, srs } = splitMaps(MAPS, ground);
  for (const map of srs.filter((one) => one !== ours)) {
    planning.note(`${MAPS}: takes out ${map}, in whose place ours comes`);
  }
  if (others.length > 0) planning.note(`${MAPS}: ours behind ${joined(others)}`);
  planning.set(MAPS, joined([...others, ours]));
}

function planClasses(planning: Planning, { facts }: Ground): void {
  if ((facts.expanded.get(CLASSES) ?? "").includes("envelope_recipient")) return;
  planning.note(`${CLASSES}: adds envelope_recipient, so your own maps begin to rewrite envelopes`);
  planning.set(CLASSES, joined([...entriesOf(facts.written.get(CLASSES) ?? ""), "envelope_recipient"]));
}
