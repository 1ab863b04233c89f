import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { documents } from "../../scripts/config-docs.ts";
import { PARAMETERS } from "../../src/config/parameters.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { policySettings } from "../../src/config/settings.ts";
import { SPF_RESULTS } from "../../src/spf/verdict.ts";

const ROOT = join(import.meta.dirname, "../..");

/** What is no endpoint, and the hint behind what is wanted. */
const ENDPOINTS: readonly (readonly [unknown, string])[] = [
  ["127.0.0.1", ""],
  ["localhost:1", '; is "127.0.0.1:1" meant?'],
  ["inet:127.0.0.1:10001", '; is "127.0.0.1:10001" meant?'],
  ["*:10001", '; is "0.0.0.0:10001" meant?'],
  ["10001", '; is "127.0.0.1:10001" meant?'],
  [10001, '; is "127.0.0.1:10001" meant?'],
  ["::1:10001", '; is "[::1]:10001" meant?'],
  ["127.0.0.1:65536", "; ports go up to 65535"],
  ["127.0.0.1:99999", "; ports go up to 65535"],
  ["mail.example.org:10001", ""],
  ["unix:relative", ""],
];

/** What stands in a file, and every problem that it must give, word for word. */
const WRONG: readonly { name: string; toml: string; problems: string[] }[] = [
  {
    name: "a separator that SRS does not have",
    toml: '[srs]\nseparator = "*"',
    problems: ['srs.separator: got "*", want one of "=", "+", "-"'],
  },
  {
    name: "two wrong values and an unknown key, all of them",
    toml: '[srs]\nhash_length = 44\nmax_age = "three weeks"\nseperator = "+"',
    problems: [
      "srs.hash_length: got 44, want a whole number from 1 to 20",
      'srs.max_age: got "three weeks", want a duration from "1d" to "1000d", such as "20s", "5m" or "21d"',
      "srs.seperator: unknown key (is srs.separator meant?)",
    ],
  },
  {
    name: "a key in the wrong section, with the right one",
    toml: '[policy]\nseparator = "+"',
    problems: ["policy.separator: unknown key (is srs.separator meant?)"],
  },
  {
    name: "one endpoint under two keys",
    toml: '[socketmap]\nlisten = ["127.0.0.1:10001", "unix:/run/s", "unix:/run/s"]',
    problems: [
      'socketmap.listen: got "127.0.0.1:10001", which tcptable.forward has already; want another endpoint',
      'socketmap.listen: got "unix:/run/s", which socketmap.listen has already; want another endpoint',
    ],
  },
  {
    name: "a key in capitals, with the one that was meant",
    toml: "[policy]\nListen = []",
    problems: ["policy.Listen: unknown key (is policy.listen meant?)"],
  },
  {
    name: "overrides that match or change nothing",
    toml: '[[policy.override]]\nmode = "report"\n[[policy.override]]\nrecipient = "@x.example"',
    problems: [
      "policy.override[0]: matches every message; want recipient, sender, sender_domain, helo_name or client_address",
      "policy.override[1]: changes nothing; want mode, headers, reject_message, defer_message, helo or mail_from",
    ],
  },
  { name: "an unknown section", toml: "[postsrsd]\nx = 1", problems: ["postsrsd: unknown key"] },
  {
    name: "a section that is a value",
    toml: 'dns = "127.0.0.1"',
    problems: ['dns: got "127.0.0.1", want a table'],
  },
  {
    name: "endpoints as others write them, with what may have been meant",
    toml: `[tcptable]\nforward = ${JSON.stringify(ENDPOINTS.map(([got]) => got))}`,
    problems: ENDPOINTS.map(
      ([got, hint], i) =>
        `tcptable.forward[${i}]: got ${JSON.stringify(got)}, want "address:port", "[v6address]:port", "unix:/path" (107 bytes at most) or "fd:NAME"${hint}`,
    ),
  },
  {
    name: "misspelt keys and sections",
    toml: "[srs]\ndomian = 1\n[polcy]\nx = 1\n[srs.own_domain]\nfiles = []\n[quite]\nother = 1",
    problems: [
      "srs.domian: unknown key (is srs.domain meant?)",
      "srs.own_domain: unknown key (is srs.own_domains meant?)",
      "polcy: unknown key (is policy meant?)",
      "quite: unknown key",
    ],
  },
  {
    name: "DNS servers that serve could not ask: an IPv4 address in brackets, a name, port 0, no address",
    toml: '[dns]\nservers = ["[192.0.2.1]:53", "localhost", "192.0.2.1:0", "[::1", "192.0.2.1", "[fe80::1%eth0]:53"]',
    problems: ["[192.0.2.1]:53", "localhost", "192.0.2.1:0", "[::1"].map(
      (got, i) =>
        `dns.servers[${i}]: got "${got}", want an address such as "127.0.0.1", "127.0.0.1:5353" or "[::1]:5353"`,
    ),
  },
  {
    name: "a string where a list is wanted",
    toml: '[srs.own_domains]\nfiles = "/etc/postvouch/domains"',
    problems: ['srs.own_domains.files: got "/etc/postvouch/domains", want a list of: an absolute path'],
  },
  ...["127.0.0.1", "127.0.0.0/30", "::1", "::ffff:127.0.0.1"].map((relay) => ({
    name: `a relay on this host, ${relay}`,
    toml: `[milter]\ntrusted_relays = ["${relay}"]`,
    problems: [
      `milter.trusted_relays[0]: got "${relay}", want an address or a network of other hosts, such as "192.0.2.0/24"`,
    ],
  })),
  {
    name: "a shortest hash that is longer than the hash",
    toml: "[srs]\nhash_min_length = 8",
    problems: ["srs.hash_min_length: got 8, want at most srs.hash_length (4): nothing would ever verify"],
  },
  {
    name: "every address in a store, and no store",
    toml: '[srs.store]\nmode = "all"',
    problems: ['srs.store.url: got "", want a store, because srs.store.mode is "all"'],
  },
  {
    name: "reports without results to make them from",
    toml: "[dmarc.report]\nenabled = true",
    problems: ['dmarc.history: got "", want "sqlite:/path", because dmarc.report.enabled is true'],
  },
  {
    name: "reports from OpenDMARC's file",
    toml: '[dmarc]\nhistory = "opendmarc:/a"\n[dmarc.report]\nenabled = true',
    problems: ['dmarc.history: got "opendmarc:/a", want "sqlite:/path", because dmarc.report.enabled is true'],
  },
  {
    name: "a history and a reporter that are none",
    toml: '[dmarc]\nhistory = "sqlite:h.db"\n[dmarc.report]\nfrom = "a b@example.org"\nsubmit = "unix:/x"\norganization = "a\\nb"',
    problems: [
      'dmarc.history: got "sqlite:h.db", want "", "sqlite:/path" or "opendmarc:/path"',
      'dmarc.report.organization: got "a\\nb", want "" or a name of up to 100 printable ASCII characters',
      'dmarc.report.from: got "a b@example.org", want "" or an address such as "postmaster@example.net"',
      'dmarc.report.submit: got "unix:/x", want "address:port" or "[v6address]:port" of an SMTP server',
    ],
  },
  {
    name: "a store's URL, without its password",
    toml: '[srs.store]\nurl = "redis://:hunter2@host:x/0"',
    problems: [
      'srs.store.url: got "redis://...@host:x/0", want "", "sqlite:/path", "redis://host:6379/0" or "redis+unix:/path"',
    ],
  },
  {
    name: "a disposition that does not exist, also in an override",
    toml: '[policy.helo]\nfail = "bounce"\n[[policy.override]]\nrecipient = "@x.example"\nmail_from = { fail = "drop" }\nfoo = 1',
    problems: [
      'policy.helo.fail: got "bounce", want one of "tag", "reject", "defer", "reject-unless-dmarc", "reject-no-mail", or "action:" and an access(5) action',
      'policy.override[0].mail_from.fail: got "drop", want one of "tag", "reject", "defer", "reject-unless-dmarc", "reject-no-mail", or "action:" and an access(5) action',
      "policy.override[0].foo: got 1, want no such key; a table with any of: recipient, sender, sender_domain, helo_name, client_address, mode, headers, reject_message, defer_message, helo, mail_from",
    ],
  },
  {
    name: "a line end in a reply",
    toml: '[policy]\nreject_message = "no\\n550 yes"',
    problems: [
      'policy.reject_message: got "no\\n550 yes", want one line of printable ASCII without unknown placeholders',
    ],
  },
  {
    name: "a placeholder that means nothing",
    toml: '[policy]\ndefer_message = "see {url}"',
    problems: ['policy.defer_message: got "see {url}", want one line of printable ASCII without unknown placeholders'],
  },
  {
    name: "a time limit that Postfix would not wait for",
    toml: '[policy]\ntime_limit = "2m"',
    problems: ['policy.time_limit: got "2m", want a duration from "1s" to "90s", such as "20s", "5m" or "21d"'],
  },
];

