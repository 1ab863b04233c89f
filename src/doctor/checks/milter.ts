/** Checks of Postfix's side of our milter: who asks it, over which socket, and what Postfix tells it. */
import { splitItems } from "../../postfix/match-list.ts";
import type { Service } from "../../postfix/services.ts";
import { type Check, error, type Finding, postconf, shellWord, skipped, warning, withPostfix } from "../check.ts";
import { filtersOfStrangers, programOf } from "../content-filters.ts";
import type { Facts, PostfixFacts } from "../facts.ts";
import { tidied } from "../milter-peers.ts";
import {
  hasOurs,
  isOff,
  isOurMilter,
  listFor,
  type MilterList,
  mendMilters,
  milterLists,
  NOT_USED,
  nameOfList,
  OFF,
  ourEndpoint,
  ourLists,
  setForService,
  settingFor,
  smtpdServices,
  takesFromOutside,
  unsetForService,
  withOurs,
} from "../milters.ts";
import { isChroot, isSubmission, placeFor } from "../places.ts";
import { mayUse, modeText, stepsTo } from "../service-user.ts";

const SET_UP = "postvouch setup milter --apply";

/** The port that docs/milter.md has. */
const USUAL_PORT = 8891;

export const MILTER: readonly Check[] = [
  {
    id: "milter-use",
    right: "the milter is on, and every service that takes mail asks it; or it is off, and none does",
    why: "A milter that nobody asks verifies and signs nothing; one that is asked and off lets mail wait.",
    run: withPostfix((postfix, facts) =>
      isOff(facts.setup) ? askedWhileOff(postfix, facts) : unasked(postfix, facts),
    ),
  },
  {
    id: "milter-socket",
    right: "Postfix can open the milter's socket, also out of a chroot",
    why: "smtpd in a chroot sees a path below the queue directory, and connects as the user postfix.",
    run: withOurs((postfix, facts) =>
      ourLists(postfix, facts.setup).flatMap((list) => socketFindings(list, postfix, facts)),
    ),
  },
  {
    id: "milter-protocol",
    right: "Postfix speaks version 6 of the milter protocol with us",
    why: "Below 6 the blanks before a field's value are lost, so that some good signatures fail, and macros that tell users' mail are not asked for.",
    run: withOurs((postfix, facts) =>
      ourLists(postfix, facts.setup).flatMap((list) =>
        list.milters.flatMap((milter) => {
          if (!isAskedByOldProtocol(milter, list, postfix, facts.setup)) return [];
          const text = settingFor(milter, list, "protocol", postfix);
          const mend = milter.options.has("protocol")
            ? mendMilters(list, postfix, tidied(list, postfix, facts))
            : list.service?.overrides.has("milter_protocol") === true
              ? unsetForService(list.service, "milter_protocol")
              : "postconf -X milter_protocol && postfix reload";
          return warning(`${nameOfList(list)} asks us with protocol version ${text}, want ${VERSION}`, mend);
        }),
      ),
    ),
  },
  {
    id: "milter-macros",
    right: "Postfix tells the milter who has logged in, and the queue id",
    why: "Without {auth_type} mail of users counts as mail from outside: unsigned, checked, perhaps rejected. Without i the log has no queue id.",
    run: withOurs((postfix, { setup }) => [...authFindings(postfix, setup), ...queueIdFindings(postfix)]),
  },
  {
    id: "milter-bounces",
    right: "bounces and mail of sendmail(1) go through the milter too",
    why: "Only `non_smtpd_milters` and `internal_mail_filter_classes = bounce` have them signed.",
    run: withOurs((postfix, facts) => {
      const { setup, dkim } = facts;
      if (dkim.keys.length === 0) return [skipped("no key signs")];
      const program = programOf(filtersOfStrangers(postfix, facts), postfix);
      if (program !== undefined) {
        return [skipped(`the filter ${program} hands mail back by sendmail(1), also what comes from outside`)];
      }
      const isAsked = ourLists(postfix, setup).some(({ name }) => name === "non_smtpd_milters");
      const others = splitItems(postfix.written("non_smtpd_milters") ?? "").filter(Boolean);
      const classes = splitItems(postfix.value("internal_mail_filter_classes")).filter(Boolean);
      return [
        ...(isAsked
          ? []
          : [
              warning(
                "main.cf: non_smtpd_milters has not our milter: mail of sendmail(1), cron jobs and bounces is not signed",
                postconf(`non_smtpd_milters = ${[...others, ourEndpoint(postfix, setup)].join(", ")}`),
              ),
            ]),
        ...(classes.includes("bounce")
          ? []
          : [
              warning(
                "main.cf: internal_mail_filter_classes has no bounce: bounces of this host are not signed",
                postconf(`internal_mail_filter_classes = ${[...classes, "bounce"].join(", ")}`),
              ),
            ]),
      ];
    }),
  },
];

