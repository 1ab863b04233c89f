import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ImportError } from "../../../src/import/readers/finding.ts";
import { isOpendkim, readOpendkim } from "../../../src/import/readers/opendkim.ts";
import { isOpendmarc } from "../../../src/import/readers/opendmarc.ts";
import { parseCidr } from "../../../src/mail/ip.ts";
import { expectRead, hostWith, readBack } from "../fixtures.ts";

const FILES: Readonly<Record<string, string>> = {
  "/etc/hosts.list": "127.0.0.1\nlocalhost\n192.0.2.0/24   # office\n!192.0.2.7\r\nmail.example.net\n*.example.net\n",
  "/etc/more.conf": "Selector two\nKeyFile /k/two\n",
  "/etc/loop.conf": "Include /etc/loop.conf\n",
  "/etc/macros": "daemon_name ORIGINATING|SUBMIT\ntls_version\n",
};

function read(text: string, files: Readonly<Record<string, string>> = {}) {
  return readOpendkim({ path: "opendkim.conf", text }, hostWith({ ...FILES, ...files }));
}

/** Networks as the configuration has them. */
const networks = (...texts: readonly string[]) => texts.map(parseCidr);

interface Case {
  readonly text: string;
  readonly keys?: object;
  /** Words of a note; without them there is no note. */
  readonly says?: string;
}

