/** `postvouch import` as an admin runs it, on files of another root directory with a Postfix of its own. */
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Call } from "../../src/commands/call.ts";
import { runImport } from "../../src/commands/import.ts";
import { printable } from "../../src/commands/output.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { Failure } from "../../src/process/exit.ts";
import { postvouch, postvouchAsync, type Ran, scratch } from "../helpers/daemon.ts";
import { settle } from "../helpers/postfix-config.ts";
import { requirePrograms, skipReason } from "../helpers/requires.ts";

/** A configuration that sets something. */
const MINE = 'hostname = "mx.mine.test"\n';

const NO_STACK = /^\s+at .*:\d+:\d+/m;
const MAIN = join(import.meta.dirname, "../../src/main.js");

const missing = requirePrograms("postconf");
const isRoot = process.getuid?.() === 0;

/** 2020-01-01 00:01 UTC, when the addresses below were signed. */
const NOW = "1577836860";

const MAIN_CF = `compatibility_level = 3.6
myhostname = mail.example.org
mydomain = example.org
mydestination = localhost
virtual_alias_domains = example.org, hosted.example
sender_canonical_maps = tcp:127.0.0.1:10001
sender_canonical_classes = envelope_sender
recipient_canonical_maps = tcp:127.0.0.1:10002
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, check_policy_service unix:private/policyd-spf
smtpd_milters = inet:127.0.0.1:8893
`;

const MASTER_CF = "policyd-spf  unix  -  n  n  -  0  spawn\n    user=nobody argv=/usr/bin/policyd-spf\n";

/** A host with both programs as Debian sets them up, and a name for each. */
const CLASSIC: Readonly<Record<string, string>> = {
  "etc/postfix/main.cf": MAIN_CF,
  "etc/postfix/master.cf": MASTER_CF,
  "etc/default/postsrsd": "SRS_SEPARATOR==\nSRS_SECRET=/etc/postsrsd.secret\nSRS_HASHLENGTH=4\nRUN_AS=postsrsd\n",
  "etc/postsrsd.secret": "tops3cr3t",
  "etc/postfix-policyd-spf-python/policyd-spf.conf":
    "debugLevel = 1\nTestOnly = 1\nHELO_reject = Fail\nMail_From_reject = Fail\n",
};

interface Place extends Disposable {
  /** The root directory of the host. */
  readonly root: string;
  /** The configuration that is written. */
  readonly config: string;
  readonly secrets: string;
  write(name: string, content: string | Buffer): void;
  run(...args: string[]): Promise<Ran>;
  /** All files below the directory of the configuration. */
  written(): string[];
}

/** Runs the command in this process, because there are many runs. */
async function runHere(config: string, args: readonly string[]): Promise<Ran> {
  const lines: { stdout: string[]; stderr: string[] } = { stdout: [], stderr: [] };
  const problem = (text: string): unknown => lines.stderr.push(`postvouch: ${printable(text)}\n`);
  const options = Object.fromEntries(args.filter((arg) => arg.startsWith("--")).map((arg) => [arg.slice(2), true]));
  const call: Call = {
    around: { configFile: config, packageDir: "/nowhere", credentialsDir: undefined },
    options,
    operands: args.filter((arg) => !arg.startsWith("--")),
    output: { line: (text) => lines.stdout.push(`${printable(text)}\n`), json: () => {}, bytes: () => {}, problem },
    version: "0",
    timeMs: () => Number(NOW) * 1000,
    isClockFrozen: true,
    journal: false,
    activation: { LISTEN_PID: undefined, LISTEN_FDS: undefined, LISTEN_FDNAMES: undefined },
  };
  const status = await runImport(call).catch((error: unknown) => {
    // Any other error would end the program with its stack trace.
    if (!(error instanceof Failure)) throw error;
    error.lines.forEach(problem);
    return error.exitCode;
  });
  return { status, stdout: lines.stdout.join(""), stderr: lines.stderr.join("") };
}

function host(
  files: Readonly<Record<string, string>> = CLASSIC,
  changed: Readonly<Record<string, string>> = {},
): Place {
  const dir = scratch();
  const root = join(dir.path, "root");
  const out = join(dir.path, "out");
  const config = join(out, "postvouch", "postvouch.toml");
  chmodSync(dir.path, 0o755);
  const place: Place = {
    root,
    config,
    secrets: join(dirname(config), "srs.secrets"),
    write(name, content) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), content);
      if (name.endsWith(".cf")) settle(join(root, name));
    },
    run: (...args) => runHere(config, args),
    written: () => (existsSync(out) ? readdirSync(out, { recursive: true, encoding: "utf8" }).sort() : []),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
  for (const [name, content] of Object.entries({ ...files, ...changed })) place.write(name, content);
  return place;
}

