import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Case } from "../cases.ts";
import { testKey } from "../keys.ts";

const ON = '[milter]\nlisten = ["127.0.0.1:8891"]\n';
const ENDPOINT = "inet:127.0.0.1:8891";
const ASKED = `smtpd_milters = ${ENDPOINT}\nnon_smtpd_milters = ${ENDPOINT}\ninternal_mail_filter_classes = bounce\n`;
const SMTPD = "smtp inet n - n - - smtpd\n";
const service = (name: string, ...settings: readonly string[]): string =>
  `${name} inet n - n - - smtpd\n${settings.map((setting) => `  -o ${setting}\n`).join("")}`;
const KEYS = [testKey("example.org", "s1")];
const ANSWERS = { status: "found", value: "" } as const;
const FORWARD = "sender_dependent_default_transport_maps = socketmap:inet:127.0.0.1:10003:forward-transport\n";
const RECIPE = readFileSync(join(import.meta.dirname, "../../../deploy/postfix/forward-only.master.cf"), "utf8");
/** The second pass of docs/milter.md: with a milter of its own. */
const SEALING = RECIPE.replace(
  ",no_milters\n",
  `\n  -o smtpd_milters=${ENDPOINT}\n  -o milter_macro_daemon_name=FORWARD\n`,
);
const SOCKET = "/var/spool/postfix/postvouch/milter.sock";
const UNIX = `[milter]\nlisten = ["unix:${SOCKET}"]\n`;
const POSTFIX_USER = {
  user: (name: string) => (name === "postfix" ? { name, uid: 101, gid: 104, groups: [115] } : undefined),
};
const directory = { isDirectory: true, mode: 0o755 };
const QUEUE = {
  "/var": directory,
  "/var/spool": directory,
  "/var/spool/postfix": directory,
  "/var/spool/postfix/postvouch": directory,
};
const RSPAMD = "inet:127.0.0.1:11332";
const OPENDKIM = "inet:127.0.0.1:8892";
const opendkim = (text = "") => ({ opendkim: `Socket inet:8892@localhost\n${text}` });
const beside = (...milters: readonly string[]) => ({
  mainCf: `smtpd_milters = ${milters.join(", ")}\n`,
  toml: ON,
});
const CLASSIC =
  "sender_canonical_maps = socketmap:inet:127.0.0.1:10003:forward\nsender_canonical_classes = envelope_sender\n";
const POLICY = "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:10030\n";
/** A filter on this host that hands mail back at port 10025. */
const FILTERED = "content_filter = smtp-amavis:[127.0.0.1]:10024\n";
const BACK = "127.0.0.1:10025";
const RESTRICTED = [
  "content_filter=",
  "mynetworks=127.0.0.0/8",
  "smtpd_recipient_restrictions=permit_mynetworks,reject",
];
const SPAMC =
  "spamassassin unix - n n - - pipe\n  user=debian-spamd argv=/usr/bin/spamc -e /usr/sbin/sendmail -oi -f x y\n";
const USERS = "smtpd_sasl_auth_enable=yes";
const SIGNED_BACK = "what it hands back counts as mail of your users, and is signed as yours";

