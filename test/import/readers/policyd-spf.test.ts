import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isPolicydSpf, readPolicydSpf } from "../../../src/import/readers/policyd-spf.ts";
import { NAMES, readOptions } from "../../../src/import/readers/policyd-spf-options.ts";
import { skipReason } from "../../helpers/requires.ts";
import { expectRead, hostWith, readBack } from "../fixtures.ts";

const DEBIAN = "/etc/postfix-policyd-spf-python/policyd-spf.conf";
const MODULE = "/usr/lib/python3/dist-packages/spf_engine";

function read(text: string, users = "") {
  return readPolicydSpf({ path: "conf", text }, hostWith({ "/users": users }));
}

const TEXTS = [
  existsSync(DEBIAN) ? readFileSync(DEBIAN, "utf8") : "",
  "",
  "HELO_reject = Fail",
  "HELO_reject=Softfail # as ever\n# HELO_reject = Null\n",
  "HELO_reject = Fail\nHELO_reject = Null\n",
  "  Mail_From_reject\t=\tFalse  \r\n\r\n",
  "Header_Type = AR\rHide_Receiver = No\r",
  "Reason_Message = SPF #1 {spf}",
  "Reason_Message = a = b",
  "Whitelist = 192.0.2.0/24, 198.51.100.7",
  "Whitelist =",
  "= x",
  "Whitelist",
  "whitelist = 192.0.2.1",
  "helo_reject = Fail\nHELO_Reject = Fail\nQueueID = 1",
  "TestOnly = 0",
  "TestOnly = +1",
  "TestOnly = 1_0",
  "Void_Limit = -3",
  "debugLevel = 1.5",
  "TestOnly = True",
  "Lookup_Time = 20s",
  "Lookup_Time =",
  "Mock = False",
  "Authserv_Id = bücher.example",
  "Per_User = text,/etc/x",
  "defaultSeedOnly = 1",
];

const isInstalled = existsSync(MODULE) && existsSync("/usr/bin/python3");
const missing = isInstalled ? undefined : skipReason("Cannot run: postfix-policyd-spf-python not installed");

describe.skipIf(missing !== undefined)(`lines are read as policyd-spf reads them ${missing ?? ""}`, () => {
  const driver = join(import.meta.dirname, "../../helpers/policyd_spf_driver.py");
  const input = TEXTS.map((text) => `${JSON.stringify(text)}\n`).join("");
  const { stdout = "" } =
    missing === undefined ? spawnSync("/usr/bin/python3", [driver], { input, encoding: "utf8" }) : {};
  const results = stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown> | null);

  test.each(TEXTS.map((text, index) => ({ text, index })))("$text", ({ text, index }) => {
    const { options, notes } = readOptions(text);
    const stops = notes.some((note) => note.text.includes("does not start with it"));
    const theirs = results[index];
    expect(theirs).toBeDefined();
    expect(stops).toBe(theirs === null);
    if (theirs === null || theirs === undefined) return;
    const known = Object.entries(theirs).filter(([name]) => name in NAMES);
    const converted = [...options].map(([name, { value }]) => [name, convert(name, value)]);
    expect(Object.fromEntries(converted)).toEqual(Object.fromEntries(known));
  });
});

function convert(name: string, value: string): unknown {
  if (NAMES[name] === "bool") return value !== "";
  return NAMES[name] === "number" ? Number(value.replaceAll("_", "")) : value;
}

const REJECT = { kind: "reject" };
const TAG = { kind: "tag" };

