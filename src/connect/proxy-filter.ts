/** A filter before the queue (smtpd_proxy_filter): milters in front of it see no text, those behind it no client. */
import { joined } from "./entries.ts";
import type { Ground } from "./ground.ts";
import { asksOurs } from "./milter-services.ts";
import type { Planning } from "./plan.ts";
import type { Service } from "./postfix-facts.ts";
import { takesXclient } from "./reinjection.ts";
import { isSecondPass } from "./second-pass-milter.ts";
import { isFromOutside, isSubmission } from "./services.ts";

const FILTER = "smtpd_proxy_filter";

/**
 * Tells of each filter before the queue. It is a problem where ours would see what comes back: that is from this host, as
 * its own mail is.
 */
export function planProxyFilter(planning: Planning, ground: Ground): void {
  const { facts } = ground;
  const ofMain = (facts.expanded.get(FILTER) ?? "").trim();
  const services = facts.services.filter((service) => service.program === "smtpd" && !isSecondPass(service));
  const filterOf = ({ expanded }: Service): string => (expanded.get(FILTER) ?? ofMain).trim();
  const places = [
    ...(ofMain === "" ? [] : [`${FILTER} = ${ofMain}`]),
    ...services.flatMap((service) => {
      const own = service.expanded.get(FILTER) ?? "";
      return own === "" ? [] : [`master.cf: ${service.id} has ${FILTER} = ${own}`];
    }),
  ];
  if (places.length === 0) return;
  const behind = services.filter(
    (service) =>
      filterOf(service) === "" && !isFromOutside(service) && !isSubmission(service) && asksOurs(service, ground),
  );
  const open = behind.filter((service) => !takesXclient(service) && !isTakenForHandled(service, ground));
  const told = behind.filter(takesXclient);
  const names = (list: readonly Service[]): string => joined(list.map(({ id }) => id));
  for (const place of places) {
    const start = `${place}: mail goes there before milters see its text`;
    if (open.length > 0) {
      planning.problem(
        `${start}. What comes back to ${names(open)} of master.cf looks like mail of this host, also what strangers send in your name. Have the filter hand clients on by XCLIENT, make it a content_filter, or give that service "-o receive_override_options=no_milters": see "Filters before the queue" in docs/milter.md`,
      );
    } else if (told.length > 0) {
      planning.note(
        `${start}. At ${names(told)} ours checks and signs, if the filter hands on each client by XCLIENT. If it does not, mail of strangers is signed there`,
      );
    } else {
      planning.note(
        `${start}, so that ours neither checks nor signs it: see "Filters before the queue" in docs/milter.md`,
      );
    }
  }
}

function isTakenForHandled({ expanded }: Service, { wiring }: Ground): boolean {
  const { reinjection } = wiring.milter.daemonNames;
  return reinjection !== undefined && expanded.get("milter_macro_daemon_name") === reinjection;
}