describe.skipIf(missing !== undefined)(`postvouch import ${missing ?? ""}`, () => {
  test("writes the configuration and a copy of the secrets", async () => {
    using place = host();
    const { status, stdout, stderr } = await place.run(place.root);
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringMatching(/^(?:postvouch: note: .*\n)*$/) });
    expect(stdout).toContain(`${place.config}: written, from /etc/default/postsrsd, /etc/postfix-policyd-spf-python/`);
    expect(stdout).toContain(`${place.secrets}: the secrets, copied\n`);
    expect(readFileSync(place.secrets, "latin1")).toBe("tops3cr3t");
    expect([place.config, place.secrets].map((path) => statSync(path).mode & 0o777)).toEqual([0o644, 0o600]);
    expect(place.written()).toEqual(["postvouch", "postvouch/postvouch.toml", "postvouch/srs.secrets"]);
    const { config, problems } = parseConfig(readFileSync(place.config, "utf8"), "written");
    expect(problems).toEqual([]);
    expect(config).toMatchObject({
      "srs.domain": "example.org",
      "srs.hash_alphabet": "standard",
      "srs.secrets_file": place.secrets,
      "srs.own_domains.postfix_classes": true,
      "policy.mode": "enforce",
      "policy.listen": [{ port: 10_030 }],
    });
    expect(readFileSync(place.config, "utf8")).toContain(
      'domain = "example.org"  # "postconf -h mydomain", because SRS_DOMAIN is not set in /etc/default/postsrsd\n',
    );
  });

  test("makes a configuration that check-config takes, and that signs as postsrsd did", async () => {
    using place = host();
    await place.run(place.root);
    const env = { MAIL_CONFIG: join(place.root, "etc/postfix"), POSTVOUCH_NOW: NOW };
    const checked = postvouch(["check-config", "--config", place.config], { env });
    expect(checked).toMatchObject({ status: 0, stdout: expect.stringContaining("secrets: 1 in ") });
    const addresses = ["bob@elsewhere.example", "me@hosted.example", "me@example.org"];
    const signed = postvouch(["srs", "forward", "--config", place.config, "--json", ...addresses], { env });
    const lines = signed.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { rewritten: string | null; outcome: string });
    expect(lines.map(({ outcome }) => outcome)).toEqual(["rewritten", "own", "own"]);
    expect(lines[0]?.rewritten).toMatch(/^SRS0=.{4}=2W=elsewhere\.example=bob@example\.org$/);
  });

  test("--dry-run prints the configuration and writes nothing", async () => {
    using place = host();
    const dry = await place.run("--dry-run", place.root);
    expect(dry).toMatchObject({
      status: 0,
      stderr: expect.stringContaining(`nothing was written; it would be ${place.config} and`),
    });
    expect(place.written()).toEqual([]);
    await place.run(place.root);
    expect(dry.stdout).toBe(readFileSync(place.config, "utf8"));
    expect((await place.run("--dry-run", place.root)).status).toBe(0);
  });

  test("replaces nothing without --force, and keeps the old file with it", async () => {
    using place = host();
    await place.run(place.root);
    writeFileSync(place.config, MINE);
    const { status, stderr } = await place.run(place.root);
    expect({ status, stderr }).toEqual({
      status: 73,
      stderr: `postvouch: Cannot write "${place.config}": it exists; --force replaces it and keeps it as ${place.config}.old, --dry-run shows the new one\n`,
    });
    expect(readFileSync(place.config, "utf8")).toBe(MINE);
    expect(await place.run("--force", place.root)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("has the secrets already"),
    });
    expect(readFileSync(`${place.config}.old`, "utf8")).toBe(MINE);
    expect(readFileSync(place.config, "utf8")).toContain("[srs]");
    expect(place.written()).toEqual([
      "postvouch",
      ...["postvouch.toml", "postvouch.toml.old", "srs.secrets"].map((name) => `postvouch/${name}`),
    ]);
  });

  test("runs no program that a named main.cf names", async () => {
    using place = host();
    const evil = join(place.root, "evil");
    mkdirSync(evil);
    writeFileSync(join(evil, "showq"), `#!/bin/sh\ntouch ${evil}/ran\n`, { mode: 0o755 });
    const mainCf = join(place.root, "etc/postfix/main.cf");
    appendFileSync(mainCf, `queue_directory = ${evil}\ndaemon_directory = ${evil}\n`);
    await place.run("--dry-run", mainCf, join(place.root, "etc/default/postsrsd"));
    expect(existsSync(join(evil, "ran"))).toBe(false);
  });

  test("replaces a configuration of remarks alone, as the package brings it, and keeps it", async () => {
    using place = host();
    mkdirSync(dirname(place.config), { recursive: true });
    writeFileSync(place.config, '# [srs]\n# domain = "srs.example.net"\n');
    expect(await place.run(place.root)).toMatchObject({ status: 0 });
    expect(readFileSync(`${place.config}.old`, "utf8")).toContain("# domain");
  });

  test("never drops a secret of ours", async () => {
    using place = host();
    mkdirSync(dirname(place.secrets), { recursive: true });
    writeFileSync(place.secrets, "ours\ntops3cr3t\nolder\n", { mode: 0o640 });
    const { status, stderr } = await place.run(place.root);
    expect({ status, stderr }).toMatchObject({
      status: 73,
      stderr: expect.stringContaining("it exists, with other secrets; with --force"),
    });
    expect(place.written()).toEqual(["postvouch", "postvouch/srs.secrets"]);
    expect((await place.run("--force", place.root)).status).toBe(0);
    expect(readFileSync(place.secrets, "latin1")).toBe("tops3cr3t\nours\nolder\n");
    expect(statSync(place.secrets).mode & 0o777).toBe(0o600);
  });

  test("takes over a grown configuration, and says what is different", async () => {
    using place = host(CLASSIC, {
      "etc/postfix/main.cf": MAIN_CF.replace(
        "hosted.example",
        "hosted.example, /etc-is-not-read, unlisted.example",
      ).replace(", /etc-is-not-read", ""),
      "etc/default/postsrsd": `SRS_DOMAIN=srs.$(postconf -h mydomain)
SRS_EXCLUDE_DOMAINS="$(cat /etc/postfix/own_domains)"
SRS_SECRET_LENGTH=24
SRS_EXTRA_OPTIONS=-A
`,
      "etc/postfix/own_domains": "hosted.example\n.sub.example\nelse.example\n*.wild.example\n",
      "etc/postfix-policyd-spf-python/policyd-spf.conf":
        "Mock = False\nTestOnly = 0\nWhitelist = 192.0.2.1, 192.0.2.2\nPer_User = text,/etc/policyd-users\n",
      "etc/policyd-users": "bob@example.org,Mail_From_reject=False\n",
      "etc/opendmarc.conf": "AuthservID x\nRejectFailures true\n",
    });
    const { status, stderr } = await place.run(place.root);
    expect(status).toBe(0);
    for (const words of [
      '/etc/default/postsrsd:2: "*.wild.example" is no domain',
      "/etc/default/postsrsd:3: SRS_SECRET_LENGTH is no setting of postsrsd",
      'policyd-spf.conf:1: Mock = False: any value turned it on, "False" too',
      "policyd-spf.conf:2: TestOnly = 0 was the test mode",
      'policyd-spf.conf:3: Whitelist: policyd-spf never heeded "192.0.2.2"',
      "whose senders are not rewritten here: example.org, unlisted.example (",
    ]) {
      expect(stderr).toContain(words);
    }
    const text = readFileSync(place.config, "utf8");
    expect(text).toContain('domains = [".sub.example", "else.example"]');
    expect(text).toContain("1 more of it Postfix has too");
    expect(text).toContain("# - /etc/default/postsrsd:3: SRS_SECRET_LENGTH");
    expect(parseConfig(text, "written").config).toMatchObject({
      "srs.domain": "srs.example.org",
      "srs.always_rewrite": true,
      "policy.mode": "report",
      "policy.helo.temperror": { kind: "defer" },
      "policy.mail_from.temperror": { kind: "defer" },
      "policy.override": [{ recipient: ["bob@example.org"], mail_from: { fail: { kind: "tag" } } }],
    });
  });

  test.each([
    {
      name: "a table that answers",
      table: "inline:{ {tab.example=x}, {more.example=x} }",
      domains: ["else.example"],
      classes: true,
      says: "what inline:{ {tab.example=x}, {more.example=x} } has",
    },
    {
      name: "a table that does not",
      table: "hash:/nowhere/at/all",
      domains: ["tab.example", "else.example"],
      classes: false,
      says: "Postfix's lists cannot be used now, so that the domains are named",
    },
  ])("asks Postfix's own tables for own domains: $name", async ({ table, domains, classes, says }) => {
    using place = host(CLASSIC, {
      "etc/postfix/main.cf": `${MAIN_CF}virtual_mailbox_domains = ${table}\n`,
      "etc/default/postsrsd": 'SRS_EXCLUDE_DOMAINS="tab.example else.example"\n',
    });
    const { status, stderr } = await place.run(place.root);
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining(says) });
    const { config } = parseConfig(readFileSync(place.config, "utf8"), "written");
    expect([config["srs.own_domains.domains"], config["srs.own_domains.postfix_classes"]]).toEqual([domains, classes]);
  });

  test("says if OpenDMARC would not believe our results", async () => {
    const conf = {
      "etc/postfix-policyd-spf-python/policyd-spf.conf": "Header_Type = AR\nAuthserv_Id = spf.example.org\n",
    };
    using place = host(CLASSIC, {
      ...conf,
      "etc/opendmarc.conf": "AuthservID HOSTNAME\nTrustedAuthservIDs a.example, b.example\n",
      "etc/hostname": "mx\n",
    });
    expect((await place.run("--dry-run", place.root)).stderr).toContain(
      'OpenDMARC believes mx, a.example, b.example, and not our authserv_id: add "spf.example.org" to TrustedAuthservIDs',
    );
    place.write("etc/opendmarc.conf", "TrustedAuthservIDs spf.example.org\n");
    expect((await place.run("--dry-run", place.root)).stderr).not.toContain("OpenDMARC believes");
  });

  test("reads the file of policyd-spf that master.cf names", async () => {
    using place = host(CLASSIC, {
      "etc/postfix/master.cf": MASTER_CF.replace("policyd-spf\n", "policyd-spf /etc/own.conf\n"),
      "etc/own.conf": "Void_Limit = 7\n",
    });
    expect(await place.run(place.root)).toMatchObject({ status: 0, stdout: expect.stringContaining("/etc/own.conf") });
    expect(readFileSync(place.config, "utf8")).toContain("max_void_lookups = 7  # Void_Limit (/etc/own.conf:1)");
  });

  test("takes over postfix-policyd-spf-perl with its lists", async () => {
    using place = host(CLASSIC, {
      "etc/postfix/master.cf": MASTER_CF.replace("/usr/bin/policyd-spf", "/usr/sbin/postfix-policyd-spf-perl"),
      "etc/postfix/exempt_spf_addresses": "192.0.2.0/24 # a net\n",
      "etc/postfix/exempt_spf_domains": "a.example\n",
    });
    const { status, stdout } = await place.run(place.root);
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("/etc/default/postsrsd, postfix-policyd-spf-perl\n"),
    });
    expect(parseConfig(readFileSync(place.config, "utf8"), "written").config).toMatchObject({
      "policy.allow.addresses": [{ address: "192.0.2.0" }],
      "policy.helo.temperror": { kind: "defer" },
      "policy.override": [{ sender_domain: ["a.example"] }],
    });
  });

  test("of postsrsd 1.x and 2.x takes the one that main.cf asks", async () => {
    const both = { "etc/postsrsd.conf": "srs-domain = two.example\nsocketmap = inet:localhost:10003\n" };
    using one = host(CLASSIC, both);
    expect((await one.run(one.root)).stdout).toContain("from /etc/default/postsrsd,");
    using two = host(CLASSIC, {
      ...both,
      "etc/postfix/main.cf": MAIN_CF.replaceAll(/tcp:127.0.0.1:1000\d/g, "socketmap:inet:localhost:10003:x"),
    });
    expect((await two.run(two.root)).stdout).toContain("from /etc/postsrsd.conf,");
    using none = host(CLASSIC, { ...both, "etc/postfix/main.cf": MAIN_CF.replaceAll(/^.*tcp:.*\n/gm, "") });
    expect(await none.run(none.root)).toMatchObject({
      status: 65,
      stderr: expect.stringContaining("name the one that is in use"),
    });
    expect(none.written()).toEqual([]);
  });

  test("switches off what was not there", async () => {
    const { "etc/default/postsrsd": _, ...onlySpf } = CLASSIC;
    using spf = host(onlySpf);
    expect((await spf.run(spf.root)).status).toBe(0);
    expect(spf.written()).toEqual(["postvouch", "postvouch/postvouch.toml"]);
    const { config } = parseConfig(readFileSync(spf.config, "utf8"), "written");
    expect([config["tcptable.forward"], config["socketmap.listen"], config["policy.listen"].length]).toEqual([
      [],
      [],
      1,
    ]);
    const { "etc/postfix-policyd-spf-python/policyd-spf.conf": __, ...onlySrs } = CLASSIC;
    using srs = host(onlySrs);
    expect((await srs.run(srs.root)).status).toBe(0);
    expect(parseConfig(readFileSync(srs.config, "utf8"), "written").config["policy.listen"]).toEqual([]);
  });

  test("knows single files by their content, with the Postfix of a directory", async () => {
    using place = host();
    const named = ["etc/default/postsrsd", "etc/postfix-policyd-spf-python/policyd-spf.conf", "etc/postfix/main.cf"];
    place.write("etc/default/postsrsd", `SRS_SECRET=${place.root}/etc/postsrsd.secret\n`);
    expect(await place.run(...named.map((name) => join(place.root, name)))).toMatchObject({ status: 0 });
    expect(readFileSync(place.config, "utf8")).toContain('domain = "example.org"');
    expect((await place.run("--dry-run", join(place.root, "etc"), "--force")).status).toBe(0);
  });
});

