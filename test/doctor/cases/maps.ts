import type { Answer } from "../../../src/doctor/facts.ts";
import type { Case } from "../cases.ts";
import { SRS_DOMAIN } from "../facts.ts";

const SOCKETMAP = "socketmap:inet:127.0.0.1:10003";
const CLASSIC = `sender_canonical_maps = ${SOCKETMAP}:forward
sender_canonical_classes = envelope_sender
recipient_canonical_maps = ${SOCKETMAP}:reverse
`;
const FORWARD_ONLY = `sender_dependent_default_transport_maps = ${SOCKETMAP}:forward-transport\n`;
const REVERSE = `recipient_canonical_maps = ${SOCKETMAP}:reverse\n`;

/** What our daemon answers for a foreign sender. */
const daemon = (map: string): Answer => {
  if (map === "forward") return { status: "found", value: `SRS0=x=y=postvouch.invalid=doctor@${SRS_DOMAIN}` };
  return map === "reverse" ? { status: "not found" } : { status: "found", value: "srs:[127.0.0.1]:12526" };
};
const RUNNING = {
  "127.0.0.1:10003": daemon,
  "127.0.0.1:10001": () => daemon("forward"),
  "127.0.0.1:10002": () => daemon("reverse"),
};

/** A table of Postfix itself that restores the address which the tests' facts sign. */
const SRS_TABLE = { srs: "/^srs0=hash=.*/ doctor@postvouch.invalid\n" };

