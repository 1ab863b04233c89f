import { generateKeyPairSync } from "node:crypto";
import type { Case } from "../cases.ts";

const MILTERS = "smtpd_milters = inet:127.0.0.1:8891\n";
const POLICY = "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:10030\n";
const BOTH = MILTERS + POLICY;
const RESULTS = '[policy]\nheaders = ["authentication-results", "received-spf"]\nauthserv_id = "spf.example.org"\n';
/** A host after the switch: the old filters have left their files, and Postfix asks us and another milter. */
const SWITCHED = {
  mainCf: `smtpd_milters = inet:127.0.0.1:8895, inet:127.0.0.1:7357\n${POLICY}`,
  toml: `${RESULTS}[milter]\nlisten = ["127.0.0.1:8895"]\n`,
  neighbours: {
    opendkim:
      "Socket inet:8891@localhost\nMode s\nInternalHosts 0.0.0.0/0\nDomain example.org\nSelector old\nKeyFile /old\n",
    opendmarc: "Socket local:/run/opendmarc/opendmarc.sock\nRejectFailures true\n",
  },
};
const clients = (...addresses: string[]) => ({ clients: new Map(addresses.map((address) => [address, 3])) });

/** A key of OpenDKIM, its record, and the configuration that names it. */
function rsa(bits: number) {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  const pem = String(privateKey.export({ type: "pkcs8", format: "pem" }));
  return { pem, record: `v=DKIM1; k=rsa; p=${publicKey.export({ type: "spki", format: "der" }).toString("base64")}` };
}
const GOOD = rsa(2048);
const SHORT = rsa(1024);
const KEY_TABLE = "# keys\nshop example.org:s1:/etc/opendkim/s1.private\n";
const keyed = (pem: string, ...records: string[]) => ({
  mainCf: MILTERS,
  neighbours: { opendkim: "Mode sv\nKeyTable refile:/etc/opendkim/KeyTable\n" },
  hostFiles: { "/etc/opendkim/KeyTable": KEY_TABLE, "/etc/opendkim/s1.private": pem },
  zone: { "s1._domainkey.example.org": records.map((TXT) => ({ TXT })) },
});
const ED25519 = generateKeyPairSync("ed25519");