/** The newest version of the protocol (MILTER_README). */
const VERSION = 6;

/** A milter of Postfix's where our docs have ours, and nothing listens. */
async function askedWhileOff(postfix: PostfixFacts, { ask, neighbours }: Facts): Promise<Finding[]> {
  const named = milterLists(postfix).flatMap((list) => list.milters.map((milter) => ({ list, milter })));
  for (const { list, milter } of named) {
    const { where } = milter;
    if (where === undefined) continue;
    const isOurPlace = "path" in where ? where.path.includes("postvouch") : where.port === USUAL_PORT;
    if (!isOurPlace || ("host" in where && neighbours.opendkim !== undefined)) continue;
    const place = placeFor(where, postfix, "smtpd", list.service);
    const answer = await ask.connect(place);
    if (answer.status !== "unreachable" || answer.reason === "no permission to connect") continue;
    const endpoint = "path" in place ? `unix:${place.path}` : `${place.host}:${place.port}`;
    return [
      error(
        `${nameOfList(list)} names ${milter.endpoint}, where nothing listens, and milter.listen is empty: mail waits, or passes unchecked`,
        `in postvouch.toml: [milter] listen = ["${endpoint}"]; then: systemctl reload postvouch`,
      ),
    ];
  }
  return [skipped(OFF)];
}

/** Services that take mail and do not ask our milter. */
function unasked(postfix: PostfixFacts, { setup, dkim }: Facts): Finding[] {
  if (ourLists(postfix, setup).length === 0) {
    return [warning(`${NOT_USED}: nothing is verified and nothing is signed`, SET_UP)];
  }
  return smtpdServices(postfix).flatMap((service): Finding[] => {
    const isOutside = takesFromOutside(service);
    if (!isOutside && !(isSubmission(service) && dkim.keys.length > 0)) return [];
    const list = listFor(service, postfix);
    if (hasOurs(list, setup, postfix)) return [];
    const effect = isOutside
      ? "mail from outside is not verified, and forged results stay in it"
      : "mail of users is not signed";
    return [warning(`master.cf: ${service.name} does not ask our milter: ${effect}`, mendOfService(service, postfix))];
  });
}

function mendOfService(service: Service, postfix: PostfixFacts): string {
  const options = service.overrides.get("receive_override_options");
  if (options !== undefined && splitItems(options).includes("no_milters")) {
    const others = splitItems(options).filter((one) => one !== "" && one !== "no_milters");
    return others.length === 0
      ? unsetForService(service, "receive_override_options")
      : setForService(service, ["receive_override_options", others.join(",")]);
  }
  const isOverridden = service.overrides.has("smtpd_milters");
  return isOverridden && postfix.value("smtpd_milters") !== "" ? unsetForService(service, "smtpd_milters") : SET_UP;
}

