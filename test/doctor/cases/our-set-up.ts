import type { Case } from "../cases.ts";
import { SRS_DOMAIN } from "../facts.ts";

const SECRETS_FILE = "/etc/postvouch/srs.secrets";
const MISSING = `srs.secrets_file: "${SECRETS_FILE}" does not exist; serve will make it`;

const UNIT = [
  ["ExecStart", "/opt/postvouch/node_modules/node/bin/node /opt/postvouch/dist/main.js serve"],
  ["DynamicUser", "yes"],
] as const;
const CREDENTIAL = ["LoadCredential", `srs.secrets:${SECRETS_FILE}`] as const;
const COPY = "/run/credentials/postvouch.service/srs.secrets";

const INSTALLED = {
  "/opt": { isDirectory: true, mode: 0o755 },
  "/opt/postvouch": { isDirectory: true, mode: 0o755 },
  "/opt/postvouch/dist": { isDirectory: true, mode: 0o755 },
  "/opt/postvouch/dist/main.js": { mode: 0o755 },
  "/etc": { isDirectory: true, mode: 0o755 },
  "/etc/postvouch": { isDirectory: true, mode: 0o755 },
  "/etc/postvouch/postvouch.toml": { mode: 0o644 },
};
const CONFIG = { configFile: "/etc/postvouch/postvouch.toml", secretsFile: "/var/lib/postvouch/srs.secrets" };

/** A daemon that has the secret of `doctor@postvouch.invalid`'s address. */
const signed = `SRS0=hash=tt=postvouch.invalid=doctor@${SRS_DOMAIN}`;
const knows = (map: string, key: string) =>
  map === "reverse" && key.includes("=hash=")
    ? ({ status: "found", value: "doctor@postvouch.invalid" } as const)
    : map === "forward"
      ? ({ status: "found", value: signed } as const)
      : ({ status: "not found" } as const);

const STRICT = {
  unit: [...UNIT, ["StateDirectory", "postvouch"], ["RuntimeDirectory", "postvouch"], ["ProtectSystem", "strict"]],
} as const;
const ONLY = "the unit lets the service write only below /var/lib/postvouch, /run/postvouch";
const drop = (...values: readonly string[]) => ({
  unit: [...STRICT.unit, ...values.map((value) => ["ReadWritePaths", value] as const)],
});