/** Settings of mail from outside, of names and of clients. */
const SETTINGS: readonly Case[] = [
  { text: "Mode s", keys: { "dkim.verify": false, "dmarc.verify": false, "arc.verify": false } },
  { text: "AuthservID HOSTNAME", keys: { "milter.authserv_id": "mx.my.example" } },
  { text: "authservid Mail.example.net  # ours", keys: { "milter.authserv_id": "Mail.example.net" } },
  { text: "AuthservID a b", keys: { "milter.authserv_id": "" }, says: '1: AuthservID: "a b" is no name of a host' },
  { text: "RemoveARFrom a.example, b.example", keys: { "milter.remove_authserv_ids": ["a.example", "b.example"] } },
  { text: "RemoveARFrom .a.example", says: 'RemoveARFrom: ".a.example": milter.remove_authserv_ids has whole names' },
  {
    text: "InternalHosts 192.0.2.0/30, !192.0.2.2, [198.51.100.7]",
    keys: { "milter.internal": networks("127.0.0.0/8", "::1", "192.0.2.0/31", "192.0.2.3", "198.51.100.7") },
  },
  {
    text: "InternalHosts refile:/etc/hosts.list",
    keys: {},
    says: '/etc/hosts.list:6: InternalHosts: "*.example.net" is a pattern',
  },
  {
    text: "InternalHosts file:/etc/hosts.list",
    says: '/etc/hosts.list:5: InternalHosts: "mail.example.net" is a name, and clients are known by their addresses',
  },
  {
    text: "InternalHosts 0.0.0.0/0,10.0.0.0/8",
    keys: { "milter.internal": networks("127.0.0.0/8", "::1", "10.0.0.0/8") },
    says: "signed what strangers wrote in your name; it is left out",
  },
  {
    text: "InternalHosts 10.1.2.3/8",
    keys: { "milter.internal": networks("127.0.0.0/8", "::1") },
    says: 'InternalHosts: "10.1.2.3/8" never matched in OpenDKIM: 10.0.0.0/8 is the network',
  },
  { text: "InternalHosts ::1, 10.0.0.1", says: '":" is no kind of list, so OpenDKIM does not start with it' },
  { text: "InternalHosts ldap://x/", says: "is answered by a program or a database, which is not asked here" },
  { text: "InternalHosts /nowhere", says: '1: InternalHosts: Cannot read "/nowhere"; it is left out' },
  { text: "InternalHosts 127.0.0.1", keys: { "milter.internal": networks("127.0.0.0/8", "::1") } },
  { text: "PeerList 198.51.100.0/24", keys: { "milter.skip": networks("198.51.100.0/24") } },
  {
    text: "ExternalIgnoreList /etc/hosts.list",
    says: "opendkim.conf: not needed here: ExternalIgnoreList (docs/from-opendkim.md)",
  },
  { text: "MTA MSA", keys: { "milter.submission_daemons": ["ORIGINATING", "MSA"] } },
  {
    text: "MacroList {daemon_name}|ORIGINATING",
    keys: { "milter.submission_daemons": ["ORIGINATING"] },
    says: '"{daemon_name}|ORIGINATING" never matched in OpenDKIM, which has daemon_name=ORIGINATING',
  },
  {
    text: "MacroList file:/etc/macros",
    keys: { "milter.submission_daemons": ["ORIGINATING", "SUBMIT"] },
    says: "/etc/macros:2: MacroList: the macro tls_version is not asked here",
  },
  {
    text: "Nameservers 192.0.2.53, 2001:db8::53",
    keys: { "dns.servers": [{ host: "192.0.2.53" }, { host: "2001:db8::53" }] },
  },
  { text: "MinimumKeyBits 2048", keys: { "dkim.min_key_bits": 2048 } },
  {
    text: "MinimumKeyBits 512",
    keys: { "dkim.min_key_bits": 1024 },
    says: "MinimumKeyBits 512: keys of under 1024 bits never pass",
  },
  { text: "MaximumSignaturesToVerify 5", keys: { "dkim.max_signatures": 5 } },
  { text: "MaximumHeaders 0", keys: { "milter.max_header_bytes": 1_048_576 }, says: "there is a limit always" },
  { text: "MaximumHeaders 65536", keys: { "milter.max_header_bytes": 65_536 } },
  { text: "RequiredHeaders yes", keys: { "milter.malformed": "reject" }, says: "mail without From, with several" },
  { text: "On-InternalError accept", keys: { "milter.on_error": "accept" } },
  { text: "On-Default a", keys: { "milter.on_error": "accept", "dkim.sign.on_error": "accept" } },
  {
    text: "On-Default r\nOn-DNSError t",
    keys: { "milter.on_error": "tempfail", "dkim.sign.on_error": "tempfail" },
    says: "2: On-DNSError tempfail: DNS trouble of one signature does nothing to mail",
  },
  {
    text: "On-BadSignature reject",
    says: "1: On-BadSignature has no counterpart: a result of DKIM alone never rejects",
  },
  {
    text: "DontSignMailTo /x",
    says: "1: DontSignMailTo has no counterpart: mail is signed whoever its recipients are",
  },
  { text: "SetupPolicyScript /x.lua", says: "scripts are not run" },
  { text: "Statistics /x\nDiagnostics no", says: "the metrics have the numbers" },
  { text: "Syslog yes\nUMask 007\nUserID opendkim", says: "opendkim.conf: not needed here: Syslog, UMask, UserID" },
  { text: "Slector a", says: "1: Slector is no option of OpenDKIM that is known here (was Selector meant?)" },
  { text: "Socket", says: "1: Socket has no value: OpenDKIM does not start with it" },
  { text: "SubDomains perhaps", says: '1: SubDomains: got "perhaps": OpenDKIM does not start with it' },
  { text: "MinimumKeyBits 1k", says: '1: MinimumKeyBits: got "1k": OpenDKIM does not start with it' },
];

/** Settings of signatures. */
const SIGNATURES: readonly Case[] = [
  { text: "Canonicalization relaxed/simple", keys: { "dkim.sign.canonicalization": "relaxed/simple" } },
  { text: "Canonicalization Relaxed", keys: { "dkim.sign.canonicalization": "relaxed/simple" } },
  {
    text: "Canonicalization odd",
    keys: { "dkim.sign.canonicalization": "relaxed/relaxed" },
    says: "does not start with",
  },
  { text: "SignatureTTL 86400", keys: { "dkim.sign.expire": 86_400_000 } },
  { text: "SignatureTTL 60", keys: { "dkim.sign.expire": 3_600_000 }, says: "it is an hour at least" },
  {
    text: "SignHeaders From,Subject,Bcc",
    keys: { "dkim.sign.headers": ["From", "Subject"] },
    says: "Bcc changes on the way",
  },
  { text: "OmitHeaders *,+sender", keys: { "dkim.sign.headers": expect.not.arrayContaining(["Sender"]) } },
  { text: "SignHeaders *,+X-Mine,-date", keys: { "dkim.sign.headers": expect.arrayContaining(["From", "X-Mine"]) } },
  { text: "OversignHeaders From", says: "nobody can add To, Cc, Subject and others either" },
  { text: "OversignHeaders Subject,X-Mine", keys: { "dkim.sign.oversign": ["from", "subject", "x-mine"] } },
  { text: "SignatureAlgorithm rsa-sha1", says: "the same keys sign with rsa-sha256" },
  { text: "SenderHeaders Sender,From", says: "the author in From decides about the key" },
];