describe("parseConfig", () => {
  test.each(WRONG)("names $name", ({ toml, problems }) => {
    expect(parseConfig(toml, "postvouch.toml").problems).toEqual(problems.map((line) => `postvouch.toml: ${line}`));
  });

  test("names line and column of what is not TOML", () => {
    expect(parseConfig('[srs]\ndomain = "x', "a.toml").problems[0]).toMatch(/^a\.toml:2:\d+: not valid TOML: /);
  });

  test("gives a default where a value is wrong, so that further problems can be looked for", () => {
    const { config } = parseConfig('[srs]\nseparator = "*"\nhash_length = 8', "x");
    expect([config["srs.separator"], config["srs.hash_length"]]).toEqual(["=", 8]);
  });

  test("gives durations in milliseconds, modes as numbers, endpoints taken apart", () => {
    const { config, problems } = parseConfig(
      'socket_mode = "0660"\n[srs]\nmax_age = "3w"\n[policy]\ntime_limit = "1500ms"\nlisten = ["unix:/run/p.sock", "[::1]:25"]',
      "x",
    );
    expect(problems).toEqual([]);
    expect(config.socket_mode).toBe(0o660);
    expect(config["srs.max_age"]).toBe(21 * 86_400_000);
    expect(config["policy.time_limit"]).toBe(1500);
    expect(config["policy.listen"]).toEqual([
      { type: "unix", path: "/run/p.sock" },
      { type: "inet", host: "::1", port: 25 },
    ]);
  });

  test("takes one value or a list in an override", () => {
    const toml =
      '[[policy.override]]\nrecipient = "a@x.example"\nsender_domain = ["y.example", ".z.example"]\nmode = "report"';
    const { config } = parseConfig(toml, "x");
    expect(policySettings(config, "mx.example").overrides[0]).toMatchObject({
      match: { recipients: ["a@x.example"], senderDomains: ["y.example", ".z.example"], clientAddresses: [] },
      change: { mode: "report" },
    });
  });
});