const PRIVATE_KEY = String(
  generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ type: "pkcs8", format: "pem" }),
);

/** OpenDKIM, OpenDMARC and OpenARC as how-tos set them up, behind a Postfix that asks them. */
const FILTERS: Readonly<Record<string, string>> = {
  "etc/postfix/main.cf": MAIN_CF.replace(
    /^smtpd_milters.*$/m,
    "smtpd_milters = inet:localhost:8891, local:opendmarc/opendmarc.sock, inet:127.0.0.1:8892\nnon_smtpd_milters = $smtpd_milters",
  ),
  "etc/postfix/master.cf": MASTER_CF,
  "etc/opendkim.conf": `Syslog yes
Mode sv
Canonicalization relaxed/simple
KeyTable /etc/opendkim/KeyTable
SigningTable refile:/etc/opendkim/SigningTable
InternalHosts refile:/etc/opendkim/TrustedHosts
ExternalIgnoreList refile:/etc/opendkim/TrustedHosts
OversignHeaders From
Socket inet:8891@localhost
`,
  "etc/opendkim/KeyTable": `mail._domainkey.example.org example.org:mail:/etc/opendkim/keys/example.org/mail.private
mail._domainkey.hosted.example hosted.example:mail:/etc/opendkim/keys/hosted.example/mail.private
`,
  "etc/opendkim/SigningTable": `*@example.org mail._domainkey.example.org
*@hosted.example mail._domainkey.hosted.example
*@*.hosted.example mail._domainkey.hosted.example
`,
  "etc/opendkim/TrustedHosts": "127.0.0.1\n::1\nlocalhost\n192.0.2.0/24\nmail.example.org\n",
  "etc/opendkim/keys/example.org/mail.private": PRIVATE_KEY,
  "etc/opendkim/keys/hosted.example/mail.private": PRIVATE_KEY,
  "etc/opendmarc.conf": `AuthservID mail.example.org
TrustedAuthservIDs mail.example.org
RejectFailures true
IgnoreHosts /etc/opendmarc/ignore.hosts
Socket local:/var/spool/postfix/opendmarc/opendmarc.sock
`,
  "etc/opendmarc/ignore.hosts": "127.0.0.1\n192.0.2.0/24\n198.51.100.25\n",
  "etc/openarc.conf": `Mode sv
Domain example.org
Selector arc
KeyFile /etc/openarc/arc.key
Socket inet:8892@localhost
FinalReceiver yes
`,
  "etc/openarc/arc.key": PRIVATE_KEY,
};

