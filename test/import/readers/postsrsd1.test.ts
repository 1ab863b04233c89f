import { describe, expect, test } from "vitest";
import { ImportError } from "../../../src/import/readers/finding.ts";
import { isPostsrsd1, readPostsrsd1 } from "../../../src/import/readers/postsrsd1.ts";
import { expectRead, hostWith, readBack } from "../fixtures.ts";

const FILES = {
  "/etc/domains": "one.example\ntwo.example\n",
  "/etc/services": "smtp 25/tcp mail\nsrs-f 12001/tcp srsfwd # ours\nsrs-r 12002/udp\n",
};

function read(text: string) {
  return readPostsrsd1({ path: "default", text }, hostWith(FILES));
}

/** A line of the file, keys that it becomes, and words of what is said about it. */
const LINES: readonly { readonly text: string; readonly keys?: object; readonly says?: string }[] = [
  { text: "", keys: { "srs.domain": "my.example", "srs.hash_alphabet": "standard" } },
  { text: "SRS_DOMAIN=srs.example", keys: { "srs.domain": "srs.example" } },
  {
    text: "SRS_DOMAIN=me@srs.example",
    keys: { "srs.domain": "srs.example" },
    says: '1: of "me@srs.example" only "srs.example"',
  },
  { text: "SRS_DOMAIN=a.example\r", keys: { "srs.domain": "a.example" }, says: "1: the line ends with CR" },
  {
    text: 'SRS_EXCLUDE_DOMAINS="a.example,.b.example;c.example"',
    keys: { "srs.own_domains.domains": ["a.example", ".b.example", "c.example"] },
  },
  {
    text: 'SRS_EXCLUDE_DOMAINS="$(cat /etc/domains)"',
    keys: { "srs.own_domains.domains": ["one.example", "two.example"] },
  },
  {
    text: "SRS_EXCLUDE_DOMAINS=BÜCHER.example,b.Example,B.example",
    keys: { "srs.own_domains.domains": ["xn--bcher-kva.example", "b.example"] },
  },
  { text: "SRS_EXCLUDE_DOMAINS=my.example,b.example", keys: { "srs.own_domains.domains": ["b.example"] } },
  {
    text: "SRS_EXCLUDE_DOMAINS=*.a.example",
    keys: { "srs.own_domains.domains": [] },
    says: '1: "*.a.example" is no domain, so it never matched a sender; it is left out; if ".a.example" is meant',
  },
  { text: "SRS_EXCLUDE_DOMAINS=me@a.example", says: 'if "a.example" is meant' },
  {
    text: "SRS_EXCLUDE_DOMAINS=a.example, b.example",
    keys: { "srs.own_domains.domains": [] },
    says: '1: a blank without quotes ends the value: the shell runs "b.example" as a program, and sets SRS_EXCLUDE_DOMAINS for that alone',
  },
  { text: "SRS_DOMAIN = a.example", keys: { "srs.domain": "my.example" }, says: '1: runs "SRS_DOMAIN" as a program' },
  { text: "SRS_SEPARATOR=+=", keys: { "srs.separator": "+" } },
  { text: "SRS_HASHLENGTH=8\nSRS_HASHMIN=6", keys: { "srs.hash_length": 8, "srs.hash_min_length": 6 } },
  { text: "SRS_HASHLENGTH=five", keys: { "srs.hash_length": 4 }, says: '1: SRS_HASHLENGTH: got "five", which is 4' },
  { text: "SRS_HASHLENGTH=0", keys: { "srs.hash_length": 4 }, says: 'got "0", which is 4' },
  { text: "SRS_HASHLENGTH=' 6 bytes'", keys: { "srs.hash_length": 6 } },
  { text: "SRS_HASHLENGTH=24", keys: { "srs.hash_length": 20 }, says: "20 characters here, not 24" },
  { text: "SRS_HASHLENGTH=44", keys: { "srs.hash_length": 20 }, says: "could not read its own addresses back" },
  {
    text: "SRS_HASHMIN=9",
    keys: { "srs.hash_length": 4, "srs.hash_min_length": 4 },
    says: "no address verified there",
  },
  { text: "SRS_HASHLENGTH=24\nSRS_HASHMIN=22", keys: { "srs.hash_min_length": 20 }, says: "set SRS_HASHMIN to 20" },
  { text: "SRS_SECRET_LENGTH=24", says: "1: SRS_SECRET_LENGTH is no setting of postsrsd, so it never had an effect" },
  { text: "SRS_EXCLUDE_DOMAIN=a.example", says: "(was SRS_EXCLUDE_DOMAINS meant?)" },
  {
    text: "SRS_FORWARD_PORT=srsfwd",
    keys: { "tcptable.forward": [{ type: "inet", host: "127.0.0.1", port: 12_001 }] },
  },
  {
    text: "SRS_LISTEN_ADDR=localhost SRS_REVERSE_PORT=99",
    keys: {
      "tcptable.reverse": [
        { type: "inet", host: "127.0.0.1", port: 99 },
        { type: "inet", host: "::1", port: 99 },
      ],
    },
  },
  { text: "SRS_LISTEN_ADDR=::1", keys: { "tcptable.forward": [{ type: "inet", host: "::1", port: 10_001 }] } },
  { text: "SRS_LISTEN_ADDR=0.0.0.0", says: "0.0.0.0 is open to other hosts" },
  { text: "SRS_FORWARD_PORT=10003", keys: { "socketmap.listen": [{ type: "inet", host: "127.0.0.1", port: 10_004 }] } },
  { text: "SRS_EXTRA_OPTIONS=-A", keys: { "srs.always_rewrite": true } },
  {
    text: 'SRS_EXTRA_OPTIONS="-t60 -Xa.example,b.example -X -A"',
    keys: { "srs.always_rewrite": true, "srs.own_domains.domains": ["a.example", "b.example"] },
    says: "-t 60 has no counterpart",
  },
  { text: 'SRS_EXTRA_OPTIONS="-n 9 -4"', keys: { "srs.hash_length": 4 }, says: "-n 9 had no effect" },
];

