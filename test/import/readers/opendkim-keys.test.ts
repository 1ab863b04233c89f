import { describe, expect, test } from "vitest";
import { readOpendkim } from "../../../src/import/readers/opendkim.ts";
import { elementsLookedAt } from "../../helpers/work.ts";
import { hostWith } from "../fixtures.ts";

function read(conf: string, tables: Readonly<Record<string, string>> = {}) {
  const findings = readOpendkim({ path: "opendkim.conf", text: conf }, hostWith(tables));
  return {
    keys: findings.signingKeys.map(
      ({ domain, selector, source, from }) =>
        `${from.join(" ")} -> ${domain}/${selector} ${"path" in source ? source.path : source.text}`,
    ),
    notes: findings.notes.filter((note) => !note.includes("Canonicalization")),
  };
}

const KEYS =
  "k1 a.example:s1:/k/1\nk2\ta.example:s2:/k/2 # the second\nb b.example:s:/k/b\np %:sp:/k/p\nd %:s:/k/%/s.private\n";

/** What SigningTable and KeyTable give. */
function tables(signing: string, kind = "refile:", more = "") {
  return read(`KeyTable /kt\nSigningTable ${kind}/st\n${more}`, {
    "/kt": KEYS,
    "/st": signing,
    "/k/a.example/s.private": "",
    "/k/c.example/s.private": "",
    "/k/notes/s.private": "",
    "/k/d.example/other.private": "",
  });
}