export const NEIGHBOUR_CASES: readonly Case[] = [
  {
    id: "postsrsd",
    name: "children of a stopped one",
    wrong: { host: { processes: () => [812, 813] } },
    says: "2 of its processes still answer Postfix (pid 812, 813)",
  },
  {
    id: "postsrsd",
    name: "a running one",
    wrong: { host: { processes: () => [812] }, owners: { "127.0.0.1:10001": "postsrsd, pid 812" } },
    status: "warning",
    says: "still listens on port 10001",
  },
  { id: "postsrsd", name: "none", right: {} },

  {
    id: "postsrsd-secret",
    name: "another secret",
    wrong: { postsrsdSecrets: ["theirs"], setup: { secrets: [Buffer.from("ours")] } },
    status: "warning",
    says: "has not the secret of /etc/postsrsd.secret",
  },
  {
    id: "postsrsd-secret",
    name: "the same",
    right: { postsrsdSecrets: ["theirs"], setup: { secrets: [Buffer.from("ours"), Buffer.from("theirs")] } },
  },
  { id: "postsrsd-secret", name: "none", skips: {}, says: "there is none" },

  {
    id: "opendmarc-headers",
    name: "a name that it does not trust",
    wrong: {
      mainCf: BOTH,
      toml: RESULTS,
      neighbours: { opendmarc: "AuthservID HOSTNAME\nTrustedAuthservIDs mail.example.org\n" },
    },
    says: "does not trust spf.example.org",
  },
  {
    id: "opendmarc-headers",
    name: "Received-SPF alone, and it rejects",
    wrong: { mainCf: BOTH, neighbours: { opendmarc: "RejectFailures true\n" } },
    status: "warning",
    says: "(VERP)",
  },
  {
    id: "opendmarc-headers",
    name: "a trusted name",
    right: {
      mainCf: BOTH,
      toml: RESULTS,
      neighbours: { opendmarc: "TrustedAuthservIDs mail.example.org, spf.example.org\n" },
    },
  },
  {
    id: "opendmarc-headers",
    name: "the host's name",
    right: {
      mainCf: BOTH,
      toml: '[policy]\nheaders = ["authentication-results"]\n',
      neighbours: { opendmarc: "#AuthservID name\nAuthservID HOSTNAME\n" },
    },
  },
  { id: "opendmarc-headers", name: "no OpenDMARC", skips: { mainCf: BOTH }, says: "no OpenDMARC" },

  {
    id: "opendmarc-bounces",
    name: "RejectFailures",
    wrong: { mainCf: MILTERS, neighbours: { opendmarc: "RejectFailures true\n" } },
    status: "warning",
    says: "bounces of p=reject domains",
  },
  {
    id: "opendmarc-bounces",
    name: "no rejection",
    right: { mainCf: MILTERS, neighbours: { opendmarc: "RejectFailures false\n" } },
  },

  {
    id: "opendkim-internal-hosts",
    name: "everybody",
    wrong: { mainCf: MILTERS, neighbours: { opendkim: "InternalHosts 0.0.0.0/0\n" } },
    says: "InternalHosts has 0.0.0.0/0",
  },
  {
    id: "opendkim-internal-hosts",
    name: "everybody in a file",
    wrong: {
      mainCf: MILTERS,
      neighbours: { opendkim: "InternalHosts refile:/etc/opendkim/TrustedHosts\n" },
      hostFiles: { "/etc/opendkim/TrustedHosts": "127.0.0.1\n0.0.0.0/0\n" },
    },
    says: "InternalHosts has 0.0.0.0/0",
  },
  {
    id: "opendkim-internal-hosts",
    name: "ours",
    right: { mainCf: MILTERS, neighbours: { opendkim: "InternalHosts 10.0.0.0/8, 127.0.0.1\n" } },
  },

  {
    id: "opendkim-mode",
    name: "signing only",
    wrong: { mainCf: MILTERS, neighbours: { opendkim: "Mode s\n", opendmarc: "" } },
    says: "Mode s does not verify",
  },
  {
    id: "opendkim-keys",
    name: "no record",
    wrong: keyed(GOOD.pem),
    says: "s1._domainkey.example.org has no key record",
  },
  {
    id: "opendkim-keys",
    name: "another key",
    wrong: keyed(GOOD.pem, SHORT.record),
    says: "has another key than /etc/opendkim/s1.private",
  },
  { id: "opendkim-keys", name: "a revoked key", wrong: keyed(GOOD.pem, "v=DKIM1; p="), says: "is revoked" },
  {
    id: "opendkim-keys",
    name: "a short key",
    wrong: keyed(SHORT.pem, SHORT.record),
    status: "warning",
    says: "has 1024 bits, want 2048",
  },
  {
    id: "opendkim-keys",
    name: "a good key",
    right: keyed(GOOD.pem, "some other text", GOOD.record.replace("p=", "p= ")),
  },
  {
    id: "opendkim-keys",
    name: "an Ed25519 key of Domain, Selector and KeyFile",
    right: {
      mainCf: MILTERS,
      neighbours: { opendkim: "Domain example.org\nSelector ed\nKeyFile /k\n" },
      hostFiles: { "/k": String(ED25519.privateKey.export({ type: "pkcs8", format: "pem" })) },
      zone: {
        "ed._domainkey.example.org": [
          {
            TXT: `v=DKIM1; k=ed25519; p=${ED25519.publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("base64")}`,
          },
        ],
      },
    },
  },
  {
    id: "opendkim-keys",
    name: "a key for root",
    right: { ...keyed("", GOOD.record), hostFiles: { "/etc/opendkim/KeyTable": KEY_TABLE } },
  },
  {
    id: "opendkim-keys",
    name: "no DNS",
    skips: { ...keyed(GOOD.pem), zone: { "s1._domainkey.example.org": ["TIMEOUT"] } },
    says: "the lookup failed",
  },
  { id: "opendkim-mode", name: "the default", right: { mainCf: MILTERS, neighbours: { opendkim: "", opendmarc: "" } } },

  ...["opendkim-internal-hosts", "opendkim-keys", "opendkim-mode", "opendmarc-headers", "opendmarc-bounces"].map(
    (id): Case => ({
      id,
      name: "files of filters that Postfix no longer asks",
      skips: SWITCHED,
      says: id.startsWith("opendkim") ? "Postfix does not ask OpenDKIM" : "Postfix does not ask OpenDMARC",
    }),
  ),
  {
    id: "opendkim-internal-hosts",
    name: "everybody, for one service of master.cf",
    wrong: {
      ...SWITCHED,
      masterCf: "smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n  -o smtpd_milters=inet:localhost:8891\n",
    },
    says: "InternalHosts has 0.0.0.0/0",
  },
  {
    id: "opendmarc-bounces",
    name: "RejectFailures, at a socket that only its process tells",
    wrong: { ...SWITCHED, owners: { "127.0.0.1:7357": "opendmarc, pid 31" } },
    status: "warning",
    says: "bounces of p=reject domains",
  },

  {
    id: "private-clients",
    name: "a container's bridge",
    wrong: { mainCf: `${POLICY}mynetworks = 127.0.0.0/8\n`, mailLog: clients("172.17.0.1") },
    says: "all clients in /var/log/mail.log have private addresses (172.17.0.1)",
  },
  {
    id: "private-clients",
    name: "a relay of ours among others",
    wrong: { mainCf: `${POLICY}mynetworks = 127.0.0.0/8\n`, mailLog: clients("10.0.0.9", "198.51.100.7") },
    status: "warning",
    says: "(10.0.0.9)",
  },
  {
    id: "private-clients",
    name: "clients of the Internet, and known ones",
    right: {
      mainCf: `${POLICY}mynetworks = 127.0.0.0/8, 10.0.0.0/8 [fd00::]/8\n`,
      mailLog: clients("10.0.0.9", "fd00::5", "198.51.100.7"),
    },
  },
];