/** Lines, keys that they become, and words of what is said. */
const LINES: readonly { readonly text: string; readonly keys?: object; readonly says?: string }[] = [
  { text: "", keys: { "policy.helo.fail": REJECT, "policy.mail_from.fail": REJECT } },
  { text: "HELO_reject = Softfail", keys: { "policy.helo.softfail": REJECT, "policy.mail_from.softfail": TAG } },
  {
    text: "Mail_From_reject = SPF_Not_Pass",
    keys: { "policy.mail_from.neutral": REJECT, "policy.mail_from.none": TAG },
  },
  {
    text: "Mail_From_reject = fail",
    keys: { "policy.mail_from.fail": TAG },
    says: "1: Mail_From_reject = fail: policyd-spf knows SPF_Not_Pass",
  },
  { text: "PermError_reject = true", keys: { "policy.helo.permerror": TAG }, says: "it was off" },
  { text: "No_Mail = True", keys: { "policy.helo.fail": { kind: "reject-no-mail" } } },
  { text: "Mock = False", says: '1: Mock = False: any value turned it on, "False" too' },
  { text: "TestOnly = 0", keys: { "policy.mode": "report" }, says: "test mode" },
  { text: "TestOnly = 1", keys: { "policy.mode": "enforce" } },
  { text: "defaultSeedOnly = 0", keys: { "policy.mode": "enforce" }, says: "never had an effect" },
  { text: "QueueID = True", says: "QueueID is no option there" },
  { text: "Socket = local:/x", says: "pyspf-milter" },
  { text: "HELO_Reject = Fail", says: "(was HELO_reject meant?)" },
  {
    text: "Whitelist = 192.0.2.0/24,2001:db8::/32",
    keys: { "policy.allow.addresses": [{ prefixBits: 24 }, { prefixBits: 32 }] },
  },
  {
    text: "Whitelist = 192.0.2.0/24, 198.51.100.7",
    keys: { "policy.allow.addresses": [{}, { address: "198.51.100.7" }] },
    says: 'never heeded "198.51.100.7"',
  },
  { text: "Whitelist = 192.0.2.1/24,198.51.100.7", says: 'never heeded "192.0.2.1/24", "198.51.100.7"' },
  {
    text: "Whitelist = bogus,192.0.2.1",
    keys: { "policy.allow.addresses": [{ address: "192.0.2.1" }] },
    says: '"bogus" is no address or network',
  },
  { text: "Whitelist = 192.0.2.0/255.255.255.0", keys: { "policy.allow.addresses": [{ prefixBits: 24 }] } },
  { text: "Whitelist = 2001:db8::1/32", says: 'never heeded "2001:db8::1/32"' },
  { text: "skip_addresses =", keys: { "policy.skip_addresses": [] }, says: "crashes on an empty skip_addresses" },
  {
    text: "Domain_Whitelist = a.example, b.example",
    keys: { "policy.allow.spf_domains": ["a.example", "b.example"] },
    says: 'never heeded "b.example"',
  },
  {
    text: "Domain_Whitelist_PTR = a.example,.b.example",
    keys: { "policy.allow.ptr_domains": ["a.example", ".a.example", ".b.example"] },
  },
  { text: "Header_Type = None", keys: { "policy.headers": [] } },
  { text: "Header_Type = ar", keys: { "policy.headers": ["received-spf"] }, says: "Header_Type = ar" },
  {
    text: "Header_Type = AR",
    keys: { "policy.headers": ["authentication-results"], "policy.authserv_id": "mx.my.example" },
  },
  { text: "Header_Type = AR\nAuthserv_Id = id.example", keys: { "policy.authserv_id": "id.example" } },
  {
    text: "Authserv_Id = id.example",
    keys: { "policy.authserv_id": "" },
    says: "had no effect without Header_Type = AR",
  },
  { text: "Hide_Receiver = no", keys: { "policy.hide_receiver": true }, says: "the receiver was hidden" },
  { text: "SPF_Enhanced_Status_Codes = No", keys: { "policy.enhanced_status_codes": false } },
  {
    text: "Reason_Message = SPF {rejectdefer}: {spf}. Please see {url}",
    keys: {
      "policy.reject_message": "SPF rejected: {explanation}",
      "policy.defer_message": "SPF deferred: {explanation}",
    },
    says: "{url} is left out",
  },
  { text: "Reason_Message = {{x}} {spf}", says: "is no text for a reply" },
  { text: "Reason_Message = no {foo}", says: "is no text for a reply" },
  { text: "Lookup_Time = 120", keys: { "policy.time_limit": 90_000 }, says: "more than Postfix waits for" },
  { text: "Lookup_Time = 0", keys: { "policy.time_limit": 20_000 }, says: "no limit at all" },
  { text: "Lookup_Time = 7", keys: { "policy.time_limit": 7_000 } },
  { text: "Whitelist_Lookup_Time = 7", says: "no counterpart" },
  { text: "Void_Limit = 0", keys: { "policy.max_void_lookups": 0 } },
  { text: "Void_Limit = 1000", keys: { "policy.max_void_lookups": 100 }, says: "is 100 here" },
  { text: "debugLevel = 0", keys: { "log.level": "warn" } },
  { text: "debugLevel = 4", keys: { "log.level": "debug" } },
  { text: "Prospective = 192.0.2.1", keys: { "policy.prospective_address": "192.0.2.1" } },
  { text: "Prospective = mx.example", says: "is no address" },
  {
    text: "Mail_From_pass_restriction = permit",
    keys: { "policy.mail_from.pass": { kind: "action", action: "permit" } },
  },
  {
    text: "HELO_reject = Null",
    keys: { "policy.helo.fail": TAG, "policy.override": [{ sender: ["<>"], helo: { fail: REJECT } }] },
  },
  {
    text: "Reject_Not_Pass_Domains = a.example",
    keys: { "policy.override": [{ sender_domain: ["a.example"], helo_name: ["a.example"] }, {}, {}] },
    says: "domains above the named ones",
  },
];

