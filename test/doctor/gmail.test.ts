import { describe, expect, test } from "vitest";
import { GMAIL_RULES, gmailResults, separateDomain } from "../../src/doctor/gmail.ts";
import type { Result } from "../../src/doctor/run.ts";
import { CHECKS } from "../../src/doctor/table.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { factsOf, SRS_DOMAIN } from "./facts.ts";

const missing = requirePrograms("postconf");

const result = (id: string, status: Result["status"], mend: string | null = null): Result => ({
  id,
  status,
  reason: `${id} is ${status}`,
  mend,
});
const ruleOf = (results: readonly Result[], id: string) => gmailResults(results).find((one) => one.id === id);

describe("Google's rules", () => {
  test("name checks that there are", () => {
    const ids = new Set([...CHECKS.map(({ id }) => id), "gmail-separate"]);
    expect(GMAIL_RULES.flatMap(({ checks }) => checks).filter((id) => !ids.has(id))).toEqual([]);
  });

  test.each([
    { found: [result("own-spf", "ok"), result("helo-spf", "error", "publish x")], status: "error", mend: "publish x" },
    {
      found: [result("own-spf", "warning", "a"), result("helo-spf", "warning", "b")],
      status: "warning",
      mend: "a; then: b",
    },
    { found: [result("own-spf", "skipped"), result("helo-spf", "ok")], status: "ok", mend: null },
    { found: [result("own-spf", "skipped")], status: "skipped", mend: null },
    { found: [], status: "skipped", mend: null },
  ])("are as good as the worst of their checks: $status", ({ found, status, mend }) => {
    expect(ruleOf(found, "gmail-authentication")).toMatchObject({ status, mend });
  });

  test("tell what was found", () => {
    const { reason } = ruleOf([result("tls", "error", "postconf")], "gmail-tls") ?? {};
    expect(reason).toBe("Mail is sent with TLS (5.7.29): tls is error");
  });
});

test.skipIf(missing !== undefined).each([
  { name: "a domain of its own", mainCf: `virtual_alias_domains = ${SRS_DOMAIN}\n`, status: "ok" },
  {
    name: "the domain of mailboxes",
    mainCf: `virtual_mailbox_domains = inline:{${SRS_DOMAIN}=x}\n`,
    status: "warning",
  },
])(`forwarding has $name ${missing ?? ""}`, async ({ mainCf, status }) => {
  const { facts, files } = await factsOf({ mainCf });
  using _ = files;
  expect(await separateDomain(facts)).toMatchObject({ id: "gmail-separate", status });
});