function socketFindings(list: MilterList, postfix: PostfixFacts, { setup, host }: Facts): Finding[] {
  const program = list.name === "smtpd_milters" ? "smtpd" : "cleanup";
  const users = list.service === undefined ? postfix.services.filter((one) => one.program === program) : [list.service];
  return list.milters.flatMap((milter): Finding[] => {
    const { where } = milter;
    if (where === undefined || "host" in where || !isOurMilter(milter, setup, postfix)) return [];
    const queue = postfix.value("queue_directory");
    const jailed = users.find((service) => isChroot(service, postfix));
    const ours = setup.config["milter.listen"].flatMap((one) => (one.type === "unix" ? [one.path] : []));
    const { path } = placeFor(where, postfix, program, list.service) as { readonly path: string };
    if (jailed !== undefined && ours.length > 0 && !ours.includes(path)) {
      return [
        error(
          `${nameOfList(list)} names ${milter.endpoint}, and ${jailed.program} of ${jailed.name} runs in a chroot: it looks for ${path}`,
          `in postvouch.toml: [milter] listen = ["unix:${queue}/postvouch/milter.sock"], and unix:postvouch/milter.sock in ${list.name}; or a port, which a chroot does not hide`,
        ),
      ];
    }
    const owner = host.user(postfix.value("mail_owner"));
    if (owner === undefined) return [];
    const groups = [owner.gid, ...owner.groups];
    for (const step of stepsTo(path)) {
      const found = host.file(step);
      if (found === undefined || mayUse(found, found.isDirectory ? 0o1 : 0o2, owner.uid, groups)) continue;
      const mend = found.isDirectory
        ? `chmod o+x ${shellWord(step)}`
        : 'in postvouch.toml: socket_mode = "0666"; then: systemctl restart postvouch';
      return [
        error(`Postfix's user ${owner.name} may not open ${path}: ${step} has mode ${modeText(found.mode)}`, mend),
      ];
    }
    return [];
  });
}

function macrosOf(stages: readonly string[], postfix: PostfixFacts): Set<string> {
  const listed = stages.flatMap((stage) =>
    splitItems(postfix.value(`milter_${stage}_macros`).replaceAll(/[{}]/g, " ")),
  );
  const given = splitItems(postfix.value("milter_macro_defaults").replaceAll(/[{}]/g, " "));
  return new Set([...listed, ...given.map((one) => one.replace(/=.*$/, ""))]);
}

/** Tells if a milter is ours, and asked in a version before 6: by its own setting, its service's or that of main.cf. */
function isAskedByOldProtocol(
  milter: MilterList["milters"][number],
  list: MilterList,
  postfix: PostfixFacts,
  setup: Facts["setup"],
): boolean {
  const version = Number.parseInt(settingFor(milter, list, "protocol", postfix), 10);
  return version < VERSION && isOurMilter(milter, setup, postfix);
}

function authFindings(postfix: PostfixFacts, setup: Facts["setup"]): Finding[] {
  const isOld = ourLists(postfix, setup).some((list) =>
    list.milters.some((milter) => isAskedByOldProtocol(milter, list, postfix, setup)),
  );
  const nameless = isOld && !macrosOf(["connect"], postfix).has("daemon_name");
  return [
    ...(macrosOf(["connect", "helo", "mail"], postfix).has("auth_type")
      ? []
      : [
          error(
            "main.cf: milter_mail_macros has no {auth_type}: mail of users who log in counts as mail from outside, unsigned and checked",
            "postconf -X milter_mail_macros && postfix reload",
          ),
        ]),
    // With version 6 we ask for this one ourselves.
    ...(nameless
      ? [
          error(
            "main.cf: milter_connect_macros has no {daemon_name}: the milter cannot tell submission and forwarding",
            "postconf -X milter_connect_macros && postfix reload",
          ),
        ]
      : []),
  ];
}

/** Stages at whose macros we may look for the queue id: it is known from the second recipient on. */
const QUEUE_ID_STAGES = ["rcpt", "data", "end_of_header", "end_of_data"] as const;

function queueIdFindings(postfix: PostfixFacts): Finding[] {
  if (macrosOf(QUEUE_ID_STAGES, postfix).has("i")) return [];
  return [
    warning(
      "main.cf: milter_end_of_data_macros has no i: the log of postvouch has no queue ids",
      `postconf -X ${QUEUE_ID_STAGES.map((stage) => `milter_${stage}_macros`).join(" ")} && postfix reload`,
    ),
  ];
}
