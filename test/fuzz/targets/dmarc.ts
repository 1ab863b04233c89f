/** Fuzzes From fields, DMARC records, and whole evaluations. */
import { isDeepStrictEqual } from "node:util";
import { createDisposer, dmarcResult, rejectText } from "../../../src/dmarc/disposition.ts";
import { evaluateDmarc } from "../../../src/dmarc/evaluate.ts";
import { explainDmarc } from "../../../src/dmarc/explain.ts";
import { readFrom } from "../../../src/dmarc/from.ts";
import { type HistoryMessage, historyBlock } from "../../../src/dmarc/history.ts";
import { dmarcRecords, parseDmarcRecord } from "../../../src/dmarc/record.ts";
import { aggregateReport } from "../../../src/dmarc/report.ts";
import { reportRow } from "../../../src/dmarc/report-row.ts";
import { DMARC_RESULTS } from "../../../src/dmarc/verdict.ts";
import { entryOf } from "../../../src/history/entry.ts";
import { authenticationResults } from "../../../src/mail/authentication-results.ts";
import { isDomainName } from "../../../src/mail/names.ts";
import { readAuthenticationResults } from "../../helpers/header-grammar.ts";
import { memoryResolver, zoneAuthority } from "../../helpers/zone.ts";
import { fieldsOf, hashOf, must, mustBeOneLine, type Target } from "../target.ts";

const FROM_WORDS = [
  ...'<|>|(|)|"|\\|,|:|;|@|.|[|]| |\r\n |\n\t|ann@example.com|Ann <|example.com|evil.example|=?utf-8?q?|?=|xn--bcher-kva'.split(
    "|",
  ),
  "b\xc3\xbccher.example",
  "\xe3\x80\x82",
  "\xc2\xad",
  "\xff",
  "\0",
  "\r",
];

export const fromTarget: Target = {
  name: "from",
  modules: ["dmarc/from.ts", "dmarc/author-domain.ts"],
  words: FROM_WORDS,
  seeds: [
    "Ann <ann@example.com>",
    'A: ann@example.com, "b c"@example.com;, <@relay.example:d@b\xc3\xbccher.example> (x)',
    "ann@example.com <ann@example.com>",
    "ann@[192.0.2.1]",
    "undisclosed:;",
  ],
  maxBytes: 2000,
  run(input) {
    const from = readFrom([input]);
    if (!from.isUsable) {
      must(/^[\x20-\x7e]+$/.test(from.problem), "a problem in print", from.problem);
      return from.fault;
    }
    const { domain, mailbox } = from;
    must(isDomainName(domain) && domain === domain.toLowerCase(), "a domain in A-labels", domain);
    must(mailbox.domain === domain, "the first address has another domain", mailbox);
    const visible = `${input} `.toLowerCase();
    must(
      /xn--/.test(domain) || domain.split(".").every((label) => visible.includes(label)),
      "a domain from nowhere",
      domain,
    );
    // Whatever stands behind an address cannot take its place.
    const doubled = readFrom([`${input}, z@z.example`]);
    must(!doubled.isUsable, "two domains are taken for one", doubled);
    must(readFrom([`${input}\r\n (x)`]).isUsable, "a comment changes the meaning");
    must(!readFrom([input, input]).isUsable, "two fields are taken for one");
    return "usable";
  },
};

const RECORD_WORDS = [
  ..."v=DMARC1|;|; |=|p=|sp=|np=|none|quarantine|reject|psd=y|psd=n|t=y|adkim=s|aspf=s|rua=|ruf=|mailto:a@b.example|!10m|,|fo=|0:d:s|pct=50| |%0d".split(
    "|",
  ),
  "\xff",
  "\r\n",
  "\x1b",
];

export const dmarcRecordTarget: Target = {
  name: "dmarc-record",
  modules: ["dmarc/record.ts", "dmarc/report-uri.ts"],
  words: RECORD_WORDS,
  seeds: [
    "v=DMARC1; p=reject; rua=mailto:a@b.example!10m,https://x.example/; fo=1:d",
    "v=DMARC1;p=none;sp=quarantine;np=reject;psd=n;t=y;adkim=s;aspf=s;pct=1",
    "v=DMARC1; p=x; p=y",
  ],
  maxBytes: 1000,
  run(input) {
    const [text] = dmarcRecords([input]);
    if (text === undefined) return "none";
    const record = parseDmarcRecord(text);
    if ("broken" in record) {
      mustBeOneLine(record.broken, "a fault");
      return "broken";
    }
    for (const fault of record.faults) must(/^[\x20-\x7e]{1,200}$/.test(fault), "a fault in print", fault);
    for (const { mailbox } of [...record.rua, ...record.ruf]) {
      must(mailbox === undefined || /^[\x21-\x7e]+@[\w.-]+$/.test(mailbox), "a mailbox", mailbox);
    }
    return `${record.policies?.p} ${record.faults.length > 0} ${record.rua.length > 0}`;
  },
};

