import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/parse.ts";

const PAGE = readFileSync(new URL("../../docs/from-policyd-spf.md", import.meta.url), "utf8");

/** Every option that spf-engine 3.0.4 accepts. */
const OPTIONS = [
  "debugLevel",
  "TestOnly",
  "defaultSeedOnly",
  "HELO_reject",
  "Mail_From_reject",
  "PermError_reject",
  "TempError_Defer",
  "No_Mail",
  "Reject_Not_Pass_Domains",
  "HELO_pass_restriction",
  "Mail_From_pass_restriction",
  "skip_addresses",
  "Whitelist",
  "Domain_Whitelist",
  "HELO_Whitelist",
  "Domain_Whitelist_PTR",
  "Prospective",
  "SPF_Enhanced_Status_Codes",
  "Header_Type",
  "Hide_Receiver",
  "Authserv_Id",
  "Lookup_Time",
  "Whitelist_Lookup_Time",
  "Void_Limit",
  "Reason_Message",
  "Mock",
  "QueueID",
  "Per_User",
];

describe("docs/from-policyd-spf.md", () => {
  const named = [...PAGE.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`(\w+)/g)].map(([, name]) => name),
  );

  test.each(OPTIONS)("has a row for %s", (option) => {
    expect(named).toContain(option);
  });

  const blocks = [...PAGE.matchAll(/^```toml\n(.*?)^```/gms)].map(([, text = ""]) => text);

  test("has examples that are right", () => {
    expect(blocks.length).toBeGreaterThan(0);
    for (const block of blocks) expect(parseConfig(block, "example").problems).toEqual([]);
  });

  /** What the tables give as keys, each as a file of its own. */
  const SNIPPETS: readonly { toml: string }[] = [
    {
      toml: '[policy.helo]\npermerror = "reject"\ntemperror = "defer"\nfail = "reject-no-mail"\npass = "action:permit"',
    },
    {
      toml: '[[policy.override]]\nsender_domain = ["a.test", ".b.test"]\nmail_from = { fail = "reject", softfail = "reject", neutral = "reject" }',
    },
    { toml: '[[policy.override]]\nsender = "<>"\nhelo = { fail = "reject" }' },
    {
      toml: '[[policy.override]]\nrecipient = "bob@rcpt.test"\nclient_address = "192.0.2.10"\nhelo = { check = false }\nmail_from = { check = false }',
    },
    {
      toml: '[policy]\nmode = "report"\nheaders = []\nprospective_address = "192.0.2.1"\nhide_receiver = true\nenhanced_status_codes = false',
    },
    {
      toml: '[policy.allow]\naddresses = ["192.0.2.0/24"]\nspf_domains = ["fwd.test"]\nhelo_names = ["h.test"]\nptr_domains = ["a.test", ".a.test"]',
    },
    { toml: '[policy]\nreject_message = "{explanation}"\nmax_void_lookups = 0\ntime_limit = "30s"' },
  ];

  test.each(SNIPPETS)("names keys that exist: $toml", ({ toml }) => {
    expect(parseConfig(toml, "example").problems).toEqual([]);
  });
});