describe("readPostsrsd1", () => {
  test.each(LINES)("$text", ({ text, keys = {}, says }) => {
    expectRead(read(text), keys, says);
  });

  test.each([
    ["SRS_DOMAIN=", 'default:1: SRS_DOMAIN: got "", want a domain'],
    ["SRS_SEPARATOR=x", 'default:1: SRS_SEPARATOR: got "x", want one of'],
    ["SRS_SEPARATOR=", "SRS_SEPARATOR"],
    ["SRS_FORWARD_PORT=nope", "SRS_FORWARD_PORT"],
    ["SRS_FORWARD_PORT=srs-r", "SRS_FORWARD_PORT"],
    ["SRS_FORWARD_PORT=99999", "SRS_FORWARD_PORT"],
    ["SRS_LISTEN_ADDR=mail.example", "SRS_LISTEN_ADDR"],
    ["SRS_EXTRA_OPTIONS=-q", "-q is none"],
    ["SRS_EXTRA_OPTIONS='-X a.example'", '"a.example" is none'],
    ["SRS_EXTRA_OPTIONS=-t", "an argument for -t"],
    [`A=${"x".repeat(1000)}\n${"A=$A$A\n".repeat(20)}`, "default:12: a value is too long"],
    ['SRS_DOMAIN="a', 'default:1: the closing " is missing'],
    ["if true; then SRS_DOMAIN=a; fi", 'default:1: Cannot read "if"'],
    ["SRS_EXCLUDE_DOMAINS=$(mysql x)", 'default:1: Cannot tell what "mysql x" prints'],
  ])("refuses %s", (text, says) => {
    expect(() => read(text)).toThrow(ImportError);
    expect(() => read(text)).toThrow(says);
  });

  test("a domain that is none is refused with its origin", () => {
    expect(() => readBack([read("\nSRS_DOMAIN='a b'")])).toThrow(
      'SRS_DOMAIN (default:2): got "a b", want a domain name',
    );
  });

  test("each value tells its line, or that it is not there", () => {
    const { toml } = readBack([read("# x\nSRS_DOMAIN=srs.example\nSRS_EXCLUDE_DOMAINS=a.example\n")]);
    expect(toml).toContain('domain = "srs.example"  # SRS_DOMAIN (default:2)\n');
    expect(toml).toContain('domains = ["a.example"]  # SRS_EXCLUDE_DOMAINS (default:3)\n');
    expect(toml).toContain("hash_length = 4  # SRS_HASHLENGTH is not set in default\n");
  });

  test("a list of many thousand domains takes no time, and bad ones are not all told", () => {
    const names = Array.from({ length: 30_000 }, (_, index) => `d${index}.example`).join(",");
    const findings = read(`SRS_EXCLUDE_DOMAINS=${names},${names.replaceAll("d", "*.d")}`);
    expect(findings.ownDomains.size).toBe(30_000);
    expect(findings.notes).toHaveLength(101);
    expect(findings.notes.at(-1)).toBe("and 29900 more like these");
  });

  test("knows its file by the variables, also by those in comments", () => {
    expect(["#SRS_DOMAIN=example.com", "SRS_SECRET=/x", "  export SRS_DOMAIN=a"].map(isPostsrsd1)).toEqual([
      true,
      true,
      true,
    ]);
    expect(["srs-domain = a", "HELO_reject = Fail", "", "domain = SRS_DOMAIN"].map(isPostsrsd1)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});