describe.skipIf(missing !== undefined)(`postvouch import of filters ${missing ?? ""}`, () => {
  test("takes their place with one milter, and copies their keys", async () => {
    using place = host(FILTERS);
    const dkim = join(dirname(place.config), "dkim");
    const { status, stdout, stderr } = await place.run(place.root);
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringMatching(/^(?:postvouch: note: .*\n)*$/) });
    expect(stdout).toContain("written, from /etc/openarc.conf, /etc/opendkim.conf, /etc/opendmarc.conf\n");
    expect(stdout).toContain(`${dkim}: 3 of the keys for DKIM, copied\n`);
    for (const words of [
      "milter.listen: in main.cf inet:127.0.0.1:8893 takes the place of OpenARC, OpenDKIM, OpenDMARC; OpenDKIM has port 8891 until the change",
      '/etc/opendkim/TrustedHosts:5: InternalHosts: "mail.example.org" is a name',
      "opendkim.conf: not needed here: ExternalIgnoreList, Syslog (docs/from-opendkim.md)",
      "IgnoreHosts (/etc/opendmarc.conf:4): their mail is left alone",
      "/etc/openarc.conf:6: FinalReceiver has no counterpart",
    ]) {
      expect(stderr).toContain(words);
    }
    const { config, problems } = parseConfig(readFileSync(place.config, "utf8"), "written");
    expect(problems).toEqual([]);
    expect(config).toMatchObject({
      "milter.listen": [{ host: "127.0.0.1", port: 8893 }],
      "milter.authserv_id": "mail.example.org",
      "milter.internal": [{ address: "127.0.0.0" }, { address: "::1" }, { address: "192.0.2.0" }],
      "milter.skip": [{ address: "198.51.100.25" }],
      "dkim.sign.canonicalization": "relaxed/simple",
      "dkim.sign.key_directory": dkim,
      "dkim.sign.keys": [
        {
          domain: "hosted.example",
          selector: "mail",
          file: `${dkim}/hosted.example/mail.pem`,
          from: ["hosted.example", ".hosted.example"],
        },
      ],
      "dmarc.reject": true,
      "arc.seal": "all",
      "arc.file": `${dkim}/arc/example.org.arc.pem`,
      "policy.listen": [],
      "socketmap.listen": [],
    });
    const copies = ["arc/example.org.arc.pem", "example.org/mail.private", "hosted.example/mail.pem"];
    for (const copy of copies) {
      expect([readFileSync(join(dkim, copy), "utf8"), statSync(join(dkim, copy)).mode & 0o777]).toEqual([
        PRIVATE_KEY,
        0o600,
      ]);
    }
    expect(readFileSync(place.config, "utf8")).toContain(
      "# a copy of /etc/opendkim/keys/hosted.example/mail.private, /etc/opendkim/KeyTable:2\n[[dkim.sign.keys]]\n",
    );
    const env = { MAIL_CONFIG: join(place.root, "etc/postfix") };
    expect(postvouch(["check-config", "--config", place.config], { env })).toMatchObject({ status: 0 });
  });

  test("leaves those out that main.cf does not ask, unless they are named", async () => {
    using place = host(FILTERS, {
      "etc/postfix/main.cf": `${MAIN_CF}smtpd_milters = inet:127.0.0.1:8893, unix:/run/opendkim/other.sock\n`,
      "etc/opendkim/KeyTable": FILTERS["etc/opendkim/KeyTable"]?.replaceAll("/etc", "@/etc") ?? "",
    });
    const none = await place.run(place.root);
    expect(none).toMatchObject({
      status: 78,
      stderr: expect.stringContaining("OpenDKIM, OpenDMARC or OpenARC that Postfix asks"),
    });
    expect(none.stderr).toContain(
      "/etc/opendkim.conf: main.cf does not ask OpenDKIM at inet:8891@localhost, so it is left out; name the file",
    );
    expect(place.written()).toEqual([]);
    const named = await place.run(join(place.root, "etc/opendmarc.conf"), join(place.root, "etc/postfix/main.cf"));
    expect(named).toMatchObject({ status: 0, stdout: expect.stringContaining("opendmarc.conf\n") });
  });

  test("with a policy service, an OpenDMARC that stays only has it wait for DNS", async () => {
    using place = host(CLASSIC, { "etc/opendmarc.conf": "RejectFailures true\nSocket inet:1@localhost\n" });
    const { stderr } = await place.run(place.root);
    expect(stderr).toContain("main.cf does not ask OpenDMARC at inet:1@localhost, so it is left out");
    const { config } = parseConfig(readFileSync(place.config, "utf8"), "written");
    expect([config["policy.helo.temperror"], config["milter.listen"], config["dmarc.reject"]]).toEqual([
      { kind: "defer" },
      [],
      false,
    ]);
    place.write("etc/opendmarc.conf", "RejectFailures true\nSocket inet:8893@localhost\n");
    await place.run("--force", place.root);
    const taken = parseConfig(readFileSync(place.config, "utf8"), "written").config;
    expect([taken["policy.helo.temperror"], taken["milter.listen"], taken["dmarc.reject"]]).toMatchObject([
      { kind: "defer" },
      [{ port: 8891 }],
      true,
    ]);
  });

  test("replaces no other key, and writes nothing then", async () => {
    using place = host(FILTERS);
    const copy = join(dirname(place.config), "dkim/example.org/mail.private");
    mkdirSync(dirname(copy), { recursive: true });
    writeFileSync(copy, "mine");
    expect(await place.run(place.root)).toMatchObject({
      status: 73,
      stderr: expect.stringContaining(`Cannot write "${copy}": it exists, with another key`),
    });
    expect(place.written().filter((name) => name.includes("."))).toEqual([
      "postvouch/dkim/example.org",
      "postvouch/dkim/example.org/mail.private",
    ]);
    expect(await place.run("--force", place.root)).toMatchObject({ status: 0 });
    expect([copy, `${copy}.old`].map((path) => readFileSync(path, "utf8"))).toEqual([PRIVATE_KEY, "mine"]);
  });

  test("--dry-run names the keys that it would copy", async () => {
    using place = host(FILTERS);
    const { stderr } = await place.run("--dry-run", place.root);
    expect(stderr).toContain("dkim/example.org/mail.private and ");
    expect(place.written()).toEqual([]);
  });

  test("says which keys are not there, and goes on", async () => {
    const { "etc/opendkim/keys/example.org/mail.private": _, ...files } = FILTERS;
    using place = host(files);
    const { status, stderr } = await place.run(place.root);
    expect(status).toBe(0);
    expect(stderr).toContain(
      "/etc/opendkim/KeyTable:1: Cannot use /etc/opendkim/keys/example.org/mail.private, the key mail of example.org: no such file",
    );
  });
});