describe("readPolicydSpf", () => {
  test.each(LINES)("$text", ({ text, keys = {}, says }) => {
    expectRead(read(text), keys, says);
  });

  test("tells Debian's file line by line", () => {
    const { toml } = readBack([read("TestOnly = 1\nHELO_reject = Fail\nMail_From_reject = False\n")]);
    expect(toml).toContain('mode = "enforce"  # TestOnly (conf:1), which means to enforce\n');
    expect(toml).toContain('[policy.helo]\nfail = "reject"  # HELO_reject (conf:2)\n');
    expect(toml).toContain('[policy.mail_from]\nfail = "tag"  # Mail_From_reject (conf:3)\n');
  });

  test("knows its file", () => {
    expect(["debugLevel = 1", "# HELO_reject = Fail", "TestOnly=1"].map(isPolicydSpf)).toEqual([true, true, true]);
    expect(["SRS_DOMAIN=a", "srs-domain = a", ""].map(isPolicydSpf)).toEqual([false, false, false]);
  });
});

describe("the file of users", () => {
  const perUser = (users: string, conf = "") => read(`Per_User = text,/users\n${conf}`, users);

  test.each<{ users: string; conf?: string; overrides: object[]; says?: string }>([
    {
      users: "bob@x.example,Mail_From_reject=False|HELO_reject=No_Check\n",
      overrides: [{ recipient: ["bob@x.example"], mail_from: { fail: TAG }, helo: { check: false } }],
    },
    { users: "# none\n\nbob@x.example,Header_Type=None # nothing\n", overrides: [{ headers: [] }] },
    {
      users: "bob@x.example,Whitelist=192.0.2.10\n",
      overrides: [{ client_address: [{ address: "192.0.2.10" }], helo: { check: false }, mail_from: { check: false } }],
    },
    { users: "bob@x.example,Reason_Message=No {spf}\n", overrides: [{ reject_message: "No {explanation}" }] },
    {
      users: "bob@x.example,HELO_reject=Null\n",
      overrides: [
        { recipient: ["bob@x.example"], sender: ["<>"], helo: { fail: REJECT } },
        { recipient: ["bob@x.example"], helo: { fail: TAG } },
      ],
    },
    { users: "bob@x.example,Mail_From_reject=Fail\n", overrides: [], says: "is treated as everybody" },
    {
      users: "bob@x.example,Reject_Not_Pass_Domains=\n",
      conf: "Reject_Not_Pass_Domains = a.example",
      overrides: [{ recipient: ["bob@x.example"], mode: "enforce" }, {}, {}, {}],
      says: "domains above",
    },
    { users: "bob@x.example,Lookup_Time=3\n", overrides: [], says: "Lookup_Time applies to all recipients here" },
    { users: "bob@x.example,TestOnly=0\n", overrides: [], says: "TestOnly is no option there" },
    { users: "Bob@x.example,Header_Type=None\n", overrides: [{ recipient: ["Bob@x.example"] }], says: "never matched" },
    {
      users: "bob@x.example,Header_Type=None\nbob@x.example,Header_Type=AR\n",
      overrides: [{ headers: [] }],
      says: "users:2: bob@x.example has a line above",
    },
    { users: "bob@x.example,Header_Type = None\n", overrides: [{ headers: [] }], says: "takes the blanks" },
    { users: "bob@x.example\n", overrides: [], says: "policyd-spf crashed here" },
    { users: "bob@x.example,Header_Type\n", overrides: [], says: 'crashes on "Header_Type"' },
  ])("$users$conf", ({ users, conf, overrides, says }) => {
    expectRead(perUser(users, conf), { "policy.override": overrides }, says);
  });

  test.each([
    ["Per_User = text,/nowhere", 'conf:1: Cannot read "/nowhere", the file of Per_User'],
    ["Per_User = sql,/users", 'conf:1: Per_User: got "sql,/users", want "text,/path"'],
  ])("%s is refused", (text, says) => {
    expect(() => read(text)).toThrow(says);
  });
});