describe("the table of parameters", () => {
  const { config, problems } = parseConfig("", "nothing");

  test("has a default for each that it accepts itself", () => {
    expect(problems).toEqual([]);
    expect(Object.keys(config).sort()).toEqual(Object.keys(PARAMETERS).sort());
  });

  test("rejects a fail alone by default (RFC 7208 section 8), for both identities", () => {
    const { helo, mailFrom } = policySettings(config, "mx.example");
    for (const { check, dispositions } of [helo, mailFrom]) {
      expect(check).toBe(true);
      const untagged = SPF_RESULTS.filter((result) => dispositions[result].kind !== "tag");
      expect(untagged.map((result) => [result, dispositions[result]])).toEqual([["fail", { kind: "reject" }]]);
    }
  });

  test.each(Object.entries(documents()))("is what %s was made from (npm run docs)", (path, text) => {
    expect(readFileSync(join(ROOT, path), "utf8")).toBe(text);
  });

  test("gives an example file whose commented lines are the defaults", () => {
    const example = documents()["deploy/postvouch.toml"] ?? "";
    const uncommented = example
      .replace(/^#(?=[a-z_]+ = )/gm, "")
      .replace(/^recipient.*\n|^mode = "report"\n|^mail_from.*\n/gm, "");
    expect(parseConfig(example, "x")).toEqual({ config, problems: [], isEmpty: true, isRead: true });
    expect(parseConfig(uncommented, "x")).toEqual({ config, problems: [], isEmpty: false, isRead: true });
  });
});

/** Programs outside rely on these names and defaults. */
test("every key of the contract is there with its default", () => {
  const contract = readFileSync(join(import.meta.dirname, "contract.toml"), "utf8");
  expect(parseConfig(contract, "contract.toml")).toEqual({ ...parseConfig("", "nothing"), isEmpty: false });
});

test("the tables of the contract that are examples can be read", () => {
  const contract = readFileSync(join(import.meta.dirname, "contract.toml"), "utf8");
  const examples = contract.replaceAll(/^# (?=\[\[|[a-z_]+ = )/gm, "");
  const { config, problems } = parseConfig(examples, "contract.toml");
  expect(problems).toEqual([]);
  expect(config["dkim.sign.keys"]).toMatchObject([{ domain: "example.net", selector: "s2026" }]);
  expect(config["policy.override"]).toHaveLength(1);
});