describe.skipIf(missing !== undefined || !isRoot)(`postvouch import on the host itself ${missing ?? ""}`, () => {
  /** Runs a shell script with the place's etc and var in place of the machine's. */
  function within(place: Place, script: string): Ran {
    const bind = `mount --bind ${place.root}/etc /etc; mount --bind ${place.root}/var /var`;
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", POSTVOUCH_NOW: NOW };
    const args = ["--mount", "sh", "-euc", `${bind}\npostvouch() { ${process.execPath} ${MAIN} "$@"; }\n${script}`];
    const { status, stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8", env });
    return { status, stdout, stderr };
  }

  const users = Object.fromEntries(["etc/passwd", "etc/group"].map((name) => [name, readFileSync(`/${name}`, "utf8")]));
  const both = { ...users, "var/lib/x": "", "etc/default/postsrsd": "SRS_SECRET=/etc/postsrsd.secret\n" };

  test("finds and writes everything in its usual place", () => {
    using place = host(CLASSIC, both);
    const ran = within(place, "postvouch import; postvouch check-config; postvouch srs forward bob@elsewhere.example");
    expect(ran).toMatchObject({ status: 0, stdout: expect.stringContaining("/etc/postvouch/postvouch.toml: ok\n") });
    expect(ran.stdout).toContain("secrets: 1 in /var/lib/postvouch/srs.secrets\n");
    expect(ran.stdout).toMatch(/^SRS0=.{4}=2W=elsewhere\.example=bob@example\.org$/m);
    const secrets = join(place.root, "var/lib/postvouch/srs.secrets");
    expect([readFileSync(secrets, "latin1"), statSync(secrets).mode & 0o777]).toEqual(["tops3cr3t", 0o600]);
    expect(readFileSync(join(place.root, "etc/postvouch/postvouch.toml"), "utf8")).not.toContain("secrets_file");
  });

  test("gives the secrets to the owner of the state", () => {
    using place = host(CLASSIC, both);
    const ran = within(place, "install -d -o nobody -g nogroup -m 0700 /var/lib/postvouch; postvouch import");
    expect(ran.status).toBe(0);
    expect(statSync(join(place.root, "var/lib/postvouch/srs.secrets")).uid).toBe(65_534);
    expect(statSync(join(place.root, "etc/postvouch/postvouch.toml")).uid).toBe(0);
  });

  test("copies keys for the owner of the state, and leaves those that he can read", () => {
    using place = host(FILTERS, { ...both, "etc/default/postsrsd": "" });
    rmSync(join(place.root, "etc/default"), { recursive: true });
    const ran = within(
      place,
      `install -d -o nobody -g nogroup -m 0700 /var/lib/postvouch
      chmod 755 /etc /etc/opendkim /etc/opendkim/keys /etc/opendkim/keys/*
      chmod 600 /etc/opendkim/keys/*/*
      chown nobody /etc/opendkim/keys/example.org/mail.private
      postvouch import
      postvouch check-config
      setpriv --reuid nobody --regid nogroup --clear-groups cat /var/lib/postvouch/dkim/hosted.example/mail.pem`,
    );
    expect(ran).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("1 of the keys for DKIM stay where they are\n"),
    });
    expect(ran.stdout).toContain("/var/lib/postvouch/dkim: 2 of the keys for DKIM, copied\n");
    expect(ran.stdout).toContain(PRIVATE_KEY);
    const text = readFileSync(join(place.root, "etc/postvouch/postvouch.toml"), "utf8");
    expect(text).toContain('file = "/etc/opendkim/keys/example.org/mail.private"\nfrom = ["example.org"]\n');
    const made = ["", "/arc", "/hosted.example", "/hosted.example/mail.pem"].map((name) =>
      join(place.root, `var/lib/postvouch/dkim${name}`),
    );
    expect(made.map((path) => statSync(path).uid)).toEqual(Array(4).fill(65_534));
  });

  test("copies the secrets into the credential of the unit, if it loads one", () => {
    const unit = "[Service]\n#LoadCredential=srs.secrets:/no\nLoadCredential=srs.secrets:/etc/postvouch/own.secrets\n";
    using place = host(CLASSIC, both);
    place.write("etc/systemd/system/postvouch.service.d/secrets.conf", unit);
    expect(within(place, "postvouch import").stdout).toContain("/etc/postvouch/own.secrets: the secrets, copied\n");
    expect(readFileSync(join(place.root, "etc/postvouch/own.secrets"), "latin1")).toBe("tops3cr3t");
    expect(existsSync(join(place.root, "var/lib/postvouch"))).toBe(false);
  });
});