describe("the keys of OpenDKIM", () => {
  test.each<{ name: string; signing: string; kind?: string; more?: string; keys: string[]; says?: string }>([
    { name: "a wildcard", signing: "*@A.example k1", keys: ["a.example -> a.example/s1 /k/1"] },
    {
      name: "all names below",
      signing: "*@*.a.example k1\n*.b.example b",
      keys: [".a.example -> a.example/s1 /k/1", ".b.example -> b.example/s /k/b"],
    },
    {
      name: "an ending",
      signing: "*a.example k1",
      keys: ["a.example .a.example -> a.example/s1 /k/1"],
      says: '/st:1: SigningTable: "*a.example": it matched other domains that end so, too (xa.example)',
    },
    {
      name: "the first row that matches",
      signing: "*@a.example k1\nu@a.example k2",
      keys: ["a.example -> a.example/s1 /k/1"],
      says: '/st:2: SigningTable: "u@a.example" never counted, because /st:1 matches first',
    },
    {
      name: "the more exact row first",
      signing: "u@a.example k2\n*@a.example k1",
      keys: ["u@a.example -> a.example/s2 /k/2", "a.example -> a.example/s1 /k/1"],
    },
    {
      name: "two rows for one key",
      signing: "*@a.example k1\n*@x.a.example k1",
      keys: ["a.example x.a.example -> a.example/s1 /k/1"],
    },
    {
      name: "a key of another domain",
      signing: "*@b.example k1",
      keys: ["b.example -> a.example/s1 /k/1"],
      says: "/kt:1: mail of b.example is signed with d=a.example, which DMARC does not count for it",
    },
    {
      name: "d=% of a sender",
      signing: "*@a.example p\nu@b.example p",
      keys: ["a.example -> a.example/sp /k/p", "u@b.example -> b.example/sp /k/p"],
      says: "/k/p: one key for a.example, b.example: each of them needs a record of this key",
    },
    {
      name: "d=% of names below",
      signing: "*@*.a.example p",
      keys: [],
      says: '"%" signs names below a.example each in its own name',
    },
    {
      name: "everybody by the files that are there",
      signing: "* d",
      keys: ["a.example -> a.example/s /k/a.example/s.private", "c.example -> c.example/s /k/c.example/s.private"],
      says: '/st:1: SigningTable: "*" signed for every domain in its own name: 2 have a key',
    },
    {
      name: "everybody in the name of one domain",
      signing: "*@b.example b\n* k1",
      keys: ["b.example -> b.example/s /k/b", "a.example .a.example -> a.example/s1 /k/1"],
      says: '"*" signed mail of every author as a.example, which no DMARC counts',
    },
    {
      name: "a bare domain where patterns are",
      signing: "a.example k1",
      keys: [],
      says: '"a.example" never matched a sender, so its mail was not signed; it is left out',
    },
    {
      name: "a pattern where none are",
      kind: "file:",
      signing: "*@a.example k1",
      keys: [],
      says: '"*@a.example" never matched a sender',
    },
    {
      name: "a table without patterns, from the exact to the general",
      kind: "",
      signing: ".a.example k1\na.example k2\nu@x.a.example b\nx.a.example k2",
      keys: [
        ".a.example -> a.example/s1 /k/1",
        "x.a.example a.example -> a.example/s2 /k/2",
        "u@x.a.example -> b.example/s /k/b",
      ],
    },
    {
      name: "a user below a domain",
      kind: "",
      signing: "u@.a.example k1",
      keys: [],
      says: '"u@.a.example" cannot be said here',
    },
    {
      name: "a name that KeyTable lacks",
      signing: "*@a.example K1",
      keys: [],
      says: '/st:1: SigningTable: KeyTable has no key "K1", so mail of "*@a.example" was refused for a time (451)',
    },
    {
      name: "an identity",
      signing: "*@a.example k1:u@a.example",
      keys: ["a.example -> a.example/s1 /k/1"],
      says: "i= of a signature is not set",
    },
    {
      name: "several keys for a sender",
      signing: "*@a.example k1\n*@a.example k2",
      more: "MultipleSignatures yes",
      keys: ["a.example -> a.example/s2 /k/2", "a.example -> a.example/s1 /k/1"],
      says: "of several keys for a sender those of the most exact row sign here",
    },
    {
      name: "keys without a sender",
      signing: "*@a.example k1",
      keys: ["a.example -> a.example/s1 /k/1"],
      says: "KeyTable: no sender has the key k2, b, p, d; left out",
    },
  ])("SigningTable: $name", ({ signing, kind, more, keys, says }) => {
    const found = tables(signing, kind, more);
    expect([...found.keys].sort()).toEqual([...keys].sort());
    if (says !== undefined) expect(found.notes.join("\n")).toContain(says);
  });

  test("a key in a place of another domain is said", () => {
    const { notes } = read(
      "KeyTable csl:a=a.example:s:/keys/b.example/s.private,b=b.example:s:/keys/b.example/s.private\nSigningTable csl:a.example=a,b.example=b",
    );
    expect(notes[0]).toContain(
      'the key of d=a.example is in a place of b.example: "postvouch dkim check" tells if s._domainkey.a.example has it',
    );
  });

  test("of a how-to that signs again what it forwards, nothing dangerous is taken, and all of it is said", () => {
    const conf = `Mode sv
KeyTable refile:/etc/opendkim/KeyTable
SigningTable refile:/etc/opendkim/SigningTable
InternalHosts refile:/etc/opendkim/TrustedHosts
ExternalIgnoreList refile:/etc/opendkim/TrustedHosts
On-BadSignature accept
OversignHeaders From
SignatureAlgorithm rsa-sha256
`;
    const { keys, notes } = read(conf, {
      "/etc/opendkim/KeyTable": `blue._domainkey.blue.example blue.example:20200516:/etc/opendkim/keys/blue.example/20200516.private
red._domainkey.red.example blue.example:20200516:/etc/opendkim/keys/red.example/20200516.private
green._domainkey.green.example green.example:20200516:/etc/opendkim/keys/green.example/20200516.private
`,
      "/etc/opendkim/SigningTable": `*@blue.example blue._domainkey.blue.example
*@red.example red._domainkey.red.example
* green._domainkey.green.example
`,
      "/etc/opendkim/TrustedHosts": "127.0.0.1\n0.0.0.0/0\n",
    });
    expect(keys).toEqual([
      "blue.example -> blue.example/20200516 /etc/opendkim/keys/blue.example/20200516.private",
      "red.example -> blue.example/20200516 /etc/opendkim/keys/red.example/20200516.private",
      "green.example .green.example -> green.example/20200516 /etc/opendkim/keys/green.example/20200516.private",
    ]);
    for (const words of [
      '/etc/opendkim/TrustedHosts:2: InternalHosts: "0.0.0.0/0" is everybody: OpenDKIM verified nothing',
      '/etc/opendkim/SigningTable:3: SigningTable: "*" signed mail of every author as green.example',
      "/etc/opendkim/KeyTable:2: mail of red.example is signed with d=blue.example, which DMARC does not count for it",
    ]) {
      expect(notes.join("\n")).toContain(words);
    }
  });

  test.each<{ text: string; keys: string[]; says?: string }>([
    {
      text: "Domain a.example, B.example\nSelector s\nKeyFile /k",
      keys: ["a.example -> a.example/s /k", "b.example -> b.example/s /k"],
      says: "/k: one key for a.example, b.example",
    },
    {
      text: "Domain a.example\nSelector s\nKeyFile k.pem\nBaseDirectory /etc/x/\nSubDomains yes",
      keys: ["a.example .a.example -> a.example/s /etc/x/k.pem"],
    },
    {
      text: "Domain *\nSelector s\nKeyFile /k",
      keys: [],
      says: '1: Domain: "*" signed for domains that are not named',
    },
    {
      text: "Domain .a.example\nSelector s\nKeyFile /k",
      keys: [],
      says: '".a.example" is no domain, so it never matched',
    },
    {
      text: "Domain localhost\nSelector s\nKeyFile /k",
      keys: [],
      says: "3: d=localhost is no domain of several labels",
    },
    { text: "Domain a.example\nSelector s\nKeyFile /k\nMode v", keys: [], says: "4: Mode v signed nothing" },
    { text: "Selector s\nKeyFile /k", keys: [], says: "KeyFile without Domain signed for nobody" },
    { text: "KeyTable csl:k=a.example:s:/k\nDomain x.example", keys: [], says: "KeyTable without SigningTable" },
    {
      text: "KeyTable csl:k=a.example:s:/k\nSigningTable lua:/x",
      keys: [],
      says: '2: SigningTable: "lua:" is answered by a program or a database, which is not asked here; no key of it',
    },
    { text: "KeyTable mysql://x\nSigningTable csl:a.example=k", keys: [], says: '"mysql:" is no kind of list' },
    { text: "KeyTable dsn:mysql://x\nSigningTable csl:a.example=k", keys: [], says: '1: KeyTable: "dsn:" is answered' },
    {
      text: "KeyTable csl:k=a.example\nSigningTable csl:a.example=k",
      keys: [],
      says: '"k": want domain:selector:/path',
    },
    { text: "KeyTable csl:k=a.example:s x:/k\nSigningTable csl:a.example=k", keys: [], says: "s=s x is no selector" },
    { text: "KeyTable csl:k=a.example:s:MIIB\nSigningTable csl:a.example=k", keys: ["a.example -> a.example/s MIIB"] },
  ])("$text", ({ text, keys, says }) => {
    const found = read(text);
    expect(found.keys).toEqual(keys);
    if (says !== undefined) expect(found.notes.join("\n")).toContain(says);
  });

  test.each<[what: string, key: string, row: (at: number) => string, more?: string]>([
    ["of one key", "k a.example:s:/k", (at) => `*@d${at}.example k`],
    ["with a mailbox for one key", "k a.example:s:/k", (at) => `u${at}@a.example k`],
    ["for everybody with one key", "k a.example:s:/k", () => "* k", "MultipleSignatures yes\n"],
    ["for everybody with a key each", "k %:s:/k/%", () => "* k", "MultipleSignatures yes\n"],
    ["for one sender", "k a.example:s:/k", () => "*@a.example k", "MultipleSignatures yes\n"],
  ])("work for rows %s grows with their number, and not with its square", (_what, key, row, more = "") => {
    let listed = 0;
    const work = (count: number): number => {
      const files = { "/kt": key, "/st": Array.from({ length: count }, (_, at) => `${row(at)}\n`).join("") };
      const names = Array.from({ length: count }, (_, at) => `d${at}.example`);
      const list = (): readonly string[] => {
        listed++;
        return names;
      };
      const source = { path: "opendkim.conf", text: `KeyTable /kt\nSigningTable refile:/st\n${more}` };
      return elementsLookedAt(() => readOpendkim(source, hostWith(files, { list, exists: () => true })));
    };
    const [few, many] = [work(100), work(400)];
    expect(many).toBeLessThanOrEqual(5 * few);
    // Once for each reading.
    expect(listed).toBeLessThanOrEqual(2);
  });

  test("the time for 100,000 rows grows with their number, and not with its square", () => {
    /** Microseconds of this process for so many domains. */
    const read = (count: number): number => {
      const rows = Array.from({ length: count }, (_, at) => `d${at}.example`);
      const tables = {
        "/kt": rows.map((domain) => `${domain} ${domain}:s:/k/${domain}\n`).join(""),
        "/st": rows.map((domain) => `*@${domain} ${domain}\n`).join(""),
      };
      const source = { path: "opendkim.conf", text: "KeyTable /kt\nSigningTable refile:/st" };
      const before = process.cpuUsage();
      const { signingKeys } = readOpendkim(source, hostWith(tables));
      const { user } = process.cpuUsage(before);
      expect(signingKeys).toHaveLength(count);
      return user;
    };
    const [few] = [read(12_500), read(12_500)].sort((a, b) => b - a);
    // A square would be 64.
    expect(read(100_000) / (few ?? 0)).toBeLessThan(32);
  });
});