const { dispose, forward } = createDisposer({
  reject: true,
  quarantine: "hold",
  temperror: "tempfail",
  malformed: "reject",
  forwardFailed: "hold",
  allowLists: ["list.example"],
  trustedSealers: ["seal.example"],
});

/** A line of a report: one tag, or text between two of the same name. */
const XML_LINE = /^ *(?:<\/?[a-z_]+>|<([a-z_0-9]+)>(?:[\x20-\x25\x27-\x3b\x3d\x3f-\x7e]|&(?:amp|lt|gt);)*<\/\1>)$/;

function mustBeReportable(message: HistoryMessage): void {
  const block = historyBlock(message);
  must(block === undefined || /^(?:[a-z_]+(?: [\x21-\x7e]+){1,3}\n){19,}$/.test(block), "a block of history", block);
  const reported = reportRow(message);
  const entry = entryOf(message);
  if (reported === undefined || "untold" in entry) {
    must("untold" in entry, "a message without a row is only counted", entry);
    return;
  }
  must(isDeepStrictEqual(JSON.parse(entry.kind), JSON.parse(JSON.stringify(reported.row))), "a row comes back", entry);
  const xml = aggregateReport({
    organization: message.senderDomain,
    email: "a@b.example",
    id: "1",
    beginSeconds: 0,
    endSeconds: 1,
    policy: reported.policy,
    errors: message.verdict.policy?.record.faults ?? [],
    generator: message.reporter,
    rows: [{ ...reported.row, count: 2 }],
  });
  const [, , ...lines] = xml.trimEnd().split("\n");
  for (const line of lines) must(XML_LINE.test(line), "a line of XML", line);
}

export const dmarcTarget: Target = {
  name: "dmarc",
  modules: ["dmarc", "mailauth/dmarc.ts", "history/entry.ts"],
  words: ["\x1f", ...RECORD_WORDS, ...FROM_WORDS, "pass", "temperror", "fail", "mail.example.com"],
  seeds: [
    "ann@mail.example.com\x1fv=DMARC1; p=reject\x1f\x1fpass\x1fexample.com",
    "ann@example.com\x1f\x1fv=DMARC1; p=none; psd=y\x1ftemperror\x1fmail.example.com",
  ],
  maxBytes: 1500,
  async run(input) {
    const [value = "", record = "", above = "", word = "", domain = ""] = fieldsOf(input, 5);
    // Half of the fields and records are good, so that the rest is reached.
    const pick = hashOf(input);
    const result = pick & 1 ? word : pick & 8 ? "pass" : "temperror";
    const resolver = memoryResolver(
      zoneAuthority({
        "_dmarc.example.com":
          pick % 16 === 0 ? ["SERVFAIL"] : [{ TXT: pick & 2 ? record : `v=DMARC1; p=reject; ${record}` }],
        "_dmarc.com": [{ TXT: above }],
      }),
      { clockMs: () => 0 },
    );
    const query = {
      from: readFrom([pick & 4 ? value : "ann@mail.example.com"]),
      identifiers: [
        { method: "dkim" as const, domain: pick & 16 ? domain : "sub.example.com", result, selector: above },
      ],
      deadlineMs: 1,
    };
    const verdict = await evaluateDmarc(query, resolver);
    must(DMARC_RESULTS.includes(verdict.result), "a result", verdict.result);
    must(verdict.result !== "pass" || result === "pass", "passes without a pass");
    must(/^[\x20-\x7e]+$/.test(verdict.reason + (verdict.mend ?? "")), "a reason in print", verdict.reason);
    must(/^(?:[\x20-\x7e]+\n)+$/.test(explainDmarc(verdict)), "an explanation in print");
    must(resolver.queries.length <= 17, "asks too much", resolver.queries);
    mustBeOneLine(rejectText("{domain}", verdict), "a reply text");
    const disposition = dispose(verdict, { listId: value, senderDomain: domain, sealer: above });
    forward(verdict.policy?.applied, { listId: value, senderDomain: domain, sealer: above });
    const field = authenticationResults("mx.test", [dmarcResult(verdict, disposition)]);
    mustBeOneLine(field, "a field");
    must(readAuthenticationResults(field).results !== "none", "no result in the field", field);
    mustBeReportable({
      verdict,
      disposition,
      clientAddress: "192.0.2.1",
      senderDomain: domain,
      queueId: "4711",
      reporter: "mx.test",
      receivedSeconds: 1,
      isReport: false,
    });
    return `${verdict.result} ${disposition.action} ${verdict.identifiers[0]?.isAligned}`;
  },
};