describe.skipIf(missing !== undefined)(`domains that signed before ${missing ?? ""}`, () => {
  /** An address that the secret has signed under a domain. */
  function sign(place: Place, domain: string, secret = "tops3cr3t", now = NOW): string {
    place.write("other/secret", `${secret}\n`);
    place.write("other/p.toml", `[srs]\ndomain = "${domain}"\nsecrets_file = "${place.root}/other/secret"\n`);
    const args = ["srs", "forward", "--config", `${place.root}/other/p.toml`, "bob@elsewhere.example"];
    return postvouch(args, { env: { POSTVOUCH_NOW: now } }).stdout.trim();
  }

  test("stay accepted if the log shows addresses that the secrets signed and that are valid", async () => {
    using place = host();
    const expired = String(Number(NOW) - 23 * 86_400);
    const log = [
      `postfix/smtp[1]: A: to=<x@y.example>, from=<${sign(place, "old.example")}>, relay`,
      `postsrsd[1]: srs_forward: <bob@elsewhere.example> rewritten as <${sign(place, "example.org")}>`,
      `postfix/smtpd[1]: from=<${sign(place, "foreign.example", "another secret")}>`,
      `postfix/smtpd[1]: from=<${sign(place, "expired.example", "tops3cr3t", expired)}>`,
    ];
    place.write("var/log/mail.log", `${log.join("\n")}\n`);
    place.write("var/log/mail.log.2.gz", gzipSync(`x\nto=<${sign(place, "Older.example").toLowerCase()}>, orig_to\n`));
    place.write("var/log/mail.log.3.xz", "no gzip");
    const { status, stderr } = await place.run(place.root);
    expect(status).toBe(0);
    const { config } = parseConfig(readFileSync(place.config, "utf8"), "written");
    expect([...config["srs.former_domains"]].sort()).toEqual(["old.example", "older.example"]);
    expect(stderr).toContain("mail.log.3.xz was not searched");
    expect(readFileSync(place.config, "utf8")).toContain("until 22 days have passed: seen in ");
  });

  test("are read from whole lines, wherever a piece of the file ends", async () => {
    using place = host();
    const line = `from=<${sign(place, "former-domain.example")}>, relay\n`;
    // Node reads pieces of 64 KiB: one of them ends within the domain of each of these lines.
    const filled = (bytes: number): string => `${"x".repeat(bytes - 1)}\n`;
    place.write("var/log/mail.log", filled(65_536 - line.indexOf("ample>")) + line.repeat(4000));
    await place.run(place.root);
    const { config } = parseConfig(readFileSync(place.config, "utf8"), "written");
    expect(config["srs.former_domains"]).toEqual(["former-domain.example"]);
  });

  const journalRemote = "/lib/systemd/systemd-journal-remote";
  const missingJournal = existsSync(journalRemote) ? undefined : skipReason(`Cannot run: no ${journalRemote}`);

  test.skipIf(missingJournal !== undefined)("stay accepted if the journal shows such addresses", async () => {
    using place = host();
    const entry = (facility: number, text: string): string =>
      `__REALTIME_TIMESTAMP=${NOW}000000\n_BOOT_ID=${"0".repeat(31)}1\nSYSLOG_FACILITY=${facility}\nMESSAGE=${text}\n\n`;
    const mail = entry(2, `A: to=<x@y.example>, orig_to=<${sign(place, "old.example")}>`);
    place.write("in.export", mail + entry(3, `from=<${sign(place, "other.example")}>`));
    mkdirSync(join(place.root, "var/log/journal"), { recursive: true });
    const output = `--output=${place.root}/var/log/journal/x.journal`;
    expect(spawnSync(journalRemote, [output, join(place.root, "in.export")]).status).toBe(0);
    const { stderr } = await place.run(place.root);
    expect(stderr).not.toContain("no mail log");
    const { config } = parseConfig(readFileSync(place.config, "utf8"), "written");
    expect(config["srs.former_domains"]).toEqual(["old.example"]);
  });

  test("cannot be found without a log, which is said", async () => {
    using place = host();
    expect((await place.run(place.root)).stderr).toContain(
      `no mail log in ${place.root}/var/log: if SRS_DOMAIN was another one`,
    );
  });
});