export const MAP_CASES: readonly Case[] = [
  {
    id: "one-set-up",
    name: "both",
    wrong: { mainCf: CLASSIC + FORWARD_ONLY },
    says: "sender_canonical_maps rewrites every sender",
  },
  {
    id: "one-set-up",
    name: "both, beside another map",
    wrong: { mainCf: `${FORWARD_ONLY}sender_canonical_maps = texthash:/x, tcp:127.0.0.1:10001\n` },
    says: "nothing left to do",
  },
  { id: "one-set-up", name: "the classic one", right: { mainCf: CLASSIC } },
  { id: "one-set-up", name: "forward-only", right: { mainCf: FORWARD_ONLY } },

  {
    id: "srs-domain-class",
    name: "an SRS domain in no list",
    wrong: { mainCf: REVERSE },
    says: `${SRS_DOMAIN} is in no domain class`,
  },
  {
    id: "srs-domain-class",
    name: "a former one in none",
    wrong: {
      mainCf: `${REVERSE}virtual_alias_domains = ${SRS_DOMAIN}\n`,
      toml: '[srs]\nformer_domains = ["old.example.org"]\n',
    },
    says: "old.example.org is in no",
  },
  {
    id: "srs-domain-class",
    name: "both listed",
    right: { mainCf: `${REVERSE}virtual_alias_domains = ${SRS_DOMAIN}\n` },
  },
  { id: "srs-domain-class", name: "no map of ours", skips: {}, says: "names no map of ours" },

  {
    id: "hash-alphabet",
    name: "postsrsd beside url-safe hashes",
    wrong: { mainCf: REVERSE, neighbours: { postsrsd: "SRS_DOMAIN=x\n" } },
    status: "warning",
    says: 'want "standard"',
  },
  {
    id: "hash-alphabet",
    name: "its own alphabet",
    right: { mainCf: REVERSE, neighbours: { postsrsd: "" }, toml: '[srs]\nhash_alphabet = "standard"\n' },
  },

  { id: "srs-use", name: "a main.cf without us", wrong: {}, status: "warning", says: "nothing is rewritten" },
  {
    id: "srs-use",
    name: "no way back",
    wrong: { mainCf: `sender_canonical_maps = ${SOCKETMAP}:forward\n` },
    says: "no map restores them",
  },
  { id: "srs-use", name: "both ways", right: { mainCf: CLASSIC } },
  {
    id: "srs-use",
    name: "SPF only",
    skips: { toml: "[tcptable]\nforward = []\nreverse = []\n[socketmap]\nlisten = []\n" },
    says: "no listener rewrites",
  },

  {
    id: "srs-endpoints",
    name: "nothing there",
    wrong: { mainCf: CLASSIC },
    says: "does not answer: nothing listens there",
  },
  {
    id: "srs-endpoints",
    name: "ports that are swapped",
    wrong: {
      mainCf: "sender_canonical_maps = tcp:127.0.0.1:10001\nrecipient_canonical_maps = tcp:127.0.0.1:10002\n",
      answers: { "127.0.0.1:10001": () => daemon("reverse"), "127.0.0.1:10002": () => daemon("forward") },
    },
    says: "is another map than forward",
  },
  {
    id: "srs-endpoints",
    name: "trouble",
    wrong: { mainCf: CLASSIC, answers: { "127.0.0.1:10003": { status: "refused", reason: "TEMP own domains" } } },
    says: 'answers "TEMP own domains": mail waits',
  },
  {
    id: "srs-endpoints",
    name: "a socket that a chroot hides",
    wrong: {
      mainCf:
        "queue_directory = /var/spool/postfix\nsender_canonical_maps = socketmap:unix:/run/postvouch/srs.sock:forward\n",
      masterCf: "cleanup unix n - y - 0 cleanup\n",
      answers: { "/run/postvouch/srs.sock": daemon },
    },
    says: "unix:/run/postvouch/srs.sock:forward) does not answer",
  },
  {
    id: "srs-endpoints",
    name: "a socket without a chroot",
    right: {
      mainCf: "sender_canonical_maps = socketmap:unix:/run/postvouch/srs.sock:forward\n",
      masterCf: "cleanup unix n - n - 0 cleanup\n",
      answers: { "/run/postvouch/srs.sock": daemon },
    },
  },
  {
    id: "srs-endpoints",
    name: "a map of master.cf, inside a pipemap, out of a chroot",
    right: {
      mainCf: "queue_directory = /var/spool/postfix\n",
      masterCf:
        "srs-cleanup unix n - y - 0 cleanup\n  -o { sender_canonical_maps = pipemap:{texthash:/x, socketmap:unix:srs:forward} }\n",
      answers: { "/var/spool/postfix/srs": daemon },
    },
  },
  { id: "srs-endpoints", name: "classic maps", right: { mainCf: CLASSIC + FORWARD_ONLY, answers: RUNNING } },
  {
    id: "srs-endpoints",
    name: "no permission",
    skips: {
      mainCf: CLASSIC,
      answers: { "127.0.0.1:10003": { status: "unreachable", reason: "no permission to connect" } },
    },
    says: "no permission",
  },

  {
    id: "localhost",
    name: "localhost",
    wrong: { mainCf: "sender_canonical_maps = tcp:localhost:10001\n" },
    status: "warning",
    says: "localhost may be ::1 first",
  },
  {
    id: "srs-endpoints",
    name: "localhost in a chroot without a hosts file",
    wrong: {
      mainCf: "sender_canonical_maps = tcp:localhost:10001\n",
      masterCf: "smtp inet n - n - - smtpd\ncleanup unix n - y - 0 cleanup\n",
      answers: {
        "localhost:10001": { status: "found", value: "SRS0=x" },
        "127.0.0.1:10001": { status: "found", value: "SRS0=x" },
      },
    },
    says: "cleanup runs in a chroot without /var/spool/postfix/etc/hosts",
  },
  {
    id: "srs-endpoints",
    name: "localhost in a chroot with a hosts file",
    right: {
      mainCf: "sender_canonical_maps = tcp:localhost:10001\n",
      masterCf: "smtp inet n - n - - smtpd\ncleanup unix n - y - 0 cleanup\n",
      answers: { "localhost:10001": { status: "found", value: "SRS0=x" } },
      hostFiles: { "/var/spool/postfix/etc/hosts": {} },
    },
  },
  { id: "localhost", name: "an address", right: { mainCf: CLASSIC } },

  {
    id: "sender-classes",
    name: "the default classes",
    wrong: { mainCf: `sender_canonical_maps = ${SOCKETMAP}:forward\n` },
    says: "rewrites From: too",
  },
  {
    id: "sender-classes",
    name: "a cleanup of master.cf",
    wrong: { masterCf: `srs-cleanup unix n - n - 0 cleanup\n  -o sender_canonical_maps=${SOCKETMAP}:forward\n` },
    says: "master.cf: srs-cleanup: sender_canonical_maps",
  },
  {
    id: "sender-classes",
    name: "canonical_maps",
    wrong: { mainCf: "canonical_maps = tcp:127.0.0.1:10001\n" },
    says: "rewrites recipients and headers too",
  },
  { id: "sender-classes", name: "the envelope alone", right: { mainCf: CLASSIC } },

  {
    id: "recipient-classes",
    name: "headers alone",
    wrong: { mainCf: `${REVERSE}recipient_canonical_classes = header_recipient\n` },
    says: "leaves the envelope alone",
  },
  { id: "recipient-classes", name: "the default", right: { mainCf: REVERSE } },

  {
    id: "domain-twice",
    name: "two lists",
    wrong: { mainCf: "virtual_alias_domains = a.test, b.test\nvirtual_mailbox_domains = b.test\n" },
    status: "warning",
    says: "b.test stands in virtual_alias_domains and virtual_mailbox_domains",
  },
  {
    id: "domain-twice",
    name: "one list",
    wrong: { mainCf: "virtual_alias_domains = a.test, A.test\n" },
    status: "warning",
    says: "a.test stands twice in virtual_alias_domains",
  },
  {
    id: "domain-twice",
    name: "the old default of relay_domains",
    right: { mainCf: "mydestination = a.test, a.test\nrelay_domains = $mydestination\n" },
  },

  {
    id: "own-domains",
    name: "a domain in a table",
    wrong: { mainCf: "virtual_mailbox_domains = inline:{a.test=x,b.test=y}\n", ownDomains: ["a.test"] },
    status: "warning",
    says: "Postfix delivers mail of b.test, but it is no own domain",
  },
  {
    id: "own-domains",
    name: "all of them",
    right: {
      mainCf: "mydestination = localhost, localhost.a.test, a.test\nrelay_domains = c.test\n",
      ownDomains: ["a.test"],
    },
  },
  {
    id: "own-domains",
    name: "always_rewrite",
    skips: { toml: "[srs]\nalways_rewrite = true\n" },
    says: "always_rewrite",
  },

  {
    id: "bounce-path",
    name: "a table that has something else",
    wrong: {
      mainCf: `recipient_canonical_maps = regexp:DIR/wrong, ${SOCKETMAP}:reverse\n`,
      files: { wrong: "/^srs0=/ gone@example.org\n" },
      answers: RUNNING,
    },
    says: "does not find its way back: the maps make it gone@example.org",
  },
  {
    id: "bounce-path",
    name: "a way back",
    right: {
      mainCf: `recipient_canonical_maps = regexp:DIR/srs, ${SOCKETMAP}:reverse\n`,
      files: SRS_TABLE,
      answers: RUNNING,
    },
  },
  { id: "bounce-path", name: "maps that do not answer", skips: { mainCf: REVERSE }, says: "does not answer" },
  {
    id: "bounce-path",
    name: "a way back in relay_recipient_maps",
    skips: { mainCf: `relay_recipient_maps = ${SOCKETMAP}:reverse\n` },
    says: "does not go through",
  },

  {
    id: "former-domains",
    name: "an earlier SRS domain in the log",
    wrong: {
      mainCf: `recipient_canonical_maps = regexp:DIR/none, ${SOCKETMAP}:reverse\n`,
      files: { none: "/^nothing/ x\n" },
      answers: RUNNING,
      mailLog: { srsAddresses: ["SRS0=hash=tt=a.test=b@old.example.org"] },
    },
    says: "old.example.org signed mail that is under way",
  },
  {
    id: "former-domains",
    name: "an earlier domain that still leads back",
    right: {
      mainCf: `virtual_alias_domains = old.example.org\nrecipient_canonical_maps = regexp:DIR/srs, ${SOCKETMAP}:reverse\n`,
      files: SRS_TABLE,
      answers: RUNNING,
      mailLog: { srsAddresses: ["SRS0=hash=tt=a.test=b@old.example.org"] },
    },
  },
  {
    id: "former-domains",
    name: "addresses of other forwarders",
    right: { mailLog: { srsAddresses: ["SRS0=other=tt=a.test=b@elsewhere.example"] } },
  },

  {
    id: "signed-addresses",
    name: "addresses of another secret",
    wrong: {
      mailLog: { srsAddresses: [`SRS0=other=tt=a.test=b@${SRS_DOMAIN}`, `SRS0=hash=tt=a.test=b@${SRS_DOMAIN}`] },
    },
    status: "warning",
    says: "1 of 2 SRS addresses in /var/log/mail.log cannot be restored",
  },
  {
    id: "signed-addresses",
    name: "our addresses, and those of others",
    right: {
      mailLog: { srsAddresses: [`SRS0=hash=tt=a.test=b@${SRS_DOMAIN}`, "SRS0=other=tt=a.test=b@elsewhere.example"] },
    },
  },

  {
    id: "asked",
    name: "a daemon that nobody asks",
    wrong: {
      mainCf: CLASSIC,
      daemon: { metrics: new Map([["process_start_time_seconds", Date.now() / 1000 - 90_000]]) },
    },
    status: "warning",
    says: "nothing has asked the daemon for 25 hours",
  },
  {
    id: "asked",
    name: "a daemon at work",
    right: {
      mainCf: CLASSIC,
      daemon: {
        metrics: new Map([
          ["process_start_time_seconds", 1],
          ["postvouch_srs_lookups_total", 3],
        ]),
      },
    },
  },
];