describe("readOpendkim", () => {
  test.each(SETTINGS)("$text", ({ text, keys = {}, says }) => {
    expectRead(read(`${text}\nCanonicalization relaxed/relaxed`), keys, says);
  });

  test.each(SIGNATURES)("$text", ({ text, keys = {}, says }) => {
    expectRead(read(`Canonicalization relaxed/relaxed\n${text}`), keys, says);
  });

  test("signs in the form that OpenDKIM has without a setting", () => {
    expectRead(
      read("Domain a.example"),
      { "dkim.sign.canonicalization": "simple/simple" },
      "without the line it is relaxed/relaxed",
    );
  });

  test("the file of Debian asks for nothing that is not there", () => {
    const text = readFileSync(join(import.meta.dirname, "../../testdata/filters/opendkim.conf"), "utf8");
    const findings = read(text);
    expect(findings.notes).toEqual([
      "opendkim.conf: not needed here: PidFile, Syslog, SyslogSuccess, TrustAnchorFile, UMask, UserID (docs/from-opendkim.md)",
      expect.stringContaining("OversignHeaders From: nobody can add"),
    ]);
    expect(readBack([findings]).toml).toContain(
      'canonicalization = "relaxed/simple"  # Canonicalization (opendkim.conf:13)',
    );
    expect(findings.milterSocket?.sockets).toEqual(["local:/run/opendkim/opendkim.sock"]);
  });

  test("files are included, and the last line of a name counts", () => {
    const { signingKeys } = read("Selector one\nKeyFile /k/one\nDomain a.example\nInclude /etc/more.conf\n");
    expect(signingKeys).toEqual([
      {
        domain: "a.example",
        selector: "two",
        source: { path: "/k/two" },
        from: ["a.example"],
        where: "/etc/more.conf:2",
      },
    ]);
  });

  test.each([
    [
      "Include /etc/loop.conf",
      '/etc/loop.conf:1: Include: "/etc/loop.conf" is one file too many: OpenDKIM takes 5 levels',
    ],
    ["\nInclude /nowhere", 'opendkim.conf:2: Include: Cannot read "/nowhere"'],
  ])("refuses %s", (text, says) => {
    expect(() => read(text)).toThrow(ImportError);
    expect(() => read(text)).toThrow(says);
  });

  test("files that include each other many times end soon", () => {
    const many = "Include /a\n".repeat(1000);
    expect(() => read(many, { "/a": many })).toThrow("is one file too many");
  });

  test("SOCKET of /etc/default/opendkim is one of its sockets", () => {
    const { milterSocket } = read("Socket inet:8891@localhost", {
      "/etc/default/opendkim": "RUNDIR=/run/opendkim\nSOCKET=local:$RUNDIR/opendkim.sock\n",
    });
    expect(milterSocket?.sockets).toEqual(["inet:8891@localhost", "local:/run/opendkim/opendkim.sock"]);
    expect(read("Syslog yes", { "/etc/default/opendkim": "if x; then" }).milterSocket?.sockets).toEqual([]);
  });

  test("knows its file", () => {
    expect(["KeyTable /k", "#LogWhy no", "on-default accept"].map(isOpendkim)).toEqual([true, true, true]);
    expect(["TrustedAuthservIDs a", "Mode sv", "KeyTable"].map(isOpendkim)).toEqual([false, false, false]);
    expect(isOpendmarc("On-Default accept")).toBe(false);
  });
});
