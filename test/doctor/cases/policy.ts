import type { Case } from "../cases.ts";

const OURS = "{ inet:127.0.0.1:10030, timeout=30s }";
const asking = (call: string, before = "permit_mynetworks, reject_unauth_destination, ") =>
  `smtpd_recipient_restrictions = ${before}check_policy_service ${call}\n`;
const GOOD = asking(OURS);
const MILTER = "smtpd_milters = inet:127.0.0.1:8893\n";
const REJECTS = { opendmarc: "RejectFailures true\n" };
const SMTP = "smtp inet n - n - - smtpd\n";
const SPAWN = "policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf\n";
const CLASS = `smtpd_restriction_classes = other, spf
other = permit
spf = check_policy_service unix:private/policyd-spf
smtpd_sender_restrictions = check_sender_access inline:{ example.com=spf }
`;
const ANSWERS = { status: "found", value: "DUNNO" } as const;

export const POLICY_CASES: readonly Case[] = [
  {
    id: "policy-default-action",
    name: "DUNNO",
    wrong: { mainCf: asking("{ inet:127.0.0.1:10030, timeout=30s, default_action=DUNNO }") },
    status: "warning",
    says: "main.cf: default_action in smtpd_recipient_restrictions lets mail in unchecked",
  },
  {
    id: "policy-default-action",
    name: "DUNNO with a DMARC filter that rejects",
    wrong: { mainCf: MILTER + asking("{ inet:127.0.0.1:10030, default_action=DUNNO }"), neighbours: REJECTS },
    says: "refuse it for good",
  },
  {
    id: "policy-default-action",
    name: "DUNNO for all services",
    wrong: { mainCf: `${GOOD}smtpd_policy_service_default_action = DUNNO\n` },
    status: "warning",
    says: "smtpd_policy_service_default_action = DUNNO",
  },
  { id: "policy-default-action", name: "none", right: { mainCf: GOOD } },

  {
    id: "temperror",
    name: "tag",
    wrong: { mainCf: MILTER, neighbours: REJECTS },
    says: 'policy.mail_from.temperror: got "tag", want "defer"',
  },
  {
    id: "temperror",
    name: "defer",
    right: {
      mainCf: MILTER,
      neighbours: REJECTS,
      toml: '[policy.helo]\ntemperror = "defer"\n[policy.mail_from]\ntemperror = "defer"\n',
    },
  },
  {
    id: "temperror",
    name: "an OpenDMARC that Postfix no longer asks",
    right: {
      mainCf: `smtpd_milters = inet:127.0.0.1:8895\n${GOOD}`,
      toml: '[milter]\nlisten = ["127.0.0.1:8895"]\n',
      neighbours: REJECTS,
    },
  },

  { id: "policy-use", name: "no call", wrong: {}, status: "warning", says: "service: SPF is not checked" },
  {
    id: "policy-use",
    name: "policyd-spf alone",
    wrong: { mainCf: asking("unix:private/policyd-spf"), masterCf: SMTP + SPAWN },
    status: "warning",
    says: "SPF is not checked by postvouch",
  },
  { id: "policy-use", name: "a call", right: { mainCf: GOOD } },
  {
    id: "policy-use",
    name: "a call in a restriction class, by localhost",
    right: {
      mainCf:
        "smtpd_restriction_classes = spf\nspf = check_policy_service inet:localhost:10030\nsmtpd_recipient_restrictions = reject_unauth_destination, spf\n",
    },
  },
  {
    id: "policy-use",
    name: "a call in a restriction class of an access table",
    right: { mainCf: CLASS.replace("unix:private/policyd-spf", "inet:127.0.0.1:10030") },
  },
  { id: "policy-use", name: "no listener", skips: { toml: "[policy]\nlisten = []\n" }, says: "policy.listen is empty" },

  {
    id: "policy-syntax",
    name: "blanks",
    wrong: { mainCf: asking("{ inet:127.0.0.1:10030, timeout = 30s, default_action=DUNNO }") },
    says: 'has blanks around "="',
  },
  {
    id: "policy-syntax",
    name: "no blanks, but in inner braces",
    right: { mainCf: asking("{ inet:127.0.0.1:10030, timeout=30s, { default_action = 451 4.3.5 later } }") },
  },

  {
    id: "policy-order",
    name: "before, and nothing else guards",
    wrong: {
      mainCf: `smtpd_relay_restrictions =\n${asking(`${OURS}, reject_unauth_destination`, "permit_mynetworks, ")}`,
    },
    says: "an open relay",
  },
  {
    id: "policy-order",
    name: "before, behind the relay restrictions",
    wrong: { mainCf: asking(`${OURS}, reject_unauth_destination`, "permit_mynetworks, ") },
    status: "warning",
    says: "cost DNS lookups",
  },
  {
    id: "policy-order",
    name: "no reject_unauth_destination",
    wrong: { mainCf: `smtpd_relay_restrictions =\n${asking(`${OURS}, permit`, "")}` },
    says: "an open relay",
  },
  {
    id: "policy-order",
    name: "in the relay restrictions",
    wrong: {
      mainCf: `smtpd_relay_restrictions = check_policy_service inet:127.0.0.1:10030, reject_unauth_destination\n`,
    },
    says: "smtpd_relay_restrictions asks inet:127.0.0.1:10030 before",
  },
  { id: "policy-order", name: "behind it", right: { mainCf: GOOD } },

  {
    id: "policy-submission",
    name: "a port that inherits the check",
    wrong: { mainCf: GOOD, masterCf: `${SMTP}submission inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n` },
    status: "warning",
    says: "master.cf: submission inherits the check",
  },
  {
    id: "policy-submission",
    name: "policyd-spf on smtps",
    wrong: { mainCf: asking("unix:private/policyd-spf"), masterCf: `${SMTP}smtps inet n - n - - smtpd\n${SPAWN}` },
    says: "master.cf: smtps inherits the check by unix:private/policyd-spf",
  },
  {
    id: "policy-submission",
    name: "users before the check",
    right: {
      mainCf: asking(OURS, "permit_sasl_authenticated, reject_unauth_destination, "),
      masterCf: `${SMTP}submission inet n - n - - smtpd\n`,
    },
  },
  {
    id: "policy-submission",
    name: "a list of its own",
    right: {
      mainCf: GOOD,
      masterCf: `${SMTP}submission inet n - n - - smtpd\n  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject\n`,
    },
  },
  { id: "policy-submission", name: "no such port", skips: { mainCf: GOOD }, says: "no submission service" },

  {
    id: "policy-endpoint",
    name: "nothing there",
    wrong: { mainCf: GOOD },
    says: "inet:127.0.0.1:10030 does not answer",
  },
  { id: "policy-endpoint", name: "an answer", right: { mainCf: GOOD, answers: { "127.0.0.1:10030": ANSWERS } } },
  {
    id: "policy-endpoint",
    name: "a socket below the queue",
    right: {
      toml: '[policy]\nlisten = ["unix:/q/postvouch/policy"]\n',
      mainCf: `queue_directory = /q\n${asking("{ unix:postvouch/policy, timeout=30s }")}`,
      answers: { "/q/postvouch/policy": ANSWERS },
    },
  },

  {
    id: "policy-timeout",
    name: "15 seconds",
    wrong: { mainCf: asking("{ inet:127.0.0.1:10030, timeout=15s }") },
    status: "warning",
    says: "waits 15s",
  },
  {
    id: "policy-timeout",
    name: "the general one",
    wrong: { mainCf: `${asking("inet:127.0.0.1:10030")}smtpd_policy_service_timeout = 10\n` },
    status: "warning",
    says: "waits 10 for",
  },
  { id: "policy-timeout", name: "30 seconds", right: { mainCf: GOOD } },

  {
    id: "policy-headers",
    name: "two headers, one call",
    wrong: { mainCf: GOOD, toml: '[policy]\nheaders = ["authentication-results", "received-spf"]\n' },
    status: "warning",
    says: "the last header is never added",
  },
  {
    id: "policy-headers",
    name: "two of both",
    right: {
      mainCf: `${GOOD}smtpd_data_restrictions = check_policy_service ${OURS}\n`,
      toml: '[policy]\nheaders = ["authentication-results", "received-spf"]\n',
    },
  },

  {
    id: "two-spf",
    name: "policyd-spf too",
    wrong: { mainCf: `${GOOD.trimEnd()}, check_policy_service unix:private/policyd-spf\n`, masterCf: SMTP + SPAWN },
    status: "warning",
    says: "asks unix:private/policyd-spf beside ours",
  },
  {
    id: "two-spf",
    name: "a program of SPF behind another name",
    wrong: {
      mainCf: `${GOOD.trimEnd()}, check_policy_service unix:private/spfcheck1\n`,
      masterCf: SMTP + SPAWN.replace("policyd-spf unix", "spfcheck1 unix"),
    },
    status: "warning",
    says: "spfcheck1",
  },
  {
    id: "two-spf",
    name: "policyd-spf in a class that an access table calls",
    wrong: { mainCf: GOOD + CLASS, masterCf: SMTP + SPAWN },
    status: "warning",
    says: "main.cf: spf asks unix:private/policyd-spf beside ours",
  },
  {
    id: "two-spf",
    name: "a greylister",
    right: { mainCf: `${GOOD.trimEnd()}, check_policy_service inet:127.0.0.1:10023\n` },
  },

  {
    id: "policyd-spf",
    name: "a service that nobody asks",
    wrong: { mainCf: GOOD, masterCf: SMTP + SPAWN },
    status: "warning",
    says: "policyd-spf is left over",
  },
  { id: "policyd-spf", name: "asked by a class", right: { mainCf: GOOD + CLASS, masterCf: SMTP + SPAWN } },
  {
    id: "policyd-spf",
    name: "no time limit, from 3.10 on",
    wrong: { mainCf: `${asking("unix:private/policyd-spf")}mail_version = 3.10.2\n`, masterCf: SMTP + SPAWN },
    says: "policyd-spf_time_limit is not set",
  },
  {
    id: "policyd-spf",
    name: "a time limit",
    right: {
      mainCf: `${asking("unix:private/policyd-spf")}mail_version = 3.10.2\npolicyd-spf_time_limit = 3600\n`,
      masterCf: SMTP + SPAWN,
    },
  },

  {
    id: "prepend-bug",
    name: "3.7.8",
    wrong: { mainCf: `mail_version = 3.7.8\n${MILTER}${GOOD}` },
    status: "warning",
    says: "mixes up headers",
  },
  {
    id: "prepend-bug",
    name: "3.7.10, with our milter",
    wrong: {
      mainCf: `mail_version = 3.7.10\nsmtpd_milters = inet:127.0.0.1:8891\n${GOOD}`,
      toml: '[milter]\nlisten = ["127.0.0.1:8891"]\n',
    },
    says: "results that a stranger has forged may stay",
  },
  { id: "prepend-bug", name: "3.7.11", right: { mainCf: `mail_version = 3.7.11\n${MILTER}${GOOD}` } },
  {
    id: "prepend-bug",
    name: "3.7.10, and no header of the policy service",
    right: { mainCf: `mail_version = 3.7.10\n${MILTER}${GOOD}`, toml: "[policy]\nheaders = []\n" },
  },
  { id: "prepend-bug", name: "3.10.0", right: { mainCf: `mail_version = 3.10.0\n${MILTER}${GOOD}` } },
];
