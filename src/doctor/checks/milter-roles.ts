/** Checks of what tells our milter the role of this host: names of services and logins in master.cf. */
import { authenticationSettings } from "../../config/settings.ts";
import { SigningKeys } from "../../dkim/keys.ts";
import { AddressSet, type Cidr, parseAddress } from "../../mail/ip.ts";
import { splitItems } from "../../postfix/match-list.ts";
import type { Service } from "../../postfix/services.ts";
import type { Setup } from "../../setup/setup.ts";
import { type Check, error, type Finding, skipped, warning } from "../check.ts";
import { filtersOf, filtersOfStrangers, programOf, servicesBehindFilters } from "../content-filters.ts";
import type { Facts, PostfixFacts } from "../facts.ts";
import {
  hasOurs,
  isOurMilter,
  listFor,
  mendMilters,
  nameOfList,
  ourEndpoint,
  ourLists,
  setForService,
  smtpdServices,
  takesFromOutside,
  unsetForService,
  withOurs,
} from "../milters.ts";
import { isSubmission } from "../places.ts";
import { parseForwardTransport, secondPass } from "../recipe.ts";
import { isForwardOnly } from "../srs-tables.ts";

export const MILTER_ROLES: readonly Check[] = [
  {
    id: "milter-roles",
    right: "services of users are known as such, and mail from outside is not taken for theirs",
    why: "milter_macro_daemon_name and logins tell the milter whose mail it is. What counts as ours is signed, and not checked. A content filter hands back mail of strangers from this host's own address.",
    run: withOurs((postfix, facts) => [
      ...smtpdServices(postfix).flatMap((service) => roleFindings(service, postfix, facts.setup)),
      ...behindFilterFindings(postfix, facts),
      ...beforeFilterFindings(postfix, facts),
      ...sendmailFindings(postfix, facts),
    ]),
  },
  {
    id: "milter-forward",
    right: "the second pass of forward-only seals what it forwards",
    why: 'With arc.seal = "forwarded" mail is sealed by the service whose milter_macro_daemon_name is in milter.forward_daemons. Under another name its results are removed.',
    run: withOurs(forwardFindings),
  },
];

function roleFindings(service: Service, postfix: PostfixFacts, setup: Setup): Finding[] {
  if (!hasOurs(listFor(service, postfix), setup, postfix)) return [];
  const { config } = setup;
  const setting = service.overrides.get("milter_macro_daemon_name");
  const daemon = setting ?? postfix.value("milter_macro_daemon_name");
  const [submission = "ORIGINATING"] = config["milter.submission_daemons"];
  if (takesFromOutside(service)) {
    const effect = config["milter.submission_daemons"].includes(daemon)
      ? "mail from outside is signed as yours, and not checked"
      : config["milter.skip_daemons"].includes(daemon)
        ? "mail from outside is not checked"
        : undefined;
    if (effect === undefined) return [];
    const where = setting === undefined ? "main.cf" : `master.cf: ${service.name}`;
    const mend =
      setting === undefined
        ? "postconf -X milter_macro_daemon_name && postfix reload"
        : unsetForService(service, "milter_macro_daemon_name");
    return [error(`${where}: milter_macro_daemon_name = ${daemon} is that of port 25 too: ${effect}`, mend)];
  }
  if (!isSubmission(service) || config["milter.submission_daemons"].includes(daemon)) return [];
  const asksLogin =
    (service.overrides.get("smtpd_sasl_auth_enable") ?? postfix.value("smtpd_sasl_auth_enable")) === "yes";
  if (asksLogin) return [];
  return [
    warning(
      `master.cf: ${service.name} has neither a login nor milter_macro_daemon_name = ${submission}: mail of its users counts as mail from outside, and is not signed`,
      setForService(service, ["milter_macro_daemon_name", submission]),
    ),
  ];
}

/** Services at which a filter hands mail of strangers back, and which are not known as such. */
function behindFilterFindings(postfix: PostfixFacts, facts: Facts): Finding[] {
  const { config } = facts.setup;
  const [filter] = filtersOfStrangers(postfix, facts);
  if (filter === undefined || hasLoopback(config["milter.skip"])) return [];
  const services = servicesBehindFilters(postfix, facts);
  const [name = "REINJECT"] = config["milter.skip_daemons"];
  return services.flatMap((service) => {
    if (!hasOurs(listFor(service, postfix), facts.setup, postfix)) return [];
    if (filter.kind === "proxy" && passesClientOn(service, postfix)) return [];
    const daemon = service.overrides.get("milter_macro_daemon_name") ?? postfix.value("milter_macro_daemon_name");
    if (config["milter.skip_daemons"].includes(daemon)) return [];
    // Mail of users may have a way of its own.
    if (services.length > 1 && config["milter.submission_daemons"].includes(daemon)) return [];
    const effect =
      filter.kind === "proxy"
        ? "it sees 127.0.0.1 as the client of all mail, and what comes from outside is signed as yours"
        : "what it hands back counts as mail of your users, and is signed as yours";
    const before = filter.kind === "proxy" ? "smtpd_proxy_filter" : "the filter";
    return [
      error(
        `master.cf: ${service.name} is behind ${before} ${filter.text}, and asks the milter as ${daemon}: ${effect}`,
        setForService(service, ["milter_macro_daemon_name", name]),
      ),
    ];
  });
}