describe.skipIf(missing !== undefined)(`what cannot be imported is said, and nothing written ${missing ?? ""}`, () => {
  const without = (...names: string[]): Record<string, string> =>
    Object.fromEntries(Object.entries(CLASSIC).filter(([name]) => !names.some((part) => name.includes(part))));

  test.each<{
    name: string;
    files?: Record<string, string>;
    changed?: Record<string, string>;
    args?: string[];
    status: number;
    says: string;
  }>([
    {
      name: "nothing there",
      files: without("postsrsd", "policyd-spf.conf"),
      status: 78,
      says: "found no configuration of postsrsd and none of policyd-spf",
    },
    { name: "no such operand", args: ["nope"], status: 65, says: '/nope": no such file' },
    {
      name: "an unknown file",
      changed: { x: "hello\n" },
      args: ["x"],
      status: 65,
      says: '/x": want a file of postsrsd 1.x, postsrsd 2.x, policyd-spf, OpenARC, OpenDKIM, OpenDMARC or Postfix',
    },
    {
      name: "an unknown directory",
      changed: { "x/y": "" },
      args: ["x"],
      status: 65,
      says: '/x": want a directory with main.cf, or one like / or /etc',
    },
    {
      name: "main.cf under another name",
      changed: { "x.cf": MAIN_CF },
      args: ["x.cf"],
      status: 65,
      says: "postconf reads only as main.cf",
    },
    {
      name: "two files of one program",
      changed: { x: "SRS_DOMAIN=a" },
      args: ["x", "etc/default/postsrsd"],
      status: 65,
      says: "Cannot import both",
    },
    {
      name: "a program",
      changed: { "etc/default/postsrsd": "if true; then\nSRS_DOMAIN=a\nfi\n" },
      status: 65,
      says: '/etc/default/postsrsd:1: Cannot read "if": want settings',
    },
    {
      name: "a quote too few",
      changed: { "etc/default/postsrsd": "\nSRS_DOMAIN='a\n" },
      status: 65,
      says: "/etc/default/postsrsd:2: the closing ' is missing",
    },
    {
      name: "a list that is not there",
      changed: { "etc/default/postsrsd": 'SRS_EXCLUDE_DOMAINS="$(cat /etc/nope)"\n' },
      status: 65,
      says: '/etc/default/postsrsd:1: Cannot read "/etc/nope"',
    },
    {
      name: "a domain that is none",
      changed: { "etc/default/postsrsd": "SRS_DOMAIN='a b'\n" },
      status: 65,
      says: 'SRS_DOMAIN (/etc/default/postsrsd:1): got "a b", want a domain name',
    },
    { name: "no secrets", files: without("secret"), status: 65, says: '/etc/postsrsd.secret": no such file' },
    {
      name: "an empty file of secrets",
      changed: { "etc/postsrsd.secret": "\n\n" },
      status: 65,
      says: '/etc/postsrsd.secret": it is empty, want one secret per line',
    },
    {
      name: "a broken main.cf",
      changed: { "etc/postfix/main.cf": "what is this\n" },
      status: 69,
      says: "Cannot ask Postfix: postconf: fatal: ",
    },
    {
      name: "a list of users that is not there",
      changed: { "etc/postfix-policyd-spf-python/policyd-spf.conf": "Per_User = text,/nope\n" },
      status: 65,
      says: 'policyd-spf.conf:1: Cannot read "/nope"',
    },
  ])("$name", async ({ files, changed, args, status, says }) => {
    using place = host(files, changed);
    const ran = await place.run(...(args?.map((name) => join(place.root, name)) ?? [place.root]));
    expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status, stderr: expect.stringContaining(says) });
    expect(ran.stderr).not.toMatch(NO_STACK);
    expect(place.written()).toEqual([]);
  });

  test("a postconf that says nothing", () => {
    using place = host();
    place.write("bin/postconf", "#!/bin/sh\n");
    chmodSync(join(place.root, "bin/postconf"), 0o755);
    const env = { PATH: `${place.root}/bin:${process.env.PATH}` };
    const ran = postvouch(["import", "--config", place.config, place.root], { env });
    expect(ran).toMatchObject({ status: 69, stderr: expect.stringContaining('printed no "mydomain"') });
    expect(place.written()).toEqual([]);
  });

  test("a file that is in the way of the directory", async () => {
    using place = host();
    writeFileSync(dirname(dirname(place.config)), "");
    expect(await place.run(place.root)).toMatchObject({ status: 73, stderr: expect.stringContaining("no directory") });
  });

  test("a link in the place of the secrets", async () => {
    using place = host();
    mkdirSync(dirname(place.secrets), { recursive: true });
    symlinkSync(join(place.root, "etc/postsrsd.secret"), place.secrets);
    expect(await place.run("--force", place.root)).toMatchObject({
      status: 73,
      stderr: expect.stringContaining("it is a link"),
    });
    expect(existsSync(place.config)).toBe(false);
  });

  test.skipIf(!isRoot)("a secret of root, for another user", async () => {
    using place = host();
    chmodSync(join(place.root, "etc/postsrsd.secret"), 0o600);
    const ran = postvouch(["import", "--config", "/tmp/nowhere/p.toml", place.root], { uid: 65_534 });
    expect(ran).toMatchObject({
      status: 77,
      stderr: expect.stringContaining('/etc/postsrsd.secret": no permission; run it as root'),
    });
  });

  test.skipIf(!isRoot)("a directory of root, for another user", async () => {
    using place = host();
    mkdirSync(dirname(place.config), { recursive: true, mode: 0o755 });
    const ran = postvouch(["import", "--config", place.config, place.root], { uid: 65_534 });
    expect(ran).toMatchObject({
      status: 77,
      stderr: expect.stringContaining("no permission; run it as root; nothing was written"),
    });
    expect(place.written()).toEqual(["postvouch"]);
  });

  /** Runs a script in a mount namespace of its own. */
  function apart(script: string, place: Place, ...args: string[]): Ran {
    const all = [
      "--mount",
      "sh",
      "-euc",
      `${script}; exec "$@"`,
      "sh",
      process.execPath,
      MAIN,
      "import",
      "--config",
      place.config,
      ...args,
    ];
    const { status, stdout, stderr } = spawnSync("unshare", all, {
      encoding: "utf8",
      env: { ...process.env, DIR: dirname(place.config) },
    });
    return { status, stdout, stderr };
  }

  test.skipIf(!isRoot)("a full disk, with half of the files written", async () => {
    using place = host(CLASSIC, { "etc/postsrsd.secret": "x\n".repeat(800) });
    mkdirSync(dirname(place.config), { recursive: true });
    // There is room for the secrets, and not for the configuration.
    const ran = apart('mount -t tmpfs -o size=8k none "$DIR"; head -c 4096 /dev/zero >"$DIR/fill"', place, place.root);
    expect(ran).toMatchObject({
      status: 73,
      stderr: expect.stringContaining(`Cannot write "${place.config}": no space left on the disk; nothing was written`),
    });
  });

  test.skipIf(!isRoot)("a host without Postfix, unless the files are named", async () => {
    using place = host(CLASSIC, { "etc/default/postsrsd": "SRS_DOMAIN=a.example\n" });
    place.write("etc/default/postsrsd", `SRS_DOMAIN=a.example\nSRS_SECRET=${place.root}/etc/postsrsd.secret\n`);
    const hidden =
      "for dir in /usr/sbin /usr/local/sbin /usr/lib/postfix; do if [ -d $dir ]; then mount -t tmpfs none $dir; fi; done";
    expect(apart(hidden, place)).toMatchObject({
      status: 69,
      stderr: expect.stringContaining("is Postfix installed? For another host, name its files"),
    });
    expect(place.written()).toEqual([]);
    const named = apart(hidden, place, join(place.root, "etc/default/postsrsd"));
    expect(named).toMatchObject({ status: 0, stderr: expect.stringContaining("Postfix was not asked: ") });
    expect(readFileSync(place.config, "utf8")).not.toContain("postfix_classes");
  });

  test("two runs at once: one writes, the others say so, and the files are whole", async () => {
    using place = host();
    const env = { POSTVOUCH_NOW: NOW };
    const args = ["import", "--config", place.config, place.root];
    const runs = await Promise.all([1, 2, 3].map(() => postvouchAsync(args, env)));
    expect(runs.map(({ status }) => status).sort()).toEqual([0, 73, 73]);
    expect(place.written()).toEqual(["postvouch", "postvouch/postvouch.toml", "postvouch/srs.secrets"]);
    expect(parseConfig(readFileSync(place.config, "utf8"), "written").problems).toEqual([]);
  });
});

