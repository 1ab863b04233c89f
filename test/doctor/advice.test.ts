import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import { neighbourAdvice } from "../../src/doctor/advice.ts";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { setupOf } from "../setup/setups.ts";

const missing = requirePrograms("postconf", "postmap");

async function adviceFor(
  mainCf: string,
  { toml = "", opendmarc = "", postsrsd = false, unit = "" } = {},
): Promise<string[]> {
  using files = postfixConfig(`myhostname = mail.example.org\nmydestination =\n${mainCf}`);
  const setup = setupOf(toml, { hostname: "mail.example.org", srsDomain: "srs.example.org" });
  const places = {
    postfix: { configDir: files.path },
    opendmarc: [files.write("opendmarc.conf", opendmarc)],
    unitDirectories: unit === "" ? [] : [dirname(files.write("postvouch.service", unit))],
    postsrsd: postsrsd ? [files.write("postsrsd", "SRS_SECRET=/x\n")] : [],
  };
  return await neighbourAdvice(setup, places);
}

const SOCKETMAP = "socketmap:inet:127.0.0.1:10003";
const FORWARD_ONLY = `sender_dependent_default_transport_maps = ${SOCKETMAP}:forward-transport\n`;
const POLICY = (options: string) =>
  `smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service { inet:127.0.0.1:10030, ${options} }\n`;
const MILTER = "smtpd_milters = inet:127.0.0.1:8893\n";
const REJECTS = "RejectFailures true\n";
const DEFER = '[policy.helo]\ntemperror = "defer"\n[policy.mail_from]\ntemperror = "defer"\n';
const REVERSE = `recipient_canonical_maps = ${SOCKETMAP}:reverse\n`;

/** What is fine, one line away from each thing that is not. */
const FINE: readonly { name: string; mainCf: string; toml?: string; opendmarc?: string; postsrsd?: boolean }[] = [
  { name: "a Postfix that knows nothing of us", mainCf: "" },
  { name: "forward-only", mainCf: FORWARD_ONLY },
  { name: "classic maps", mainCf: `sender_canonical_maps = ${SOCKETMAP}:forward\n` },
  {
    name: "classic maps beside a milter that seals all, or nothing",
    mainCf: `sender_canonical_maps = ${SOCKETMAP}:forward\n`,
    toml: '[milter]\nlisten = ["127.0.0.1:8891"]\n[arc]\nseal = "all"\n',
  },
  { name: "forward-only beside a milter", mainCf: FORWARD_ONLY, toml: '[milter]\nlisten = ["127.0.0.1:8891"]\n' },
  { name: "forward-only beside a map of the admin's own", mainCf: `${FORWARD_ONLY}sender_canonical_maps = hash:/x\n` },
  { name: "a policy service without default_action", mainCf: POLICY("timeout=30s") },
  {
    name: "another policy service with one",
    mainCf: POLICY("timeout=30s").replace("10030,", "10031, default_action=DUNNO,"),
  },
  { name: "a DMARC filter that does not reject", mainCf: MILTER, opendmarc: "#RejectFailures true\n" },
  { name: "one that rejects, and temperror deferred", mainCf: MILTER, opendmarc: REJECTS, toml: DEFER },
  {
    name: "one that rejects, and no policy service",
    mainCf: MILTER,
    opendmarc: REJECTS,
    toml: "[policy]\nlisten = []",
  },
  { name: "OpenDMARC's file, and no milter", mainCf: "", opendmarc: REJECTS },
  {
    name: "postsrsd, whose alphabet we write",
    mainCf: `${REVERSE}relay_domains = srs.example.org\n`,
    toml: '[srs]\nhash_alphabet = "standard"\n',
    postsrsd: true,
  },
  { name: "postsrsd, and no map of ours", mainCf: "", postsrsd: true },
  { name: "an SRS domain in a class", mainCf: `${REVERSE}virtual_alias_domains = srs.example.org\n` },
  { name: "an SRS domain that an inline table has", mainCf: `${REVERSE}relay_domains = inline:{srs.example.org=x}\n` },
];

