import type { Case } from "../cases.ts";
import { testKey, zoneOf } from "../keys.ts";

const ON = '[milter]\nlisten = ["127.0.0.1:8891"]\n';
const ASKED = "smtpd_milters = inet:127.0.0.1:8891\n";
const S1 = testKey("example.org", "s1");
const S2 = testKey("example.org", "s2");
const ED = testKey("example.org", "ed", { bits: 0 });
const SHORT = testKey("example.org", "short", { bits: 1024 });
const SEALER = testKey("srs.example.org", "arc", { from: [] });
const AT = "s1._domainkey.example.org";
const UNIT = { unit: [["User", "postvouch"]] as const };
const account = (name: string) => ({ name, uid: 900, gid: 900, groups: [] });
const SERVICE = { ...UNIT, user: account };
const MX = Object.fromEntries(
  ["example.org", "example.net", "lists.example.org"].map((domain) => [domain, [{ MX: [10, "mail.example.org"] }]]),
);
const directory = { isDirectory: true, mode: 0o755 };
const WAY = {
  "/etc": directory,
  "/etc/postvouch": directory,
  "/etc/postvouch/dkim": directory,
  "/etc/postvouch/dkim/example.org": directory,
};

export const SIGNING_CASES: readonly Case[] = [
  {
    id: "dkim-keys",
    name: "the only key is not published",
    wrong: { toml: ON, keys: [S1] },
    says: `${AT} has no key record: the key waits, and mail of example.org goes unsigned`,
  },
  {
    id: "dkim-keys",
    name: "a new key waits beside an old one",
    wrong: { toml: ON, keys: [S1, S2], zone: zoneOf(S1) },
    status: "warning",
    says: "s2._domainkey.example.org has no key record: the key waits, and s1 goes on signing",
  },
  {
    id: "dkim-keys",
    name: "an ed25519 key waits beside RSA",
    wrong: { toml: ON, keys: [S1, ED], zone: zoneOf(S1) },
    status: "warning",
    says: "ed._domainkey.example.org has no key record: the key waits, and s1 goes on signing",
    mends: "; or without ed25519: rm /etc/postvouch/dkim/example.org/ed.key",
  },
  {
    id: "dkim-keys",
    name: "RSA waits beside ed25519",
    wrong: { toml: ON, keys: [ED, S1], zone: zoneOf(ED) },
    status: "warning",
    says: `${AT} has no key record: the key waits, and ed alone signs, which many receivers cannot verify (ed25519)`,
    mends: `publish: ${AT}. TXT`,
  },
  {
    id: "dkim-keys",
    name: "a short key in whose place a newer one signs",
    wrong: { toml: ON, keys: [SHORT, S2], zone: zoneOf(SHORT, S2) },
    status: "warning",
    says: "the key of short._domainkey.example.org has 1024 bits, want 2048; s2 signs in its place",
    mends:
      "when s2 has signed for a week: remove the record of short._domainkey.example.org; rm /etc/postvouch/dkim/example.org/short.key",
  },
  {
    id: "dkim-keys",
    name: "a key below dkim.min_key_bits in whose place a newer one signs",
    wrong: { toml: `${ON}[dkim]\nmin_key_bits = 2048\n`, keys: [SHORT, S2], zone: zoneOf(SHORT, S2) },
    status: "warning",
    says: "s2 signs in its place",
  },
  {
    id: "dkim-keys",
    name: "a short key whose successor waits",
    wrong: { toml: ON, keys: [SHORT, S2], zone: zoneOf(SHORT) },
    status: "warning",
    says: "the key of short._domainkey.example.org has 1024 bits, want 2048",
    mends: "publish: s2._domainkey.example.org. TXT",
  },
  {
    id: "dkim-keys",
    name: "another key is published",
    wrong: { toml: ON, keys: [S1], zone: { [AT]: zoneOf(S2)["s2._domainkey.example.org"] ?? [] } },
    says: `${AT} has another key than /etc/postvouch/dkim/example.org/s1.key`,
  },
  {
    id: "dkim-keys",
    name: "a revoked key",
    wrong: { toml: ON, keys: [S1], zone: { [AT]: [{ TXT: "v=DKIM1; p=" }] } },
    says: "is revoked",
  },
  {
    id: "dkim-keys",
    name: "a record with a typing error",
    wrong: { toml: ON, keys: [S1], zone: { [AT]: [{ TXT: "v=DKIM1; k=rsa; p=MIIB..." }] } },
    says: "has a record that cannot be read (bad key)",
  },
  {
    id: "dkim-keys",
    name: "a key that signs at once",
    wrong: { toml: `${ON}[dkim.sign]\nrequire_published = false\n`, keys: [S1] },
    says: "no signature verifies (dkim.sign.require_published)",
  },
  {
    id: "dkim-keys",
    name: "a key that only seals",
    wrong: { toml: ON, keys: [SEALER] },
    says: "nothing is sealed",
  },
  {
    id: "dkim-keys",
    name: "a short key",
    wrong: { toml: ON, keys: [SHORT], zone: zoneOf(SHORT) },
    status: "warning",
    says: "has 1024 bits, want 2048",
  },
  {
    id: "dkim-keys",
    name: "a key that is shorter than what we accept of others",
    wrong: { toml: `${ON}[dkim]\nmin_key_bits = 2048\n`, keys: [SHORT], zone: zoneOf(SHORT) },
    says: "less than dkim.min_key_bits (2048)",
  },
  {
    id: "dkim-keys",
    name: "two records at one name",
    wrong: { toml: ON, keys: [S1], zone: { [AT]: [...(zoneOf(S1)[AT] ?? []), { TXT: "v=spf1 -all" }] } },
    status: "warning",
    says: `${AT} has 1 more TXT record`,
  },
  {
    id: "dkim-keys",
    name: "a record that says that we are testing",
    wrong: {
      toml: ON,
      keys: [S1],
      zone: { [AT]: (zoneOf(S1)[AT] ?? []).map(({ TXT }) => ({ TXT: `${TXT}; t=y` })) },
    },
    status: "warning",
    says: "says t=y",
  },
  {
    id: "dkim-keys",
    name: "a file that cannot be used",
    wrong: {
      toml: ON,
      keyProblems: [
        'dkim.sign.keys[0]: Cannot use "/k": it is open to every user of this machine (mode 0644), want 0600',
      ],
    },
    says: "want 0600: it signs nothing",
  },
  {
    id: "dkim-keys",
    name: "RSA and ed25519, published",
    right: { toml: ON, keys: [S1, ED], zone: zoneOf(S1, ED) },
  },
  {
    id: "dkim-keys",
    name: "an old key that is kept for a week",
    right: { toml: ON, keys: [S1, S2], zone: zoneOf(S1, S2) },
  },
  {
    id: "dkim-keys",
    name: "no DNS",
    skips: { toml: ON, keys: [S1], zone: { [AT]: ["TIMEOUT"] } },
    says: "the lookup failed",
  },
  {
    id: "dkim-keys",
    name: "keys of the service alone",
    skips: {
      toml: ON,
      host: { isRoot: false },
      keyProblems: ['dkim.sign.keys[0]: Cannot use "/k": no permission'],
    },
    says: "no permission",
  },
  { id: "dkim-keys", name: "none", skips: { toml: ON }, says: "no key is configured" },
  { id: "dkim-keys", name: "no milter", skips: { keys: [S1] }, says: "the milter is off" },

  {
    id: "dkim-key-files",
    name: "a key of root",
    wrong: {
      toml: ON,
      keys: [S1],
      host: SERVICE,
      hostFiles: { ...WAY, "/etc/postvouch/dkim/example.org/s1.key": { mode: 0o600 } },
    },
    says: "the service's user postvouch cannot read the key /etc/postvouch/dkim/example.org/s1.key",
  },
  {
    id: "dkim-key-files",
    name: "a folder of root",
    wrong: {
      toml: ON,
      keys: [S1],
      host: SERVICE,
      hostFiles: { ...WAY, "/etc/postvouch/dkim": { ...directory, mode: 0o700 } },
    },
    says: "/etc/postvouch/dkim has mode 0700",
  },
  {
    id: "dkim-key-files",
    name: "a folder that everybody may write",
    wrong: {
      toml: `${ON}[dkim.sign]\nkey_directory = "/etc/postvouch/dkim"\n`,
      keys: [S1],
      hostFiles: { ...WAY, "/etc/postvouch/dkim": { ...directory, mode: 0o777 } },
    },
    says: "every user of this machine can put a key there",
  },
  {
    id: "dkim-key-files",
    name: "a key of the service",
    right: {
      toml: ON,
      keys: [S1],
      host: SERVICE,
      hostFiles: { ...WAY, "/etc/postvouch/dkim/example.org/s1.key": { mode: 0o600, uid: 900 } },
    },
  },
  { id: "dkim-key-files", name: "none", skips: { toml: ON }, says: "no key is configured" },

  {
    id: "dkim-domains",
    name: "a domain without a key",
    wrong: { toml: ON, keys: [S1], ownDomains: ["example.org", "example.net"], zone: MX },
    status: "warning",
    says: "example.net has no DKIM key",
  },
  {
    id: "dkim-domains",
    name: "no key at all",
    wrong: { toml: ON, ownDomains: ["example.org", "example.net"], zone: MX },
    status: "warning",
    says: "example.org, example.net have no DKIM key",
  },
  {
    id: "dkim-domains",
    name: "a key for the domains below it too",
    right: {
      toml: ON,
      keys: [testKey("example.org", "s1", { from: ["example.org", ".example.org"] })],
      ownDomains: ["example.org", "lists.example.org"],
      zone: MX,
    },
  },
  {
    id: "dkim-domains",
    name: "the name of a host",
    right: { toml: ON, keys: [S1], ownDomains: ["example.org", "box.example.org"], zone: MX },
  },
  { id: "dkim-domains", name: "no milter", skips: { ownDomains: ["example.org"] }, says: "the milter is off" },

  {
    id: "signed-unchanged",
    name: "header checks of smtp(8)",
    wrong: { mainCf: `${ASKED}smtp_header_checks = regexp:/etc/postfix/out\n`, toml: ON, keys: [S1] },
    status: "warning",
    says: "smtp_header_checks (regexp:/etc/postfix/out) changes mail after it was signed",
  },
  { id: "signed-unchanged", name: "nothing", right: { mainCf: ASKED, toml: ON, keys: [S1] } },
  { id: "signed-unchanged", name: "no key", skips: { mainCf: ASKED, toml: ON }, says: "our milter signs nothing" },
];