const HOSTILE = "a\x1b[31m\x9b2J\u202e";

describe.each([
  ["opendkim.conf", "SubDomains yes\nDomain a.example\nSelector s\nKeyFile @key\nMode sv\n", "the key s of a.example"],
  ["opendmarc.conf", "RejectFailures true\nIgnoreHosts @key\n", "Cannot read"],
  [
    "openarc.conf",
    "Mode sv\nDomain a.example\nSelector s\nKeyFile @key\nFinalReceiver yes\n",
    "the key s of a.example",
  ],
])("postvouch import of a hostile %s", (name, conf, problem) => {
  test.each([
    ["/dev/zero", () => "/dev/zero"],
    [
      "a FIFO",
      (dir: string) => {
        expect(spawnSync("mkfifo", [`${dir}/fifo`]).status).toBe(0);
        return `${dir}/fifo`;
      },
    ],
    ["a name with escapes", (dir: string) => `${dir}/${HOSTILE}`],
  ])("with %s for its files ends, names it, and sends nothing to the terminal", (_what, make) => {
    using dir = scratch();
    const [path, file] = [join(dir.path, name), make(dir.path)];
    const more = `${HOSTILE} ${HOSTILE}\nUserID ${HOSTILE}\nSoftwareHeader ${HOSTILE}\nBogus\x1b]0;x\x07 y\n`;
    writeFileSync(path, conf.replace("@key", file) + more);
    const ran = postvouch(["import", "--dry-run", "--config", join(dir.path, "p.toml"), path]);
    expect(ran.status).toBe(0);
    const about = ran.stderr.split("\n").filter((line) => line.includes(problem));
    expect(about.join("\n")).toContain(printable(file));
    expect(ran.stderr).toContain("Bogus\\x1b]0;x\\x07 is no option of");
    expect(ran.stderr).not.toMatch(NO_STACK);
    expect(ran.stdout + ran.stderr).not.toMatch(/(?![\t\n])[\p{Cc}\p{Cf}]/u);
  });
});
