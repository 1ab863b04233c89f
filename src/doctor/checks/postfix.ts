/** Checks of Postfix's configuration as a whole. */
import { type Check, error, type Finding, postconf, skipped, someOf, warning, withPostfix } from "../check.ts";
import type { Facts, PostfixFacts } from "../facts.ts";
import { tidied, UNWANTED_ACTIONS } from "../milter-peers.ts";
import { type MilterList, mendMilters, milterLists, nameOfList, unsetForService } from "../milters.ts";
import { placeFor } from "../places.ts";
import { isAtLeast } from "../version.ts";

export const POSTFIX: readonly Check[] = [
  {
    id: "postfix",
    right: "Postfix's configuration can be read",
    why: "Nothing of Postfix can be checked otherwise, and Postfix may not start again.",
    run: ({ postfix }) => {
      if ("known" in postfix) return [];
      const isAbsent = /no such program/.test(postfix.unknown);
      return [isAbsent ? skipped(postfix.unknown) : error(postfix.unknown, "postfix check")];
    },
  },
  {
    id: "postfix-version",
    right: "this Postfix is new enough for what main.cf uses",
    why: "socketmap tables need 2.10, options in braces and forward-only need 3.0.",
    run: withPostfix((postfix) =>
      isAtLeast(postfix.version, [3, 0])
        ? []
        : [
            error(
              `Postfix ${postfix.version} is older than 3.0`,
              "update Postfix, or use the classic set-up with tcp: tables",
            ),
          ],
    ),
  },
  {
    id: "parameters",
    right: "postconf finds nothing odd in main.cf and master.cf",
    why: "A parameter with a typing error is ignored, without any other sign.",
    run: withPostfix((postfix) =>
      postfix.complaints.map((text) => {
        const [, name] = /unused parameter: ([^=\s]+)=/.exec(text) ?? [];
        if (name === undefined) return warning(`postconf: ${text}`, "postconf -n");
        return warning(`postconf: ${text}`, `correct its name, or: postconf -X ${name} && postfix reload`);
      }),
    ),
  },
  {
    id: "table-types",
    right: "Postfix has every type of lookup table that main.cf names",
    why: "Mail waits if a table cannot be opened. Berkeley DB (hash:, btree:) is leaving the distributions.",
    run: withPostfix((postfix) => {
      const named = new Map<string, string>();
      for (const name of TABLE_PARAMETERS) {
        for (const [, type = ""] of postfix
          .value(name)
          .matchAll(/(?:^|[\s,{])(?:proxy:)?([a-z][a-z0-9]*):(?!:)[^\s,]/g)) {
          if (!NO_TABLES.has(type)) named.set(type, name);
        }
      }
      const missing = [...named].filter(([type]) => !postfix.tableTypes.has(type));
      return missing.map(([type, name]) =>
        error(
          `main.cf: ${name} names a ${type}: table, which this Postfix does not have (${someOf([...postfix.tableTypes], 20)})`,
          type === "hash" || type === "btree"
            ? `postmap lmdb:FILE, and lmdb: instead of ${type}: in ${name}`
            : `apt install postfix-${type}`,
        ),
      );
    }),
  },
  {
    id: "milter-default-action",
    right: "mail waits while a milter is down",
    why: "With `default_action=accept` mail comes in without the milter's checks and signatures, and nothing shows it: forged results stay in it.",
    run: withPostfix((postfix, facts) =>
      milterLists(postfix).flatMap((list) => defaultActionFindings(list, postfix, facts)),
    ),
  },
  {
    id: "milters",
    right: "every milter answers where Postfix asks for it, also out of a chroot",
    why: "Without an answer mail is deferred, or passes without its checks.",
    run: withPostfix(async (postfix, { ask }) => {
      const named = new Map(
        milterLists(postfix).flatMap((list) =>
          list.milters.flatMap(({ endpoint, where }) => {
            if (where === undefined) return [];
            const program = list.name === "smtpd_milters" ? "smtpd" : "cleanup";
            const place = placeFor(where, postfix, program, list.service);
            return [[JSON.stringify(place), { list, endpoint, place }] as const];
          }),
        ),
      );
      if (named.size === 0) return [skipped("Postfix has no milters")];
      const findings = [...named.values()].map(async ({ list, endpoint, place }): Promise<Finding[]> => {
        const answer = await ask.connect(place);
        if (answer.status === "found") return [];
        const reason = "reason" in answer ? answer.reason : answer.status;
        const where = "path" in place && !endpoint.endsWith(place.path) ? ` (${place.path})` : "";
        return [
          reason === "no permission to connect"
            ? skipped(`${endpoint}: ${reason}`)
            : error(
                `${nameOfList(list)}: the milter ${endpoint}${where} does not answer: ${reason}`,
                `start it, or take it out of ${list.name}`,
              ),
        ];
      });
      return (await Promise.all(findings)).flat();
    }),
  },
  {
    id: "tls",
    right: "mail leaves with TLS where the other side has it",
    why: "Gmail requires TLS of senders (5.7.29).",
    run: withPostfix((postfix) => {
      const level = postfix.value("smtp_tls_security_level");
      const isOld = postfix.value("smtp_use_tls") === "yes" || postfix.value("smtp_enforce_tls") === "yes";
      if (level !== "none" && (level !== "" || isOld)) return [];
      const what = level === "" ? "is empty" : "= none";
      return [
        error(
          `main.cf: smtp_tls_security_level ${what}: mail leaves without TLS, which Gmail refuses`,
          postconf("smtp_tls_security_level = may"),
        ),
      ];
    }),
  },
];

/** Parameters that name tables. */
const TABLE_PARAMETERS = [
  "alias_maps",
  "canonical_maps",
  "mydestination",
  "recipient_canonical_maps",
  "relay_domains",
  "relay_recipient_maps",
  "sender_canonical_maps",
  "sender_dependent_default_transport_maps",
  "transport_maps",
  "virtual_alias_domains",
  "virtual_alias_maps",
  "virtual_mailbox_domains",
  "virtual_mailbox_maps",
];

/** Words before a colon that are no types of tables, but stand inside others. */
const NO_TABLES: ReadonlySet<string> = new Set([
  "proxy",
  "smtp",
  "lmtp",
  "relay",
  "error",
  "inet",
  "unix",
  "discard",
  "local",
]);

function defaultActionFindings(list: MilterList, postfix: PostfixFacts, facts: Facts): Finding[] {
  const own = list.milters.filter(({ options }) => UNWANTED_ACTIONS[options.get("default_action") ?? ""] !== undefined);
  const [first] = own;
  const forOne: Finding[] =
    first === undefined
      ? []
      : [
          warning(
            `${nameOfList(list)}: default_action=${first.options.get("default_action")} of ${first.endpoint} ${UNWANTED_ACTIONS[first.options.get("default_action") ?? ""]}`,
            mendMilters(list, postfix, tidied(list, postfix, facts)),
          ),
        ];
  const inService = list.service?.overrides.get("milter_default_action");
  const general = inService ?? postfix.value("milter_default_action");
  const concerns = own.length > 0 || list.milters.some(({ options }) => !options.has("default_action"));
  if (UNWANTED_ACTIONS[general] === undefined || !concerns) return forOne;
  if (list.service !== undefined && inService !== undefined) {
    const { service } = list;
    return [
      ...forOne,
      warning(
        `master.cf: ${service.name}: milter_default_action = ${general} ${UNWANTED_ACTIONS[general]}`,
        unsetForService(service, "milter_default_action"),
      ),
    ];
  }
  return [
    ...forOne,
    warning(
      `main.cf: milter_default_action = ${general} ${UNWANTED_ACTIONS[general]}`,
      postconf("milter_default_action = tempfail"),
    ),
  ];
}
