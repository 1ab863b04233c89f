import { describe, expect, test } from "vitest";
import { ImportError } from "../../../src/import/readers/finding.ts";
import { isPostsrsd2, readPostsrsd2 } from "../../../src/import/readers/postsrsd2.ts";
import { hostWith, readBack } from "../fixtures.ts";

function read(text: string, version?: string) {
  const files = { "/etc/domains": "# ours\n.one.example\r\ntwo.example # too\n" };
  return readPostsrsd2({ path: "postsrsd.conf", text }, hostWith(files, { postsrsdVersion: version }));
}

const inet = (host: string, port: number) => ({ type: "inet", host, port });

const TEXTS: readonly { readonly text: string; readonly keys?: object; readonly says?: string }[] = [
  { text: 'srs-domain = ".srs.example"', keys: { "srs.domain": "srs.example", "srs.own_domains.domains": [] } },
  {
    text: "domains = {.a.example, B.example}",
    keys: { "srs.domain": "a.example", "srs.own_domains.domains": [".a.example", "b.example"] },
  },
  {
    text: "domains-file = /etc/domains",
    keys: { "srs.domain": "one.example", "srs.own_domains.files": ["/etc/domains"] },
  },
  {
    text: "hash-length = 010 hash-minimum = 0x6 separator = '-'",
    keys: { "srs.hash_length": 8, "srs.hash_min_length": 6, "srs.separator": "-" },
  },
  { text: "always-rewrite = ON debug = yes", keys: { "srs.always_rewrite": true, "log.level": "debug" } },
  { text: 'socketmap = ""', keys: { "socketmap.listen": [] } },
  { text: "socketmap = inet:127.0.0.2:77", keys: { "socketmap.listen": [inet("127.0.0.2", 77)] } },
  { text: "socketmap = inet:localhost:77", keys: { "socketmap.listen": [inet("127.0.0.1", 77), inet("::1", 77)] } },
  { text: "socketmap = inet4:77", keys: { "socketmap.listen": [inet("127.0.0.1", 77)] } },
  { text: "socketmap = 'inet6:[::1]:77'", keys: { "socketmap.listen": [inet("::1", 77)] } },
  { text: "socketmap = 'inet4:*:77'", keys: { "socketmap.listen": [inet("0.0.0.0", 77)] } },
  {
    text: "socketmap = unix:/var/spool/postfix/srs",
    keys: { "socketmap.listen": [inet("127.0.0.1", 10_003)], "tcptable.forward": [] },
    says: "1: the service may not make unix:/var/spool/postfix/srs: in main.cf socketmap:unix:srs:forward and :reverse become socketmap:inet:127.0.0.1:10003:forward",
  },
  {
    text: "original-envelope = database envelope-database = sqlite:./senders.db socketmap = inet:77",
    keys: { "srs.store.url": "sqlite:/var/lib/postvouch/srs.db", "srs.store.mode": "all" },
  },
  {
    text: "original-envelope = DATABASE envelope-database = redis:db.example:7000",
    keys: { "srs.store.url": "redis://db.example:7000/0" },
  },
  {
    text: "original-envelope = database envelope-database = redis:/run/redis.sock",
    keys: { "srs.store.url": "redis+unix:/run/redis.sock" },
  },
  {
    text: "envelope-database = sqlite:x.db",
    keys: { "srs.store.url": "" },
    says: "had no effect without original-envelope",
  },
  { text: "milter = inet:9999", says: "milter has no counterpart" },
  { text: "keep-alive = 0", says: "keep-alive has no counterpart" },
  {
    text: 'srs-domain = "${SRS}"\ndomains = x.example',
    keys: { "srs.domain": "x.example" },
    says: "${SRS} is taken as not set",
  },
];

describe("readPostsrsd2", () => {
  test.each(TEXTS)("$text", ({ text, keys = {}, says }) => {
    const findings = read(/domain/.test(text) ? text : `${text}\ndomains = my.example`);
    const { config, problems } = readBack([findings]);
    expect(problems).toEqual([]);
    expect(config).toMatchObject(keys);
    if (says !== undefined) expect(findings.notes.join("\n")).toContain(says);
  });

  test.each([
    { version: undefined, alphabet: "standard" },
    { version: "1.10-2+b1", alphabet: "standard" },
    { version: "2.0.11-1", alphabet: "standard" },
    { version: "2.2.5-1", alphabet: "standard" },
    { version: "2.2.6-1", alphabet: "url-safe" },
    { version: "1:2.4.0", alphabet: "url-safe" },
    { version: "3.0", alphabet: "url-safe" },
  ])("hashes are $alphabet for version $version", ({ version, alphabet }) => {
    const { config } = readBack([read("domains = a.example", version)]);
    expect(config["srs.hash_alphabet"]).toBe(alphabet);
  });

  test("an SQLite store is looked for in the chroot", () => {
    const text = "domains = a.example original-envelope = database envelope-database = sqlite:./s.db chroot-dir = ";
    expect(read(`${text}'/srv/x'`).database).toEqual({ path: "/srv/x/s.db", copy: "/var/lib/postvouch/srs.db" });
    expect(read(`${text}''`).database?.path).toBe("/s.db");
  });

  test.each([
    ["", "it has neither srs-domain nor domains"],
    ["domains = a.example\nhash-length = 30", "postsrsd.conf:2: hash-length: got 30, want a whole number from 1 to 20"],
    ["domains = a.example hash-minimum = 5", "hash-minimum at most hash-length"],
    ["domains = a.example separator = '=='", 'separator: got "==", want one of'],
    ["domains = a.example\noriginal-envelope = none", "postsrsd.conf:2: original-envelope"],
    ["domains = a.example original-envelope = database", "envelope-database"],
    ["domains = a.example socketmap = nope", "socketmap"],
    ["domains-file = /nowhere", 'Cannot read "/nowhere"'],
    ["srs-domian = a.example", 'postsrsd.conf:1: there is no option "srs-domian"'],
    ["domains = {a.example", "postsrsd.conf:1: the file ends within a setting"],
  ])("refuses %s", (text, says) => {
    expect(() => read(text)).toThrow(ImportError);
    expect(() => read(text)).toThrow(says);
  });

  test("knows its file", () => {
    expect(["srs-domain = a", "# domains-file =", "  secrets-file=x"].map(isPostsrsd2)).toEqual([true, true, true]);
    expect(["SRS_DOMAIN=a", "HELO_reject = Fail", "domain = 'x'"].map(isPostsrsd2)).toEqual([false, false, false]);
  });
});
