/** Checks of Postfix's configuration as a whole. */
import { splitItems } from "../../postfix/match-list.ts";
import { type Check, error, postconf, skipped, someOf, warning, withPostfix } from "../check.ts";
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
    why: "With `milter_default_action = accept` mail comes in without the milter's checks and signatures, and nothing shows it.",
    run: withPostfix((postfix) => {
      if (postfix.value("smtpd_milters") === "" || postfix.value("milter_default_action") !== "accept") return [];
      return [
        warning(
          "main.cf: milter_default_action = accept lets mail pass without its DKIM and DMARC checks while a milter is down",
          postconf("milter_default_action = tempfail"),
        ),
      ];
    }),
  },
  {
    id: "milters",
    right: "every milter answers where Postfix asks for it",
    why: "Without an answer mail is deferred, or passes without its checks.",
    run: withPostfix(async (postfix, { ask }) => {
      const written = splitItems(postfix.value("smtpd_milters")).filter(Boolean);
      if (written.length === 0) return [skipped("main.cf has no milters")];
      const findings = await Promise.all(
        written.map(async (item) => {
          const text = item.replace(/^\{\s*|[\s,].*$|\}$/g, "").replace(/^\{/, "");
          const place = milterPlace(text, postfix.value("queue_directory"));
          if (place === undefined) return [];
          const answer = await ask.connect(place);
          if (answer.status === "found") return [];
          const reason = "reason" in answer ? answer.reason : answer.status;
          return [
            reason === "no permission to connect"
              ? skipped(`${text}: ${reason}`)
              : error(
                  `main.cf: the milter ${text} does not answer: ${reason}`,
                  "start it, or take it out of smtpd_milters",
                ),
          ];
        }),
      );
      return findings.flat();
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

function milterPlace(
  text: string,
  queue: string,
): { readonly host: string; readonly port: number } | { readonly path: string } | undefined {
  const [, v6, host, port] = /^inet:(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  if (port !== undefined) return { host: v6 ?? host ?? "", port: Number(port) };
  const [, path] = /^(?:unix|local):(.+)$/.exec(text) ?? [];
  return path === undefined ? undefined : { path: path.startsWith("/") ? path : `${queue}/${path}` };
}
