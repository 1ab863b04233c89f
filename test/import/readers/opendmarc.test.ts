import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isOpendkim } from "../../../src/import/readers/opendkim.ts";
import { isOpendmarc, readOpendmarc, readStayingOpendmarc } from "../../../src/import/readers/opendmarc.ts";
import { readPolicydSpf } from "../../../src/import/readers/policyd-spf.ts";
import { parseCidr } from "../../../src/mail/ip.ts";
import { expectRead, hostWith, readBack } from "../fixtures.ts";

const FILES: Readonly<Record<string, string>> = {
  "/etc/ignore.hosts": "127.0.0.1\nlocalhost\n# office\n192.0.2.0/24\n198.51.100.7\nmx.example.net\n",
  "/etc/office": "192.0.2.0/24\n",
  "/etc/sealers": "lists.example\nno domain\n",
};

const host = hostWith(FILES);
const read = (text: string) => readOpendmarc({ path: "opendmarc.conf", text }, host);

describe("readOpendmarc", () => {
  test.each<{ text: string; keys?: object; says?: string }>([
    { text: "RejectFailures no", keys: { "dmarc.reject": false, "dmarc.temperror": "accept" } },
    {
      text: "RejectFailures false\nrejectfailures YES",
      keys: { "dmarc.reject": true, "dmarc.temperror": "tempfail", "policy.mail_from.temperror": { kind: "tag" } },
    },
    { text: "HoldQuarantinedMessages true", keys: { "dmarc.quarantine": "hold" } },
    {
      text: "RequiredHeaders true",
      keys: { "milter.malformed": "reject" },
      says: "RequiredHeaders: mail without From",
    },
    {
      text: "RejectMultiValueFrom true",
      keys: { "milter.malformed": "reject" },
      says: "1: RejectMultiValueFrom: mail without",
    },
    { text: "RejectString no %s here", keys: { "dmarc.reject_message": "no {domain} here" } },
    { text: "RejectString für %s", says: '1: RejectString: got "für %s", want one line of printable ASCII' },
    {
      text: "HistoryFile /run/opendmarc/opendmarc.dat",
      keys: { "dmarc.history": "opendmarc:/var/lib/postvouch/opendmarc.dat" },
      says: '1: HistoryFile: postvouch writes "/var/lib/postvouch/opendmarc.dat", for it may not write "/run/opendmarc/opendmarc.dat"',
    },
    { text: "AuthservID HOSTNAME", keys: { "milter.authserv_id": "mx.my.example" } },
    { text: "IgnoreHosts /etc/office", keys: { "milter.skip": [parseCidr("192.0.2.0/24")] } },
    { text: "IgnoreHosts /nowhere", keys: { "milter.skip": [] }, says: '1: IgnoreHosts: Cannot read "/nowhere"' },
    { text: "IgnoreHosts 192.0.2.1", says: 'Cannot read "192.0.2.1": OpenDMARC does not start with it' },
    { text: "DomainWhitelist a.example, b.example", keys: { "arc.trusted_sealers": ["a.example", "b.example"] } },
    {
      text: "DomainWhitelist a.example\nDomainWhitelistFile /etc/sealers",
      keys: { "arc.trusted_sealers": ["a.example", "lists.example"] },
      says: '/etc/sealers:2: DomainWhitelist: "no domain" is no domain',
    },
    { text: "DomainWhitelistFile /nowhere", says: 'DomainWhitelistFile: Cannot read "/nowhere"' },
    {
      text: "IgnoreMailFrom a.example",
      says: "1: IgnoreMailFrom has no counterpart: DMARC is checked whoever the author is",
    },
    { text: "FailureReports true", says: "1: FailureReports has no counterpart: no reports about single messages" },
    { text: "CopyFailuresTo x@a.example", says: "mail is not sent to other recipients" },
    {
      text: "SPFSelfValidate true\nSPFIgnoreResults false\nFailureReports false",
      says: "not needed here: FailureReports, SPFIgnoreResults, SPFSelfValidate",
    },
    {
      text: "RejectFailure true",
      says: "1: RejectFailure is no option of OpenDMARC that is known here (was RejectFailures meant?)",
    },
  ])("$text", ({ text, keys = {}, says }) => {
    expectRead(read(text), { "dmarc.verify": true, ...keys }, says);
  });

  test("hosts that were ignored are left alone", () => {
    const { toml } = readBack([read("IgnoreHosts /etc/ignore.hosts")]);
    expect(toml).toContain('skip = ["192.0.2.0/24", "198.51.100.7"]  # IgnoreHosts (opendmarc.conf:1)');
    expect(toml).toContain('- /etc/ignore.hosts:6: IgnoreHosts: "mx.example.net" is a name');
    expect(toml).toContain("move those whose mail is yours to milter.internal");
  });

  test("the file of Debian asks for nothing that is not there", () => {
    const text = readFileSync(join(import.meta.dirname, "../../testdata/filters/opendmarc.conf"), "utf8");
    expect(read(text).notes).toEqual([
      "opendmarc.conf: not needed here: PidFile, PublicSuffixList, Syslog, UMask, UserID (docs/from-opendmarc.md)",
    ]);
  });

  test("results of other hosts, which it believed, are said", () => {
    const { toml } = readBack([
      read("AuthservID mx.a.example\nTrustedAuthservIDs mx.a.example, HOSTNAME, gate.b.example"),
    ]);
    expect(toml).toContain(
      "- TrustedAuthservIDs (opendmarc.conf:2): results of gate.b.example were believed, whoever had sent them",
    );
  });

  test("knows its file", () => {
    expect(["#RejectFailures false", "  trustedauthservids x"].map(isOpendmarc)).toEqual([true, true]);
    expect(["RejectFailures", "HELO_reject = Fail"].map(isOpendmarc)).toEqual([false, false]);
    expect(isOpendkim("PublicSuffixList /x")).toBe(false);
  });
});

describe("readStayingOpendmarc", () => {
  const conf = (text: string) => readStayingOpendmarc({ path: "f", text }, host);

  test("has the policy service defer what DNS leaves open if the filter rejects", () => {
    const spf = readPolicydSpf({ path: "policyd-spf.conf", text: "" }, host);
    for (const filter of [conf("RejectFailures 1"), read("RejectFailures 1")]) {
      const { config } = readBack([spf, filter]);
      expect(config["policy.helo.temperror"]).toEqual({ kind: "defer" });
      expect(readBack([filter]).config["policy.helo.temperror"]).toEqual({ kind: "tag" });
    }
    expect(readBack([spf, conf("RejectFailures 1\nRejectFailures no")]).config["policy.helo.temperror"]).toEqual({
      kind: "tag",
    });
    expect(readBack([spf, conf("RejectFailures 1")]).config).toMatchObject({
      "dmarc.reject": false,
      "milter.listen": [],
    });
  });

  test("tells which names it believes", () => {
    expect(conf("TrustedAuthservIDs A.example,HOSTNAME").trusts).toEqual([
      "mx.my.example",
      "a.example",
      "mx.my.example",
    ]);
  });
});