export const MILTER_CASES: readonly Case[] = [
  {
    id: "milter-internal",
    name: "everybody",
    wrong: { toml: `${ON}internal = ["0.0.0.0/0"]\n` },
    says: "milter.internal has 0.0.0.0/0: mail from everywhere is signed as yours",
  },
  {
    id: "milter-internal",
    name: "everybody over IPv6 left alone",
    wrong: { toml: `${ON}skip = ["::/0"]\n` },
    says: "milter.skip has ::/0: mail from everywhere passes unchecked",
  },
  {
    id: "milter-internal",
    name: "a relay that is everybody",
    wrong: { toml: `${ON}trusted_relays = ["0.0.0.0/0"]\ntrusted_authserv_ids = ["mx.example.net"]\n` },
    says: "milter.trusted_relays has 0.0.0.0/0: results that a stranger has forged are believed",
  },
  {
    id: "milter-internal",
    name: "a private network",
    right: { toml: `${ON}internal = ["127.0.0.1", "10.0.0.0/8"]\n` },
  },
  { id: "milter-internal", name: "everybody, and no milter", right: { toml: '[milter]\ninternal = ["0.0.0.0/0"]\n' } },

  {
    id: "dmarc-malformed",
    name: "a way round",
    wrong: { toml: `${ON}[dmarc]\nreject = true\n` },
    status: "warning",
    says: "a second From: is a way round p=reject",
  },
  {
    id: "dmarc-malformed",
    name: "none",
    right: { toml: `${ON}malformed = "reject"\n[dmarc]\nreject = true\n` },
  },

  {
    id: "two-results",
    name: "both",
    wrong: { mainCf: ASKED + POLICY, toml: `${ON}[policy]\nheaders = ["authentication-results"]\n` },
    status: "warning",
    says: "policy.headers has authentication-results",
  },
  {
    id: "two-results",
    name: "the milter alone",
    right: { mainCf: ASKED + POLICY, toml: `${ON}[policy]\nheaders = []\n` },
  },
  {
    id: "two-results",
    name: "a milter that nobody asks",
    right: { mainCf: POLICY, toml: `${ON}[policy]\nheaders = ["authentication-results"]\n` },
  },

  {
    id: "milter-use",
    name: "a milter that nobody asks",
    wrong: { toml: ON },
    status: "warning",
    says: "nothing is verified and nothing is signed",
  },
  {
    id: "milter-use",
    name: "Postfix asks one that is off",
    wrong: { mainCf: ASKED },
    says: "where nothing listens, and milter.listen is empty",
  },
  {
    id: "milter-use",
    name: "a socket of ours, and it is off",
    wrong: { mainCf: "smtpd_milters = unix:postvouch/milter.sock\n" },
    says: "names unix:postvouch/milter.sock",
  },
  {
    id: "milter-use",
    name: "port 25 with a list of its own",
    wrong: { mainCf: ASKED, toml: ON, masterCf: service("smtp", "smtpd_milters=") },
    status: "warning",
    says: "smtp does not ask our milter: mail from outside is not verified",
  },
  {
    id: "milter-use",
    name: "port 25 without milters",
    wrong: {
      mainCf: ASKED,
      toml: ON,
      masterCf: service("25", "receive_override_options=no_milters,no_address_mappings"),
    },
    status: "warning",
    says: "25 does not ask our milter",
  },
  {
    id: "milter-use",
    name: "users whose mail is not signed",
    wrong: { mainCf: ASKED, toml: ON, keys: KEYS, masterCf: SMTPD + service("submission", "smtpd_milters=") },
    status: "warning",
    says: "submission does not ask our milter: mail of users is not signed",
  },
  {
    id: "milter-use",
    name: "port 25 and submission",
    right: {
      mainCf: ASKED,
      toml: ON,
      keys: KEYS,
      masterCf: SMTPD + service("submission") + service("127.0.0.1:10025", "receive_override_options=no_milters"),
    },
  },
  { id: "milter-use", name: "no milter", skips: {}, says: "the milter is off" },
  {
    id: "milter-use",
    name: "OpenDKIM that is down",
    skips: { mainCf: ASKED, neighbours: { opendkim: "" } },
    says: "the milter is off",
  },
  {
    id: "milter-use",
    name: "another milter on that port",
    skips: { mainCf: ASKED, answers: { "127.0.0.1:8891": ANSWERS } },
    says: "the milter is off",
  },

  {
    id: "milter-socket",
    name: "a path outside a chroot",
    wrong: {
      mainCf: "smtpd_milters = unix:/run/postvouch/milter.sock\n",
      masterCf: "smtp inet n - y - - smtpd\n",
      toml: '[milter]\nlisten = ["unix:/run/postvouch/milter.sock"]\n',
    },
    says: "runs in a chroot: it looks for /var/spool/postfix/run/postvouch/milter.sock",
  },
  {
    id: "milter-socket",
    name: "one that Postfix may not open",
    wrong: {
      mainCf: "smtpd_milters = unix:postvouch/milter.sock\n",
      toml: UNIX,
      host: POSTFIX_USER,
      hostFiles: { ...QUEUE, [SOCKET]: { mode: 0o600, uid: 900, gid: 900 } },
    },
    says: `Postfix's user postfix may not open ${SOCKET}: ${SOCKET} has mode 0600`,
  },
  {
    id: "milter-socket",
    name: "a folder that Postfix may not pass",
    wrong: {
      mainCf: "smtpd_milters = unix:postvouch/milter.sock\n",
      toml: UNIX,
      host: POSTFIX_USER,
      hostFiles: { ...QUEUE, "/var/spool/postfix/postvouch": { ...directory, mode: 0o700, uid: 900, gid: 900 } },
    },
    says: "/var/spool/postfix/postvouch has mode 0700",
  },
  {
    id: "milter-socket",
    name: "a socket of a group that Postfix is in",
    right: {
      mainCf: "smtpd_milters = unix:postvouch/milter.sock\n",
      masterCf: "smtp inet n - y - - smtpd\n",
      toml: UNIX,
      host: POSTFIX_USER,
      hostFiles: { ...QUEUE, [SOCKET]: { mode: 0o660, uid: 900, gid: 115 } },
    },
  },
  { id: "milter-socket", name: "no milter", skips: {}, says: "the milter is off" },
  { id: "milter-socket", name: "nobody asks", skips: { toml: ON }, says: "no milter parameter of Postfix" },

  {
    id: "milter-protocol",
    name: "2 in main.cf",
    wrong: { mainCf: `${ASKED}milter_protocol = 2\n`, toml: ON },
    status: "warning",
    says: "asks us with protocol version 2, want 6",
  },
  {
    id: "milter-protocol",
    name: "4 in braces",
    wrong: { mainCf: `smtpd_milters = { ${ENDPOINT}, protocol=4, connect_timeout=5s }\n`, toml: ON },
    status: "warning",
    says: "version 4",
  },
  {
    id: "milter-protocol",
    name: "3 in master.cf",
    wrong: { masterCf: service("smtp", `smtpd_milters=${ENDPOINT}`, "milter_protocol=3"), toml: ON },
    status: "warning",
    says: "master.cf: smtp: smtpd_milters asks us with protocol version 3",
  },
  { id: "milter-protocol", name: "the default", right: { mainCf: ASKED, toml: ON } },

  {
    id: "milter-macros",
    name: "no {auth_type}",
    wrong: { mainCf: `${ASKED}milter_mail_macros = i {mail_addr}\n`, toml: ON },
    says: "milter_mail_macros has no {auth_type}",
  },
  {
    id: "milter-macros",
    name: "no queue id",
    wrong: {
      mainCf: `${ASKED}milter_rcpt_macros =\nmilter_data_macros =\nmilter_end_of_header_macros =\nmilter_end_of_data_macros = {x}\n`,
      toml: ON,
    },
    status: "warning",
    says: "no queue ids",
  },
  {
    id: "milter-macros",
    name: "no {daemon_name}, and an old protocol",
    wrong: { mainCf: `${ASKED}milter_connect_macros = j v\nmilter_protocol = 4\n`, toml: ON },
    says: "milter_connect_macros has no {daemon_name}",
  },
  {
    id: "milter-macros",
    name: "no {daemon_name}, which we ask for",
    right: { mainCf: `${ASKED}milter_connect_macros = j v\n`, toml: ON },
  },
  {
    id: "milter-macros",
    name: "no {daemon_name}, and an old protocol that is not ours",
    right: {
      mainCf: `smtpd_milters = { ${ENDPOINT}, protocol=6 }\nmilter_connect_macros = j v\nmilter_protocol = 2\n`,
      toml: ON,
    },
  },

  {
    id: "milter-roles",
    name: "mail from outside as that of users",
    wrong: { mainCf: `${ASKED}milter_macro_daemon_name = ORIGINATING\n`, toml: ON },
    says: "main.cf: milter_macro_daemon_name = ORIGINATING is that of port 25 too: mail from outside is signed as yours",
  },
  {
    id: "milter-roles",
    name: "mail from outside as that of a filter",
    wrong: { mainCf: ASKED, toml: ON, masterCf: service("smtp", "milter_macro_daemon_name=REINJECT") },
    says: "master.cf: smtp: milter_macro_daemon_name = REINJECT is that of port 25 too: mail from outside is not checked",
  },
  {
    id: "milter-roles",
    name: "a submission service that nobody knows",
    wrong: { mainCf: ASKED, toml: ON, masterCf: SMTPD + service("submission") },
    status: "warning",
    says: "submission has neither a login nor milter_macro_daemon_name = ORIGINATING",
  },
  {
    id: "milter-roles",
    name: "logins, and names",
    right: {
      mainCf: ASKED,
      toml: ON,
      masterCf: [
        SMTPD,
        service("submission", "smtpd_sasl_auth_enable=yes"),
        service("465", "milter_macro_daemon_name=ORIGINATING"),
        service("127.0.0.1:10025", "milter_macro_daemon_name=REINJECT"),
      ].join(""),
    },
  },

  {
    id: "milter-roles",
    name: "a content filter, and a service behind it without a name",
    wrong: { mainCf: ASKED + FILTERED, toml: ON, masterCf: SMTPD + service(BACK, "content_filter=") },
    says: `master.cf: ${BACK} is behind the filter smtp-amavis:[127.0.0.1]:10024, and asks the milter as mail.example.org: ${SIGNED_BACK}`,
  },
  {
    id: "milter-roles",
    name: "a content filter of port 25 alone, and a service on every address",
    wrong: {
      mainCf: ASKED,
      toml: ON,
      masterCf: service("smtp", "content_filter=scan:[127.0.0.1]:10026") + service("10025", ...RESTRICTED),
    },
    says: `master.cf: 10025 is behind the filter scan:[127.0.0.1]:10026`,
  },
  {
    id: "milter-roles",
    name: "a content filter of postscreen's smtpd",
    wrong: {
      mainCf: ASKED,
      toml: ON,
      masterCf: `smtpd pass - - n - - smtpd\n  -o content_filter=scan:[127.0.0.1]:10026\n${service("[::1]:10025")}`,
    },
    says: "master.cf: [::1]:10025 is behind the filter",
  },
  {
    id: "milter-roles",
    name: "a filter by an access table",
    wrong: {
      mainCf: `${ASKED}smtpd_client_restrictions = check_client_access regexp:/etc/postfix/scan\n`,
      toml: ON,
      masterCf: SMTPD + service(BACK, "smtpd_client_restrictions="),
      hostFiles: { "/etc/postfix/scan": "# FILTER no:[127.0.0.1]:1\n/^/ FILTER smtp:[127.0.0.1]:10024\n" },
    },
    says: `master.cf: ${BACK} is behind the filter smtp:[127.0.0.1]:10024`,
  },
  {
    id: "milter-roles",
    name: "a filter in the list itself, in a class of restrictions",
    wrong: {
      mainCf: `${ASKED}smtpd_restriction_classes = scan\nscan = check_sender_access static:{FILTER smtp:[127.0.0.1]:10024}\nsmtpd_data_restrictions = scan\n`,
      toml: ON,
      masterCf: SMTPD + service(BACK, "smtpd_data_restrictions="),
    },
    says: `master.cf: ${BACK} is behind the filter smtp:[127.0.0.1]:10024`,
  },
  {
    id: "milter-roles",
    name: "a filter by header checks",
    wrong: {
      mainCf: `${ASKED}header_checks = pcre:/etc/postfix/headers\n`,
      toml: ON,
      masterCf: SMTPD + service(BACK, "receive_override_options=no_header_body_checks"),
      hostFiles: { "/etc/postfix/headers": "/^Subject:/ filter smtp:[127.0.0.1]:10024\n" },
    },
    says: `master.cf: ${BACK} is behind the filter smtp:[127.0.0.1]:10024`,
  },
  {
    id: "milter-roles",
    name: "a filter whose mail all comes back as that of users",
    wrong: {
      mainCf: ASKED + FILTERED,
      toml: ON,
      masterCf: SMTPD + service(BACK, "content_filter=", "milter_macro_daemon_name=ORIGINATING"),
    },
    says: `asks the milter as ORIGINATING: ${SIGNED_BACK}`,
  },
  {
    id: "milter-roles",
    name: "a proxy filter of main.cf, and a milter behind it",
    wrong: {
      mainCf: `${ASKED}smtpd_proxy_filter = 127.0.0.1:10024\n`,
      toml: ON,
      masterCf: service("smtp", "smtpd_milters=") + service(BACK, "smtpd_proxy_filter="),
    },
    says: `master.cf: ${BACK} is behind smtpd_proxy_filter 127.0.0.1:10024, and asks the milter as mail.example.org: it sees 127.0.0.1 as the client of all mail, and what comes from outside is signed as yours`,
  },
  {
    id: "milter-roles",
    name: "a proxy filter of one service, and a milter before it",
    wrong: {
      mainCf: ASKED,
      toml: ON,
      masterCf: service("smtp", "smtpd_proxy_filter=127.0.0.1:10024") + service(BACK, "smtpd_milters="),
    },
    says: "master.cf: smtp hands mail to smtpd_proxy_filter 127.0.0.1:10024 before a milter sees its text: it is not checked",
  },
  {
    id: "milter-roles",
    name: "a proxy filter of users",
    wrong: {
      mainCf: ASKED,
      toml: ON,
      masterCf:
        SMTPD + service("submission", USERS, "smtpd_proxy_filter=127.0.0.1:10024") + service(BACK, "smtpd_milters="),
    },
    says: "master.cf: submission hands mail to smtpd_proxy_filter 127.0.0.1:10024 before a milter sees its text: it is not signed",
  },
  {
    id: "milter-roles",
    name: "a filter that hands mail back by sendmail(1)",
    wrong: {
      mainCf: ASKED,
      toml: ON,
      masterCf: service("smtp", "content_filter=spamassassin") + SPAMC,
    },
    says: "main.cf: non_smtpd_milters has our milter, and the filter spamassassin hands mail back by sendmail(1)",
  },
  {
    id: "milter-roles",
    name: "filters whose mail is known as theirs",
    right: {
      mainCf: `smtpd_milters = ${ENDPOINT}\n${FILTERED}`,
      toml: ON,
      masterCf: [
        SMTPD,
        SPAMC,
        service("submission", USERS, "content_filter=spamassassin"),
        service(BACK, ...RESTRICTED, "milter_macro_daemon_name=REINJECT"),
        service("127.0.0.1:10027", "content_filter=", "milter_macro_daemon_name=ORIGINATING"),
        service("127.0.0.1:10028", "content_filter=", "receive_override_options=no_milters"),
        service("127.0.0.1:10029", "content_filter=", "smtpd_milters="),
        // Not behind the filter: it goes through it.
        service("127.0.0.1:2525"),
        RECIPE,
      ].join(""),
    },
  },
  {
    id: "milter-roles",
    name: "a filter for mail of users alone",
    right: {
      mainCf: ASKED,
      toml: ON,
      masterCf: SMTPD + service("submission", USERS, "content_filter=scan:[127.0.0.1]:10026") + service(BACK),
    },
  },
  {
    id: "milter-roles",
    name: "an application on loopback, beside the way back of a filter",
    right: {
      mainCf: ASKED,
      toml: ON,
      masterCf: [
        service("smtp", "content_filter=scan:[127.0.0.1]:10026"),
        service(BACK, ...RESTRICTED, "milter_macro_daemon_name=REINJECT"),
        service("127.0.0.1:2525"),
      ].join(""),
    },
  },
  {
    id: "milter-roles",
    name: "a proxy filter that passes the client on",
    right: {
      mainCf: ASKED,
      toml: ON,
      masterCf:
        service("smtp", "smtpd_proxy_filter=127.0.0.1:10024", "smtpd_milters=") +
        service(BACK, "smtpd_authorized_xclient_hosts=127.0.0.0/8"),
    },
  },
  {
    id: "milter-roles",
    name: "loopback left alone by milter.skip",
    right: {
      mainCf: ASKED + FILTERED,
      toml: `${ON}skip = ["127.0.0.0/8"]\n`,
      masterCf: SMTPD + service(BACK, "content_filter="),
    },
  },

  {
    id: "milter-bounces",
    name: "a filter that hands mail back by sendmail(1)",
    skips: {
      mainCf: `smtpd_milters = ${ENDPOINT}\n`,
      toml: ON,
      keys: KEYS,
      masterCf: service("smtp", "content_filter=spamassassin") + SPAMC,
    },
    says: "the filter spamassassin hands mail back by sendmail(1)",
  },
  {
    id: "milter-bounces",
    name: "sendmail(1) past the milter",
    wrong: { mainCf: `smtpd_milters = ${ENDPOINT}\n`, toml: ON, keys: KEYS },
    status: "warning",
    says: "non_smtpd_milters has not our milter",
  },
  {
    id: "milter-bounces",
    name: "bounces past it",
    wrong: { mainCf: ASKED.replace("bounce", "notify"), toml: ON, keys: KEYS },
    status: "warning",
    says: "internal_mail_filter_classes has no bounce",
  },
  { id: "milter-bounces", name: "both", right: { mainCf: ASKED, toml: ON, keys: KEYS } },
  {
    id: "milter-bounces",
    name: "no key",
    skips: { mainCf: `smtpd_milters = ${ENDPOINT}\n`, toml: ON },
    says: "no key",
  },

  {
    id: "milter-forward",
    name: "no milter behind it",
    wrong: { mainCf: ASKED + FORWARD, masterCf: SMTPD + RECIPE, toml: ON, keys: KEYS },
    status: "warning",
    says: "127.0.0.1:12526 does not ask the milter, so that nothing that is forwarded is sealed",
  },
  {
    id: "milter-forward",
    name: "a milter under another name",
    wrong: { mainCf: ASKED + FORWARD, masterCf: SMTPD + RECIPE.replace(",no_milters", ""), toml: ON },
    status: "warning",
    says: "asks the milter as mail.example.org, not as FORWARD",
  },
  {
    id: "milter-forward",
    name: "the lines of docs/milter.md",
    right: { mainCf: ASKED + FORWARD, masterCf: SMTPD + SEALING, toml: ON, keys: KEYS },
  },
  {
    id: "milter-forward",
    name: "nothing is to be sealed",
    skips: { mainCf: ASKED + FORWARD, masterCf: SMTPD + RECIPE, toml: `${ON}[arc]\nseal = "no"\n`, keys: KEYS },
    says: "needs no milter",
  },
  {
    id: "milter-forward",
    name: "no key",
    skips: { mainCf: ASKED + FORWARD, masterCf: SMTPD + RECIPE, toml: ON },
    says: "no RSA key could seal",
  },
  { id: "milter-forward", name: "no second pass", skips: { mainCf: ASKED, toml: ON }, says: "no forward-only set-up" },

  {
    id: "milter-twice",
    name: "OpenDKIM beside us, and no keys of ours",
    wrong: { ...beside(ENDPOINT, OPENDKIM), neighbours: opendkim() },
    status: "warning",
    says: "main.cf: smtpd_milters has another milter beside ours: OpenDKIM verifies too",
  },
  {
    id: "milter-twice",
    name: "all three",
    wrong: {
      ...beside(OPENDKIM, "unix:opendmarc/opendmarc.sock", "inet:127.0.0.1:8894", ENDPOINT),
      keys: KEYS,
      neighbours: opendkim(),
      owners: { "127.0.0.1:8894": "openarc, pid 12" },
    },
    status: "warning",
    says: "OpenDKIM verifies and signs too, OpenDMARC checks DMARC too, OpenARC verifies or seals with ARC too",
  },
  {
    id: "milter-twice",
    name: "rspamd that signs",
    wrong: {
      ...beside(ENDPOINT, RSPAMD),
      keys: KEYS,
      hostFiles: { "/etc/rspamd/local.d/dkim_signing.conf": 'selector = "s1";\n' },
    },
    status: "warning",
    says: "rspamd signs too",
  },
  {
    id: "milter-twice",
    name: "others that do other work",
    right: {
      ...beside(ENDPOINT, RSPAMD, OPENDKIM, "unix:clamav/milter.sock"),
      keys: KEYS,
      neighbours: opendkim("Mode v\n"),
      toml: `${ON}[dkim]\nverify = false\n`,
      hostFiles: { "/etc/rspamd/local.d/dkim_signing.conf": "enabled = false;\n" },
    },
  },

  {
    id: "milter-order",
    name: "a filter before us",
    wrong: beside("unix:clamav/milter.sock", ENDPOINT),
    status: "warning",
    says: "has unix:clamav/milter.sock before our milter",
  },
  {
    id: "milter-order",
    name: "a filter behind us, for mail of users",
    wrong: {
      mainCf: ASKED,
      toml: ON,
      masterCf: SMTPD + service("submission", `smtpd_milters=${ENDPOINT},{${RSPAMD},connect_timeout=5s}`),
    },
    status: "warning",
    says: "master.cf: submission: smtpd_milters has inet:127.0.0.1:11332 after our milter",
  },
  {
    id: "milter-order",
    name: "a filter behind us, for mail of sendmail(1)",
    wrong: { mainCf: `non_smtpd_milters = ${ENDPOINT} ${RSPAMD}\n`, toml: ON },
    status: "warning",
    says: "main.cf: non_smtpd_milters has inet:127.0.0.1:11332 after our milter",
  },
  {
    id: "milter-order",
    name: "first from outside, last from users",
    right: {
      mainCf: `smtpd_milters = ${ENDPOINT}, ${RSPAMD}\nnon_smtpd_milters = ${RSPAMD}, ${ENDPOINT}\n`,
      toml: ON,
      masterCf: SMTPD + service("submission", `smtpd_milters=${RSPAMD},${ENDPOINT}`),
    },
  },

  {
    id: "milter-name",
    name: "OpenDKIM under the host's name",
    wrong: { ...beside(ENDPOINT, OPENDKIM), neighbours: opendkim() },
    says: "OpenDKIM writes results under mail.example.org as we do",
  },
  {
    id: "milter-name",
    name: "another name",
    right: { ...beside(ENDPOINT, OPENDKIM), neighbours: opendkim("AuthservID dkim.example.org\n") },
  },

  {
    id: "arc-seal",
    name: "classic maps beside a milter",
    wrong: { mainCf: CLASSIC, toml: ON },
    status: "warning",
    says: "which seals nothing",
  },
  {
    id: "arc-seal",
    name: "forward-only beside a milter",
    right: { mainCf: FORWARD, toml: ON },
  },
];