/** Services whose mail a proxy filter takes before the milter sees its text (SMTPD_PROXY_README). */
function beforeFilterFindings(postfix: PostfixFacts, facts: Facts): Finding[] {
  const isSeenBehind = servicesBehindFilters(postfix, facts).some(
    (service) => hasOurs(listFor(service, postfix), facts.setup, postfix) && passesClientOn(service, postfix),
  );
  if (isSeenBehind) return [];
  return smtpdServices(postfix).flatMap((service) => {
    const filter = filtersOf(service, postfix, facts).find(({ kind }) => kind === "proxy");
    if (filter === undefined || !hasOurs(listFor(service, postfix), facts.setup, postfix)) return [];
    return [
      error(
        `master.cf: ${service.name} hands mail to smtpd_proxy_filter ${filter.text} before a milter sees its text: it is not ${isSubmission(service) ? "signed" : "checked"}`,
        "run that filter as a milter behind ours, or after the queue: content_filter in place of smtpd_proxy_filter (docs/milter.md)",
      ),
    ];
  });
}

/** A filter that hands mail of strangers back by sendmail(1), where our milter signs what comes. */
function sendmailFindings(postfix: PostfixFacts, facts: Facts): Finding[] {
  const program = programOf(filtersOfStrangers(postfix, facts), postfix);
  if (program === undefined) return [];
  return ourLists(postfix, facts.setup).flatMap((list) => {
    if (list.name !== "non_smtpd_milters") return [];
    const others = list.milters.filter((milter) => !isOurMilter(milter, facts.setup, postfix));
    return [
      error(
        `${nameOfList(list)} has our milter, and the filter ${program} hands mail back by sendmail(1): what comes from outside is signed as yours`,
        mendMilters(list, postfix, others),
      ),
    ];
  });
}

/** Tells if a service takes the address of a client from a filter (XCLIENT_README). */
function passesClientOn({ overrides }: Service, postfix: PostfixFacts): boolean {
  return (overrides.get("smtpd_authorized_xclient_hosts") ?? postfix.value("smtpd_authorized_xclient_hosts")) !== "";
}

function hasLoopback(clients: readonly Cidr[]): boolean {
  const address = parseAddress("127.0.0.1");
  return address !== undefined && new AddressSet(clients).has(address);
}

function forwardFindings(postfix: PostfixFacts, { setup, dkim }: Facts): Finding[] {
  const { config } = setup;
  const wanted = parseForwardTransport(config["srs.forward_transport"]);
  if (!isForwardOnly(postfix) || wanted === undefined) return [skipped("this host has no forward-only set-up")];
  const { smtpd } = secondPass(postfix.services, wanted);
  if (smtpd === undefined) return [skipped("master.cf has no second pass: see second-pass")];
  const asks = hasOurs(listFor(smtpd, postfix), setup, postfix);
  const daemon = smtpd.overrides.get("milter_macro_daemon_name") ?? postfix.value("milter_macro_daemon_name");
  const [name = "FORWARD"] = config["milter.forward_daemons"];
  const isNamed = config["milter.forward_daemons"].includes(daemon);
  if (asks && isNamed) return [];
  if (asks) {
    return [
      warning(
        `master.cf: ${smtpd.name} asks the milter as ${daemon}, not as ${name}: the results of the first pass are removed from what is forwarded`,
        setForService(smtpd, ["milter_macro_daemon_name", name]),
      ),
    ];
  }
  if (config["arc.seal"] !== "forwarded")
    return [skipped('arc.seal is not "forwarded": the second pass needs no milter')];
  const { domains, selector } = authenticationSettings(config, setup).arc;
  if (new SigningKeys(dkim.keys, { requirePublished: false, seen: [] }).sealer(domains, selector) === undefined) {
    return [skipped("no RSA key could seal")];
  }
  const options = smtpd.overrides.get("receive_override_options") ?? postfix.value("receive_override_options");
  const kept = splitItems(options).filter((option) => option !== "" && option !== "no_milters");
  return [
    warning(
      `master.cf: ${smtpd.name} does not ask the milter, so that nothing that is forwarded is sealed (arc.seal)`,
      setForService(
        smtpd,
        ["receive_override_options", kept.join(",")],
        ["smtpd_milters", ourEndpoint(postfix, setup)],
        ["milter_macro_daemon_name", name],
      ),
    ),
  ];
}
