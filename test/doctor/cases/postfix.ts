import type { Case } from "../cases.ts";

const MILTER = "smtpd_milters = inet:127.0.0.1:8891\n";
const ANSWERS = { status: "found", value: "" } as const;

export const POSTFIX_CASES: readonly Case[] = [
  {
    id: "postfix",
    name: "a main.cf that is broken",
    wrong: { noPostfix: "Cannot read main.cf: postconf: fatal: bad field count" },
    says: "bad field count",
  },
  { id: "postfix", name: "a master.cf that is broken", wrong: { masterCf: "garbage\n" }, says: "bad field count" },
  {
    id: "postfix",
    name: "no Postfix",
    skips: { noPostfix: 'Cannot run "postconf": no such program, is Postfix installed?' },
    says: "is Postfix installed",
  },
  { id: "postfix", name: "a Postfix", right: {} },

  {
    id: "postfix-version",
    name: "2.11",
    wrong: { mainCf: "mail_version = 2.11.3\n" },
    says: "2.11.3 is older than 3.0",
  },
  { id: "postfix-version", name: "this one", right: {} },

  {
    id: "parameters",
    name: "a typing error",
    wrong: { mainCf: "inet_interfarce = all\n" },
    status: "warning",
    says: "unused parameter: inet_interfarce=all",
  },
  {
    id: "parameters",
    name: "a $name that is not there",
    wrong: { mainCf: "smtpd_banner = $myhostnam\n" },
    status: "warning",
    says: "undefined parameter: myhostnam",
  },
  { id: "parameters", name: "known names", right: { mainCf: "inet_interfaces = all\n" } },

  {
    id: "table-types",
    name: "a type that is missing",
    wrong: { mainCf: "virtual_alias_maps = nosuch:/etc/postfix/virtual\n" },
    says: "names a nosuch: table",
  },
  {
    id: "table-types",
    name: "one behind proxy:",
    wrong: { mainCf: "virtual_mailbox_maps = hash:/x, proxy:mongodb:/etc/postfix/m.cf\n" },
    says: "names a mongodb: table",
  },
  {
    id: "table-types",
    name: "types that are there",
    right: {
      mainCf:
        "virtual_alias_maps = texthash:/x, pipemap:{inline:{a=b:c},static:y}\ntransport_maps = inline:{ {a.test = smtp:[192.0.2.1]:25} }\n",
    },
  },

  {
    id: "milter-default-action",
    name: "accept",
    wrong: { mainCf: `${MILTER}milter_default_action = accept\n` },
    status: "warning",
    says: "milter_default_action = accept",
  },
  {
    id: "milter-default-action",
    name: "accept in braces",
    wrong: {
      mainCf:
        "smtpd_milters = { inet:127.0.0.1:8891, connect_timeout=5s, default_action=accept }, inet:127.0.0.1:8893\n",
    },
    status: "warning",
    says: "default_action=accept of inet:127.0.0.1:8891 lets mail pass",
  },
  {
    id: "milter-default-action",
    name: "reject of a service",
    wrong: {
      masterCf:
        "smtp inet n - n - - smtpd\n  -o smtpd_milters=inet:127.0.0.1:8891\n  -o milter_default_action=reject\n",
    },
    status: "warning",
    says: "master.cf: smtp: milter_default_action = reject refuses mail for good",
  },
  {
    id: "milter-default-action",
    name: "accept, and tempfail for each",
    right: {
      mainCf: "smtpd_milters = { inet:127.0.0.1:8891, default_action=tempfail }\nmilter_default_action = accept\n",
    },
  },
  { id: "milter-default-action", name: "tempfail", right: { mainCf: MILTER } },
  {
    id: "milter-default-action",
    name: "accept without a milter",
    right: { mainCf: "milter_default_action = accept\n" },
  },

  { id: "milters", name: "a dead milter", wrong: { mainCf: MILTER }, says: "inet:127.0.0.1:8891 does not answer" },
  {
    id: "milters",
    name: "a dead one in braces",
    wrong: { mainCf: "smtpd_milters = { inet:127.0.0.1:8891, connect_timeout=1s }\n" },
    says: "the milter inet:127.0.0.1:8891 does not",
  },
  {
    id: "milters",
    name: "a dead one of sendmail(1)",
    wrong: { mainCf: "non_smtpd_milters = inet:127.0.0.1:8891\n" },
    says: "main.cf: non_smtpd_milters: the milter inet:127.0.0.1:8891 does not answer",
  },
  {
    id: "milters",
    name: "a path outside a chroot",
    wrong: {
      mainCf: "queue_directory = /q\nsmtpd_milters = unix:/run/opendkim/s\n",
      masterCf: "smtp inet n - y - - smtpd\n",
      answers: { "/run/opendkim/s": ANSWERS },
    },
    says: "the milter unix:/run/opendkim/s (/q/run/opendkim/s) does not answer",
  },
  { id: "milters", name: "a living milter", right: { mainCf: MILTER, answers: { "127.0.0.1:8891": ANSWERS } } },
  {
    id: "milters",
    name: "a socket below the queue",
    right: { mainCf: "queue_directory = /q\nsmtpd_milters = unix:opendkim/s\n", answers: { "/q/opendkim/s": ANSWERS } },
  },
  { id: "milters", name: "none", skips: {}, says: "no milters" },

  { id: "tls", name: "none", wrong: { mainCf: "smtp_tls_security_level = none\n" }, says: "mail leaves without TLS" },
  { id: "tls", name: "nothing set", wrong: { mainCf: "smtp_tls_security_level =\n" }, says: "is empty" },
  { id: "tls", name: "may", right: {} },
  { id: "tls", name: "the old parameter", right: { mainCf: "smtp_tls_security_level =\nsmtp_use_tls = yes\n" } },
];
