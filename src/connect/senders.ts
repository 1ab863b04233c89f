/** What rewrites senders: of all mail, or of mail that leaves this host. */
import { entriesOf, joined } from "./entries.ts";
import type { Ground } from "./ground.ts";
import type { Planning } from "./plan.ts";
import { noteWhatIsInTheWay, OF_TRANSPORT, removeSecondPass, TRANSPORTS } from "./second-pass.ts";
import { withMilter } from "./second-pass-milter.ts";
import { parseSecondPass, servicesOf } from "./snippets.ts";
import { classicParameters, forwardOnlyParameters, noteNested, splitMaps } from "./srs-maps.ts";

const MAPS = "sender_canonical_maps";
const CLASSES = "sender_canonical_classes";

export function planClassicSenders(planning: Planning, ground: Ground): void {
  const { facts } = ground;
  const parameters = classicParameters(ground);
  const ours = parameters.get(MAPS) ?? "";
  const { others, srs } = splitMaps(MAPS, ground);
  noteNested(planning, others);
  for (const map of srs.filter((one) => one !== ours)) {
    planning.note(`${MAPS}: takes out ${map}, in whose place ours comes`);
  }
  if (others.length > 0) planning.note(`${MAPS}: ours behind ${joined(others)}`);
  planning.set(MAPS, joined([...others, ours]));
  const classes = parameters.get(CLASSES) ?? "";
  if (facts.settings.has(CLASSES) && facts.expanded.get(CLASSES) === classes) return;
  if (others.length > 0) {
    planning.note(`${CLASSES}: ${joined(others)} no longer rewrites headers, only envelopes`);
  }
  planning.set(CLASSES, classes);
}

export function planForwardOnlySenders(planning: Planning, ground: Ground): void {
  const { facts, wiring, snippets } = ground;
  const second = parseSecondPass(wiring.forwardTransport);
  const isIpv6Only = (facts.expanded.get("inet_protocols") ?? "").trim() === "ipv6";
  if (second === undefined || (isIpv6Only && second.host !== "::1")) {
    const wish = isIpv6Only ? "srs:[::1]:12526" : "srs:[127.0.0.1]:12526";
    planning.problem(`srs.forward_transport: got "${wiring.forwardTransport}", want a port of this host: "${wish}"`);
    return;
  }
  removeClassicSenders(planning, ground);
  const parameters = forwardOnlyParameters(ground);
  const others = entriesOf(facts.written.get(TRANSPORTS) ?? "").filter(
    (entry) => !entry.endsWith(":forward-transport"),
  );
  if (others.length > 0) planning.note(`${TRANSPORTS}: ours in front of ${joined(others)}`);
  planning.set(TRANSPORTS, joined([parameters.get(TRANSPORTS) ?? "", ...others]));
  for (const [name, value] of parameters) if (OF_TRANSPORT.test(name)) planning.set(name, value);
  removeSecondPass(planning, ground, "replaces");
  planning.addServices(withMilter(servicesOf(snippets["forward-only.master.cf"], wiring), ground));
  noteWhatIsInTheWay(planning, ground);
}

/** The classic set-up rewrites all mail before a recipient is known, and then no forward goes through the second pass. */
function removeClassicSenders(planning: Planning, ground: Ground): void {
  const { others, srs } = splitMaps(MAPS, ground);
  noteNested(planning, others);
  if (srs.length === 0) return;
  planning.note(`${MAPS}: takes out ${joined(srs)}, which rewrites local mail too`);
  if (others.length > 0) {
    planning.set(MAPS, joined(others));
    return;
  }
  planning.unset(MAPS);
  if (ground.facts.written.get(CLASSES) === "envelope_sender") planning.unset(CLASSES);
}