const WRONG: readonly {
  name: string;
  mainCf: string;
  toml?: string;
  opendmarc?: string;
  postsrsd?: boolean;
  unit?: string;
  says: string;
}[] = [
  ...[
    `${SOCKETMAP}:forward`,
    "hash:/x, tcp:127.0.0.1:10001",
    "tcp:localhost:10001",
    "$x\nx = tcp:[127.0.0.1]:10001",
  ].map((maps) => ({
    name: `forward-only beside ${maps}`,
    mainCf: `${FORWARD_ONLY}sender_canonical_maps = ${maps}\n`,
    says: "take our map out of sender_canonical_maps",
  })),
  {
    name: "classic maps beside a milter that seals what the second pass forwards",
    mainCf: `sender_canonical_maps = ${SOCKETMAP}:forward\n`,
    toml: '[milter]\nlisten = ["127.0.0.1:8891"]\n',
    says: 'arc.seal: got "forwarded", which seals nothing',
  },
  {
    name: "a milter for which everybody is internal",
    mainCf: "",
    toml: '[milter]\nlisten = ["127.0.0.1:8891"]\ninternal = ["0.0.0.0/0"]\n',
    says: "milter.internal has 0.0.0.0/0: mail from everywhere is signed as yours",
  },
  {
    name: "dmarc.reject with a way round",
    mainCf: "",
    toml: '[milter]\nlisten = ["127.0.0.1:8891"]\n[dmarc]\nreject = true\n',
    says: 'milter.malformed: got "tag", want "reject"',
  },
  {
    name: "default_action=DUNNO",
    mainCf: POLICY("timeout=30s, default_action=DUNNO"),
    says: "main.cf: default_action in smtpd_recipient_restrictions lets mail in unchecked",
  },
  {
    name: "default_action=DUNNO for localhost",
    mainCf: POLICY("default_action=DUNNO").replace("127.0.0.1", "localhost"),
    says: "main.cf: default_action in smtpd_recipient_restrictions lets mail in unchecked",
  },
  {
    name: "a DMARC filter that rejects, and temperror tagged",
    mainCf: MILTER,
    opendmarc: REJECTS,
    says: 'policy.helo.temperror, policy.mail_from.temperror: got "tag", want "defer"',
  },
  {
    name: "a history where the unit forbids to write",
    mainCf: "",
    toml: '[dmarc]\nhistory = "opendmarc:/var/spool/dmarc.dat"\n',
    unit: "[Service]\nProtectSystem=strict\nStateDirectory=postvouch\n",
    says: "dmarc.history: the unit lets the service write only below /var/lib/postvouch, and /var/spool/dmarc.dat is elsewhere",
  },
  {
    name: "postsrsd, which cannot read our alphabet",
    mainCf: `${REVERSE}relay_domains = srs.example.org\n`,
    postsrsd: true,
    says: 'srs.hash_alphabet: got "url-safe", want "standard" as long as postsrsd 1.x may come back',
  },
  {
    name: "an SRS domain in no class",
    mainCf: REVERSE,
    says: 'main.cf: srs.example.org is in no domain class: bounces to it get "454',
  },
  {
    name: "a former one in no class",
    mainCf: `${REVERSE}virtual_alias_domains = srs.example.org\n`,
    toml: '[srs]\nformer_domains = ["old.example.org"]\n',
    says: "main.cf: old.example.org is in no domain class",
  },
];

describe.skipIf(missing !== undefined)(`a host ${missing ?? ""}`, () => {
  test.each(FINE)("with $name needs no advice", async ({ mainCf, ...rest }) => {
    expect(await adviceFor(mainCf, rest)).toEqual([]);
  });

  test.each(WRONG)("with $name gets it", async ({ mainCf, says, ...rest }) => {
    expect(await adviceFor(mainCf, rest)).toEqual([expect.stringContaining(says)]);
  });
});
