/** Finds content filters (FILTER_README, SMTPD_PROXY_README) and the services at which they hand mail back. */
import { filterDestinations } from "../postfix/filter-actions.ts";
import { splitItems } from "../postfix/match-list.ts";
import type { Service } from "../postfix/services.ts";
import type { Facts, PostfixFacts } from "./facts.ts";
import { smtpdServices, takesFromOutside } from "./milters.ts";
import { isSubmission } from "./places.ts";
import { parseForwardTransport, secondPass } from "./recipe.ts";
import { listsFor } from "./restrictions.ts";

/** Where a service hands its mail. */
export interface Filter {
  /** `queue`: after the queue, by content_filter or FILTER. `proxy`: before it, by smtpd_proxy_filter. */
  readonly kind: "queue" | "proxy";
  /** As written: `smtp-amavis:[127.0.0.1]:10024`, `127.0.0.1:10024`. */
  readonly text: string;
}

type Needed = Pick<Facts, "setup" | "host">;

/** Tables of cleanup(8) in which FILTER may be (header_checks(5)). */
const CHECKS = ["header_checks", "mime_header_checks", "nested_header_checks", "body_checks"] as const;

/** The filters to which a service of smtpd hands mail. */
export function filtersOf(service: Service, postfix: PostfixFacts, { host }: Pick<Facts, "host">): Filter[] {
  const of = (name: string): string => service.overrides.get(name) ?? postfix.value(name);
  const tables = [
    ...listsFor(service, postfix).flatMap(({ items }) => items),
    ...(splitItems(of("receive_override_options")).includes("no_header_body_checks")
      ? []
      : CHECKS.flatMap((name) => splitItems(postfix.value(name)))),
  ];
  const queued = [of("content_filter"), ...tables.flatMap((table) => filterDestinations(table, host.read))];
  return [
    ...queued.filter(Boolean).map((text): Filter => ({ kind: "queue", text })),
    ...[of("smtpd_proxy_filter")].filter(Boolean).map((text): Filter => ({ kind: "proxy", text })),
  ];
}

/** The filters that mail from outside passes. */
export function filtersOfStrangers(postfix: PostfixFacts, facts: Pick<Facts, "host">): Filter[] {
  return smtpdServices(postfix)
    .filter(takesFromOutside)
    .flatMap((service) => filtersOf(service, postfix, facts));
}

/**
 * The services that take mail back from filters: those with settings for that, else all that only this host may use.
 * One that hands its own mail to a filter is none, nor is the second pass of forward-only.
 */
export function servicesBehindFilters(postfix: PostfixFacts, { setup, host }: Needed): Service[] {
  const transport = parseForwardTransport(setup.config["srs.forward_transport"]);
  const pass = transport === undefined ? undefined : secondPass(postfix.services, transport).smtpd;
  const possible = smtpdServices(postfix).filter(
    (service) =>
      service !== pass &&
      !takesFromOutside(service) &&
      !isSubmission(service) &&
      filtersOf(service, postfix, { host }).length === 0,
  );
  const marked = possible.filter(isMarked);
  return marked.length > 0 ? marked : possible.filter(({ name }) => /^(?:127\.|localhost:|\[::1\]:)/.test(name));
}

/** A program (pipe(8)) among the filters: most hand mail back by sendmail(1). */
export function programOf(filters: readonly Filter[], postfix: PostfixFacts): string | undefined {
  const found = filters.find(({ kind, text }) => {
    const [transport] = text.split(":", 1);
    return (
      kind === "queue" &&
      postfix.services.some(({ name, type, program }) => name === transport && type === "unix" && program === "pipe")
    );
  });
  return found?.text;
}

/** Tells if a service has settings of the way back from a filter, as FILTER_README has them. */
function isMarked({ overrides }: Service): boolean {
  if (["content_filter", "smtpd_proxy_filter"].some((name) => overrides.get(name) === "")) return true;
  if (overrides.has("smtpd_authorized_xforward_hosts") || overrides.has("smtpd_authorized_xclient_hosts")) return true;
  return ["smtpd_client_restrictions", "smtpd_relay_restrictions", "smtpd_recipient_restrictions"].some((name) =>
    /^permit_mynetworks[,\s]+reject$/.test(overrides.get(name) ?? ""),
  );
}
