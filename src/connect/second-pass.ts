/** The second pass of forward-only, where it is there already, and what is in its way. */
import { entriesOf, joined } from "./entries.ts";
import type { Ground } from "./ground.ts";
import type { Planning } from "./plan.ts";
import { isOnLoopback } from "./services.ts";
import { parseSecondPass } from "./snippets.ts";
import { forwardOnlyParameters } from "./srs-maps.ts";

export const TRANSPORTS = "sender_dependent_default_transport_maps";
export const CLEANUP_NAME = "srs-cleanup";
const CLEANUP = `${CLEANUP_NAME}/unix`;

/** Keys of a table that a note names. */
const MAX_NAMED = 3;

/** Parameters of a transport, such as `srs_destination_rate_delay`. */
export const OF_TRANSPORT = /^(?!sender_dependent_)[a-z][\w-]*?_(?:initial_)?(?:destination|transport)_/;

/** Takes out a forward-only set-up that was put in by hand. */
export function removeForwardOnly(planning: Planning, ground: Ground): void {
  const present = entriesOf(ground.facts.written.get(TRANSPORTS) ?? "");
  const others = present.filter((entry) => !entry.endsWith(":forward-transport"));
  if (others.length === present.length) return;
  planning.note(`${TRANSPORTS}: takes out the map forward-transport, and with it the second pass`);
  if (others.length > 0) planning.set(TRANSPORTS, joined(others));
  else planning.unset(TRANSPORTS);
  for (const name of forwardOnlyParameters(ground).keys()) {
    if (OF_TRANSPORT.test(name) && ground.facts.settings.has(name)) planning.unset(name);
  }
  removeSecondPass(planning, ground, "takes out");
}

/** Removes services of a second pass. On Linux two services of Postfix may listen on one address and port. */
export function removeSecondPass(planning: Planning, { facts, wiring }: Ground, verb: "replaces" | "takes out"): void {
  const second = parseSecondPass(wiring.forwardTransport);
  const transport = `${second?.transport ?? "srs"}/unix`;
  for (const { id, port } of facts.services) {
    const isOnPort = port !== undefined && port === second?.port && isOnLoopback({ id });
    if (id !== transport && id !== CLEANUP && !isOnPort) continue;
    planning.note(`master.cf: ${verb} ${id}`);
    planning.removeService(id);
  }
}

/** Tells of what rewrites local mail too, or sends forwards past the second pass. */
export function noteWhatIsInTheWay(planning: Planning, { facts }: Ground): void {
  for (const { id, overrides } of facts.services) {
    const map = overrides.get("sender_canonical_maps");
    if (map === undefined || map === "" || id === CLEANUP) continue;
    planning.note(
      `master.cf: ${id} has sender_canonical_maps = ${map}, which stays. If it is an SRS map, take it out: it rewrites local mail too`,
    );
  }
  for (const entry of facts.catchAlls) {
    planning.note(
      `transport_maps: ${entry} has "*" or the like, which goes past the second pass: no forward is rewritten. Set relayhost instead`,
    );
  }
  for (const [entry, keys] of facts.foreignRoutes) {
    const more = keys.length > MAX_NAMED ? ` and ${keys.length - MAX_NAMED} more` : "";
    const names = keys.slice(0, MAX_NAMED).join(", ") + more;
    planning.note(
      `transport_maps: ${entry} has ${names}, so forwards there go past the second pass, unrewritten. Take them out; limits for a receiver belong behind the second pass`,
    );
  }
}
