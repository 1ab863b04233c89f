/** Fuzzes what aggregate reports are configured by, asked for with, and sent in. */
import { gunzipSync } from "node:zlib";
import { readFrom } from "../../../src/dmarc/from.ts";
import { aggregateReport } from "../../../src/dmarc/report.ts";
import { messageBytes, reportMail } from "../../../src/dmarc/report-mail.ts";
import type { CountedRow } from "../../../src/dmarc/report-row.ts";
import { readReportUri } from "../../../src/dmarc/report-uri.ts";
import { parseHistoryPlace } from "../../../src/history/place.ts";
import { splitMessage } from "../../../src/mail/header-field.ts";
import { isDomainName } from "../../../src/mail/names.ts";
import { dayText, parseDay } from "../../../src/reports/make.ts";
import { fieldsOf, must, type Target } from "../target.ts";

/** A place for the history, a day, or an address for reports. */
export const reportTextTarget: Target = {
  name: "report-text",
  modules: ["history/place.ts", "reports/make.ts", "dmarc/report-uri.ts"],
  words: [
    ..."sqlite:|opendmarc:|/|//|.|2026-02-30|2026-11-25|-|mailto:|%40|%0d%0a|@|?cc=|!10m|!1t|a@b.example|%00".split(
      "|",
    ),
    "\0",
    "\r\n",
    "\xff",
  ],
  seeds: [
    "sqlite:/var/lib/x.db",
    "opendmarc:///a",
    "2026-11-25",
    "mailto:a%2bb@example.com!10m",
    "mailto:a@b.example?cc=v@w.example",
  ],
  maxBytes: 600,
  run(input) {
    const place = parseHistoryPlace(input);
    if (place !== undefined) {
      must(/^\/[^\0]*[^\0/]$/.test(place.path), "a path", place);
      const again = parseHistoryPlace(`${place.kind}:${place.path}`);
      must(again?.path === place.path && again.kind === place.kind, "a place comes back", place);
    }
    const day = parseDay(input);
    must(day === undefined || (Number.isInteger(day) && dayText(day) === input), "a day comes back", day);
    const uri = readReportUri(input);
    if (uri?.mailbox !== undefined) {
      const [local = "", domain = "", ...more] = uri.mailbox.split("@");
      must(more.length === 0 && isDomainName(domain) && /^[!-~]{1,250}$/.test(local), "a mailbox", uri);
      must(!/[\s<>()",;:\\[\]]|^\.|\.\.|\.$/.test(local), "a local part without quotes", uri);
    }
    must(uri?.maxBytes === undefined || uri.maxBytes >= 0, "a size", uri);
    return `${place?.kind} ${day !== undefined} ${uri === undefined ? "none" : uri.mailbox !== undefined}`;
  },
};

const NAMES = ["from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"];

const ROW: CountedRow = {
  sourceAddress: "192.0.2.1",
  disposition: "none",
  dkimAligned: false,
  spfAligned: false,
  override: undefined,
  headerFrom: "example.com",
  envelopeFrom: "",
  dkim: [],
  spf: undefined,
  count: 1,
};

/** The message: whatever is in the names, it has one attachment and eight fields. */
export const reportMailTarget: Target = {
  name: "report-mail",
  modules: ["dmarc/report-mail.ts", "dmarc/report.ts"],
  words: [
    ...'"|\\|<|>|&|]]>|--|\r\n|\n.\r\n|=?utf-8?q?|?=|mailto:|a@b.example|example.com|<evil@x.example>|,'.split("|"),
    "\0",
    "\xff",
    "\x1f",
  ],
  seeds: ['Example "&" <Sons>\x1fmailto:a@b.example\x1fCannot read "x"\x1fx.example', "\x1f\x1f\x1f"],
  maxBytes: 1000,
  run(input) {
    const [given = "", uri = "", fault = "", name = ""] = fieldsOf(input, 4);
    // The configuration takes no more.
    const organization = given.slice(0, 100);
    const to = readReportUri(uri)?.mailbox ?? "r@example.com";
    const report = {
      organization,
      email: "postmaster@example.org",
      id: "20261125abc",
      beginSeconds: 1_795_564_800,
      endSeconds: 1_795_651_199,
      policy: {
        domain: "example.com",
        p: "none",
        sp: undefined,
        np: undefined,
        adkim: "r",
        aspf: "r",
        fo: "0",
        testing: "n",
      },
      errors: [fault],
      generator: "x",
      rows: [{ ...ROW, headerFrom: name, envelopeFrom: fault, spf: { domain: name, selector: "", result: "pass" } }],
    } as const;
    const mail = reportMail(report, { receiver: "example.org", to, sentSeconds: 1_795_680_000 });
    const bytes = messageBytes(mail, []);
    const text = bytes.toString("latin1");
    must(/^(?:[\t\x20-\x7e]{0,998}\r\n)+$/.test(text), "lines of ASCII", text);
    const { fields, body } = splitMessage(bytes);
    must(fields.map(({ key }) => key).join() === NAMES.join(), "the fields", fields);
    const from = readFrom(fields.slice(0, 1).map(({ value }) => value));
    must(from.isUsable && from.domain === "example.org", "From is ours", fields[0]);
    must(fields[1]?.value === ` <${to}>`, "one recipient", fields[1]);
    const attachments = body
      .toString("latin1")
      .split("\r\n\r\n")
      .flatMap((part) => /^([A-Za-z0-9+/=\r\n]+)\r\n--/.exec(part)?.[1] ?? []);
    const [base64 = ""] = attachments;
    must(attachments.length === 1 && base64.length + 2 === mail.encodedBytes, "one attachment", attachments);
    must(
      gunzipSync(Buffer.from(base64, "base64")).toString("latin1") === aggregateReport(report),
      "the report comes back",
    );
    return `${to === "r@example.com"} ${organization === ""}`;
  },
};
