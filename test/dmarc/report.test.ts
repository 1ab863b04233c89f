/** Aggregate reports, validated by the schema with xmllint. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { type Circumstances, createDisposer } from "../../src/dmarc/disposition.ts";
import { type AggregateReport, aggregateReport } from "../../src/dmarc/report.ts";
import {
  type CountedRow,
  type EvaluatedMessage,
  type PublishedPolicy,
  type ReportRow,
  reportRow,
} from "../../src/dmarc/report-row.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { DEFAULT_SETTINGS, type DmarcZone, evaluate } from "./fixtures.ts";

const missing = requirePrograms("xmllint");
const SCHEMA = new URL("../testdata/dmarc/rfc9990.xsd", import.meta.url).pathname;
const CIRCUMSTANCES: Circumstances = { listId: "", senderDomain: "bounce.example.com", sealer: undefined };

const ZONE: DmarcZone = {
  "_dmarc.example.com": ["v=DMARC1; p=reject; sp=quarantine; np=none; aspf=s; fo=1:d; x=1; rua=mailto:a@example.com"],
  "a.example.com": { A: ["192.0.2.1"] },
  "_dmarc.example.net": ["v=DMARC1; p=reject; t=y"],
};

async function message(
  from: string,
  identifiers: readonly string[],
  clientAddress = "192.0.2.1",
): Promise<EvaluatedMessage> {
  const verdict = await evaluate(from, ZONE, identifiers);
  const disposition = createDisposer({ ...DEFAULT_SETTINGS, reject: true }).dispose(verdict, CIRCUMSTANCES);
  return { verdict, disposition, clientAddress, senderDomain: "bounce.example.com" };
}

function counted(rows: readonly ReportRow[]): CountedRow[] {
  const texts = rows.map((row) => JSON.stringify(row));
  return [...new Set(texts)].map((text) => ({
    ...(JSON.parse(text) as ReportRow),
    count: texts.filter((other) => other === text).length,
  }));
}

function reportOf(messages: readonly EvaluatedMessage[], more: Partial<AggregateReport> = {}): AggregateReport {
  const rows = messages.flatMap((one) => reportRow(one) ?? []);
  const policy = rows[0]?.policy as PublishedPolicy;
  return {
    organization: "Example & Sons",
    email: "postmaster@mx.test",
    id: "1.example.com@mx.test",
    beginSeconds: 1_795_651_200,
    endSeconds: 1_795_737_599,
    policy,
    errors: [],
    generator: "postvouch 0.1.0",
    rows: counted(rows.map(({ row }) => row)),
    ...more,
  };
}

/** What xmllint says of a document. */
function validate(xml: string): string {
  const { stderr } = spawnSync("xmllint", ["--noout", "--nonet", "--schema", SCHEMA, "-"], {
    input: xml,
    encoding: "utf8",
  });
  return stderr.trim();
}