export const OUR_SET_UP_CASES: readonly Case[] = [
  {
    id: "unit-paths",
    name: "a database elsewhere",
    wrong: { toml: '[dmarc]\nhistory = "sqlite:/var/spool/dmarc.db"\n', host: STRICT },
    status: "warning",
    says: `dmarc.history: ${ONLY}, and /var/spool/dmarc.db is elsewhere`,
    mends:
      "/var/lib/postvouch/dmarc.db in dmarc.history, or systemctl edit postvouch: [Service] ReadWritePaths=/var/spool",
  },
  {
    id: "unit-paths",
    name: "OpenDMARC's file",
    wrong: { toml: '[dmarc]\nhistory = "opendmarc:/run/opendmarc/opendmarc.dat"\n', host: STRICT },
    status: "warning",
    says: "/run/opendmarc/opendmarc.dat is elsewhere",
  },
  {
    id: "unit-paths",
    name: "the store",
    wrong: { toml: '[srs.store]\nurl = "sqlite:/var/lib/postvouch2/a.db"\n', host: STRICT },
    status: "warning",
    says: `srs.store.url: ${ONLY}, and /var/lib/postvouch2/a.db`,
  },
  {
    id: "unit-paths",
    name: "a socket for Postfix, and a drop-in that was taken back",
    wrong: {
      toml: '[milter]\nlisten = ["unix:/var/spool/postfix/postvouch/milter.sock"]\n',
      host: drop("/var/spool/postfix/postvouch", ""),
    },
    status: "warning",
    says: "milter.listen: ",
    mends: "ReadWritePaths=/var/spool/postfix/postvouch",
  },
  {
    id: "unit-paths",
    name: "state elsewhere",
    wrong: { toml: 'state_dir = "/srv/postvouch"\n', host: STRICT },
    status: "warning",
    says: "state_dir: ",
    mends: "ReadWritePaths=/srv/postvouch",
  },
  {
    id: "unit-paths",
    name: "the unit's directories, and those of a drop-in",
    right: {
      toml: '[milter]\nlisten = ["unix:/run/postvouch/milter.sock", "127.0.0.1:8891"]\n[dmarc]\nhistory = "sqlite:/var/spool/a/dmarc.db"\n[srs.store]\nurl = "sqlite:/var/lib/private/postvouch/a.db"\n',
      host: drop("/nowhere", "-/var/spool/a /srv"),
    },
  },
  {
    id: "unit-paths",
    name: "a unit without ProtectSystem=strict",
    right: { toml: '[dmarc]\nhistory = "sqlite:/var/spool/dmarc.db"\n', host: { unit: UNIT } },
  },
  { id: "unit-paths", name: "no unit", skips: {}, says: "there is no unit" },

  {
    id: "configuration",
    name: "a wrong value",
    wrong: { setup: { problems: ['c.toml:1: srs.separator: got "x"'], configFile: "c.toml" } },
    says: 'srs.separator: got "x"',
  },
  {
    id: "configuration",
    name: "a socket that cannot be made",
    wrong: { foreseen: ["socketmap.listen: Cannot make"] },
    says: "socketmap.listen",
  },
  {
    id: "configuration",
    name: "a timeout that is too long",
    wrong: { setup: { warnings: ["dns.timeout: 30000 ms is not below"] } },
    status: "warning",
    says: "dns.timeout",
  },
  { id: "configuration", name: "a good file", right: { setup: { warnings: [MISSING] } } },

  {
    id: "secrets",
    name: "an empty file",
    wrong: { setup: { problems: [`srs.secrets_file: Cannot use "${SECRETS_FILE}": it is empty`] } },
    says: "it is empty",
  },
  {
    id: "secrets",
    name: "no file",
    wrong: { setup: { warnings: [MISSING] } },
    status: "warning",
    says: "does not exist",
  },
  {
    id: "secrets",
    name: "a decoy",
    wrong: {
      setup: {
        warnings: [
          `srs.secrets_file: "/var/lib/postvouch/srs.secrets" is not in use, "${SECRETS_FILE}" is; remove one`,
        ],
      },
    },
    status: "warning",
    says: "is not in use",
  },
  {
    id: "secrets",
    name: "the secret is the unit's credential",
    skips: { setup: { warnings: [MISSING] }, host: { unit: [...UNIT, CREDENTIAL] } },
    says: "CREDENTIALS_DIRECTORY=/run/credentials/postvouch.service postvouch doctor",
  },
  { id: "secrets", name: "a file", right: {} },

  {
    id: "credential",
    name: "postsrsd's own file",
    wrong: {
      host: { unit: [...UNIT, ["LoadCredential", "srs.secrets:/etc/postsrsd.secret"]] },
      hostFiles: { "/etc/postsrsd.secret": "x\n" },
    },
    status: "warning",
    says: "apt purge postsrsd",
  },
  {
    id: "credential",
    name: "a file that is gone",
    wrong: { host: { unit: [...UNIT, CREDENTIAL] } },
    says: "which does not exist",
  },
  {
    id: "credential",
    name: "a file that has changed",
    wrong: { host: { unit: [...UNIT, CREDENTIAL] }, hostFiles: { [SECRETS_FILE]: "new\nold\n", [COPY]: "old\n" } },
    status: "warning",
    says: "has changed since",
  },
  {
    id: "credential",
    name: "the same content",
    right: { host: { unit: [...UNIT, CREDENTIAL] }, hostFiles: { [SECRETS_FILE]: "old\n", [COPY]: "old\n" } },
  },
  { id: "credential", name: "no credential", skips: { host: { unit: UNIT } }, says: "no LoadCredential" },

  {
    id: "files",
    name: "a build under umask 077",
    wrong: {
      setup: CONFIG,
      host: { unit: UNIT },
      hostFiles: { ...INSTALLED, "/opt/postvouch/dist": { isDirectory: true, mode: 0o700 } },
    },
    says: "cannot read /opt/postvouch/dist/main.js: /opt/postvouch/dist has mode 0700",
  },
  {
    id: "files",
    name: "a configuration for root",
    wrong: {
      setup: CONFIG,
      host: { unit: UNIT },
      hostFiles: { ...INSTALLED, "/etc/postvouch/postvouch.toml": { mode: 0o600 } },
    },
    says: "/etc/postvouch/postvouch.toml has mode 0600",
  },
  {
    id: "files",
    name: "secrets for root, without a credential",
    wrong: {
      setup: { ...CONFIG, secretsFile: SECRETS_FILE },
      host: { unit: [UNIT[0], ["User", "postvouch"]], user: (name) => ({ name, uid: 900, gid: 900, groups: [] }) },
      hostFiles: { ...INSTALLED, [SECRETS_FILE]: { mode: 0o600 } },
    },
    says: `the service's user postvouch cannot read ${SECRETS_FILE}`,
  },
  {
    id: "files",
    name: "secrets of the service's group",
    right: {
      setup: { ...CONFIG, secretsFile: SECRETS_FILE },
      host: { unit: [...UNIT, ["SupplementaryGroups", "postvouch"]], groupId: () => 900 },
      hostFiles: { ...INSTALLED, [SECRETS_FILE]: { mode: 0o640, gid: 900 } },
    },
  },
  { id: "files", name: "no unit", skips: {}, says: "no unit" },

  {
    id: "unit",
    name: "too many starts",
    wrong: { host: { unitTrouble: "failed (start-limit-hit)" } },
    says: "start-limit-hit",
  },
  { id: "unit", name: "a running unit", right: {} },

  {
    id: "daemon",
    name: "nobody",
    wrong: { daemon: { ready: { unreachable: "nothing listens there" } } },
    says: "no daemon answers on 127.0.0.1:9797",
  },
  {
    id: "daemon",
    name: "a store that is down",
    wrong: { daemon: { ready: { isReady: false, text: "the store has not answered yet" } } },
    says: "not ready: the store",
  },
  { id: "daemon", name: "a daemon", right: {} },
  {
    id: "daemon",
    name: "no metrics",
    skips: { toml: "[metrics]\nlisten = []\n", daemon: { ready: { unreachable: "none" } } },
    says: "not seen",
  },

  {
    id: "store",
    name: "a server that is down",
    wrong: {
      toml: '[srs.store]\nurl = "redis://127.0.0.1:6379/0"\n',
      daemon: { metrics: new Map([["postvouch_store_up", 0]]) },
    },
    says: "does not answer the daemon",
  },
  {
    id: "store",
    name: "a server that answers",
    right: {
      toml: '[srs.store]\nurl = "redis://127.0.0.1:6379/0"\n',
      daemon: { metrics: new Map([["postvouch_store_up", 1]]) },
    },
  },
  { id: "store", name: "no store", skips: {}, says: "srs.store.url is empty" },

  {
    id: "ports",
    name: "postsrsd",
    wrong: { owners: { "127.0.0.1:10001": "postsrsd, pid 812" } },
    says: "127.0.0.1:10001 is held by postsrsd, pid 812",
  },
  {
    id: "ports",
    name: "another program",
    wrong: { owners: { "127.0.0.1:9797": "chronyd, pid 3" } },
    says: "metrics.listen",
  },
  { id: "ports", name: "ours", right: { owners: { "127.0.0.1:10001": "node /opt/postvouch/dist/main.js, pid 7" } } },

  {
    id: "running-secrets",
    name: "a daemon with another secret",
    wrong: {
      answers: {
        "127.0.0.1:10003": (map) =>
          map === "forward" ? { status: "found", value: "SRS0=other" } : { status: "not found" },
      },
    },
    says: "does not know the first secret",
  },
  {
    id: "running-secrets",
    name: "a daemon that signs with one more",
    wrong: {
      answers: {
        "127.0.0.1:10003": (map, key) =>
          map === "forward" ? { status: "found", value: "SRS0=other" } : knows(map, key),
      },
    },
    says: "signs with a secret that is not in",
  },
  { id: "running-secrets", name: "the same secret", right: { answers: { "127.0.0.1:10003": knows } } },
  {
    id: "running-secrets",
    name: "the same secret over tcp_table",
    right: { toml: "[socketmap]\nlisten = []\n", answers: { "127.0.0.1:10002": (_map, key) => knows("reverse", key) } },
  },
  { id: "running-secrets", name: "no secret here", skips: { daemon: { sign: undefined } }, says: "no secrets" },
  { id: "running-secrets", name: "no daemon", skips: {}, says: "does not answer" },

  {
    id: "dns-time",
    name: "three silent servers",
    wrong: { toml: '[dns]\ntimeout = "5s"\n', servers: { a: undefined, b: undefined, c: undefined } },
    status: "warning",
    says: "dns.timeout (5s) × dns.tries (2) × 3 servers is 30s",
  },
  { id: "dns-time", name: "the defaults", right: { servers: { a: undefined, b: undefined, c: undefined } } },

  {
    id: "dns-servers",
    name: "one of two that is silent",
    wrong: { servers: { "192.0.2.53:53": "timeout", "127.0.0.1:53": undefined } },
    status: "warning",
    says: "192.0.2.53:53 does not answer: timeout",
  },
  {
    id: "dns-servers",
    name: "no server at all",
    wrong: { servers: { "192.0.2.53:53": "refused" } },
    says: "192.0.2.53:53",
  },
  { id: "dns-servers", name: "a server", right: {} },

  {
    id: "own-domain-sources",
    name: "a file that is gone",
    wrong: { own: { errors: ["srs.own_domains.files: Cannot read"] } },
    says: "Cannot read",
  },
  {
    id: "own-domain-sources",
    name: "a database that is down",
    wrong: { own: { warnings: ['Cannot ask "mysql:x"'] } },
    status: "warning",
    says: "Cannot ask",
  },
  { id: "own-domain-sources", name: "good sources", right: {} },
];