test("A report of a day", async () => {
  const pass = await message("a@example.com", [
    "spf=fail bounce.example.com",
    "dkim=fail x.example s1",
    "dkim=pass a.example.com s2",
  ]);
  const fail = await message("a@a.example.com", ["spf=pass bounce.example.com"], "2001:db8::1");
  const report = reportOf([pass, fail, pass], { errors: ['Cannot use tag "x": no tag of DMARC'] });
  expect(aggregateReport(report)).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">
  <version>1.0</version>
  <report_metadata>
    <org_name>Example &amp; Sons</org_name>
    <email>postmaster@mx.test</email>
    <report_id>1.example.com@mx.test</report_id>
    <date_range>
      <begin>1795651200</begin>
      <end>1795737599</end>
    </date_range>
    <error>Cannot use tag "x": no tag of DMARC</error>
    <generator>postvouch 0.1.0</generator>
  </report_metadata>
  <policy_published>
    <domain>example.com</domain>
    <discovery_method>treewalk</discovery_method>
    <p>reject</p>
    <sp>quarantine</sp>
    <np>none</np>
    <fo>1:d</fo>
    <adkim>r</adkim>
    <aspf>s</aspf>
    <testing>n</testing>
  </policy_published>
  <record>
    <row>
      <source_ip>192.0.2.1</source_ip>
      <count>2</count>
      <policy_evaluated>
        <disposition>pass</disposition>
        <dkim>pass</dkim>
        <spf>fail</spf>
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>example.com</header_from>
      <envelope_from>bounce.example.com</envelope_from>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>a.example.com</domain>
        <selector>s2</selector>
        <result>pass</result>
      </dkim>
      <dkim>
        <domain>x.example</domain>
        <selector>s1</selector>
        <result>fail</result>
      </dkim>
      <spf>
        <domain>bounce.example.com</domain>
        <scope>mfrom</scope>
        <result>fail</result>
      </spf>
    </auth_results>
  </record>
  <record>
    <row>
      <source_ip>2001:db8::1</source_ip>
      <count>1</count>
      <policy_evaluated>
        <disposition>quarantine</disposition>
        <dkim>fail</dkim>
        <spf>fail</spf>
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>a.example.com</header_from>
      <envelope_from>bounce.example.com</envelope_from>
    </identifiers>
    <auth_results>
      <spf>
        <domain>bounce.example.com</domain>
        <scope>mfrom</scope>
        <result>pass</result>
      </spf>
    </auth_results>
  </record>
</feedback>
`);
  if (missing === undefined) expect(validate(aggregateReport(report))).toBe("- validates");
});

test.skipIf(missing)(`Each kind of message validates ${missing ?? ""}`, async () => {
  const results = ["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"];
  const spf = results.map((result) => [`spf=${result} x.example`]);
  const dkim = ["pass", "fail", "policy", "temperror", "permerror"].map((result) => [`dkim=${result} x.example s1`]);
  const kinds = [[], ["dkim=pass example.net"], ...spf, ...dkim];
  const messages = await Promise.all(kinds.map((identifiers) => message("a@example.net", identifiers)));
  const report = reportOf(messages);
  expect(report.rows.length).toBe(kinds.length);
  expect(report.rows[0]?.override).toEqual({ type: "policy_test_mode", comment: "t=y" });
  expect(validate(aggregateReport(report))).toBe("- validates");
});

test.skipIf(missing)(`A row with hostile text, as earlier versions kept them, validates ${missing ?? ""}`, async () => {
  const [row] = reportOf([await message("a@example.net", [])]).rows;
  if (row === undefined) throw new TypeError("want a row");
  const hostile = { domain: "\xff<&>.example", selector: "s\x01\x1b", result: "permerror" };
  const rows = [{ ...row, envelopeFrom: "]]>\0", dkim: [hostile], spf: hostile }];
  const xml = aggregateReport(reportOf([await message("a@example.net", [])], { rows }));
  expect(xml).toContain("<domain>?&lt;&amp;&gt;.example</domain>");
  expect(validate(xml)).toBe("- validates");
});

const LONG = "&".repeat(7900);

test.each<[what: string, domain: string, selector: string, isKept: boolean]>([
  ["a usual one", "x.example", "s1", true],
  ["one with a name in UTF-8", "b\xc3\xbccher.example", "s1", true],
  ["one without a selector", "x.example", "", true],
  ["one of 253 characters", `${"a.".repeat(126)}a`, "s1", true],
  ["one with a long domain", LONG, "s1", false],
  ["one with a long selector", "x.example", LONG, false],
  ["one of 255 characters", `${"a.".repeat(127)}a`, "s1", false],
  ["one whose domain is no name", "<&>.example", "s1", false],
  ["one whose selector is no name", "x.example", "s<", false],
])("Of a signature, %s is told of, or left out", async (_what, domain, selector, isKept) => {
  const evaluated = await message("a@example.com", ["dkim=permerror x.example s1"]);
  const { verdict } = evaluated;
  const identifiers = verdict.identifiers.map((one) => ({ ...one, domain, selector }));
  const row = reportRow({ ...evaluated, verdict: { ...verdict, identifiers } })?.row;
  expect(row?.dkim).toEqual(isKept ? [{ domain, selector, result: "permerror" }] : []);
});

test("A row never grows with what strangers write", async () => {
  const evaluated = await message("a@example.com", ["dkim=permerror x.example s1", "spf=permerror x.example"]);
  const { verdict } = evaluated;
  const [dkim, spf] = verdict.identifiers.map((one) => ({ ...one, domain: LONG, selector: LONG }));
  if (dkim === undefined || spf === undefined) throw new TypeError("want both");
  const identifiers = [...Array.from({ length: 10 }, () => dkim), spf];
  const reported = reportRow({ ...evaluated, senderDomain: LONG, verdict: { ...verdict, identifiers } });
  expect(reported?.row).toMatchObject({ envelopeFrom: "", dkim: [] });
  expect(reported?.row.spf).toBeUndefined();
  expect(JSON.stringify(reported?.row).length).toBeLessThan(1000);
});

test.skipIf(missing)(`The schema refuses a report without rows ${missing ?? ""}`, async () => {
  const report = reportOf([await message("a@example.com", [])], { rows: [] });
  expect(validate(aggregateReport(report))).toContain("fails to validate");
});

test("Nobody is told of a message without a policy, without an author, or with DNS trouble", async () => {
  const rows = await Promise.all([
    message("a@x.example", ["spf=pass x.example"]),
    message("", []),
    message("a@example.com", ["spf=temperror example.com"]),
  ]);
  expect(rows.map(reportRow)).toEqual([undefined, undefined, undefined]);
});
