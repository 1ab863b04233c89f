/** The message that carries an aggregate report (RFC 9990 section 3.5.2), in ASCII, with CRLF. */
import { gzipSync } from "node:zlib";
import { type HeaderField, headerField } from "../mail/header-field.ts";
import { asciiLine } from "../mail/text.ts";
import { type AggregateReport, aggregateReport } from "./report.ts";

export interface ReportMail {
  readonly fields: readonly HeaderField[];
  readonly body: Buffer;
  /** The name of the attachment. A report that is sent again has the same one. */
  readonly fileName: string;
  /** Bytes of the attachment as it travels, which a size limit in rua= counts (RFC 9990 section 3.5). */
  readonly encodedBytes: number;
}

/** From whom, to whom and when. */
export interface ReportEnvelope {
  /** Our domain. */
  readonly receiver: string;
  readonly to: string;
  /** Since 1970. */
  readonly sentSeconds: number;
}

const LINE_CHARS = 76;
const LINES = new RegExp(`.{1,${LINE_CHARS}}`, "g");

/** @param report its domains, mailbox and id have no quotes and no blanks */
export function reportMail(report: AggregateReport, { receiver, to, sentSeconds }: ReportEnvelope): ReportMail {
  const { policy, id, beginSeconds, endSeconds, organization, email } = report;
  const fileName = `${receiver}!${policy.domain}!${beginSeconds}!${endSeconds}!${id}.xml.gz`;
  const encoded = lines(gzipSync(aggregateReport(report)).toString("base64"));
  // Base64 never begins a line with "--".
  const boundary = `--report-${id}`;
  const body = [
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "",
    ...annotation(report, receiver),
    `--${boundary}`,
    "Content-Type: application/gzip;",
    ` name="${fileName}"`,
    "Content-Transfer-Encoding: base64",
    "Content-Disposition: attachment;",
    ` filename="${fileName}"`,
    "",
    `${encoded}--${boundary}--`,
    "",
  ].join("\r\n");
  return {
    fields: [
      field("From", `"${asciiLine(organization).replace(/["\\]/g, "\\$&")}" <${email}>`),
      field("To", `<${to}>`),
      field("Subject", `Report Domain: ${policy.domain}\r\n Submitter: ${receiver}\r\n Report-ID: <${id}>`),
      field("Date", mailDate(sentSeconds)),
      field("Message-ID", `<${id}@${receiver}>`),
      // No vacation program answers it (RFC 3834).
      field("Auto-Submitted", "auto-generated"),
      field("MIME-Version", "1.0"),
      field("Content-Type", `multipart/mixed;\r\n boundary="${boundary}"`),
    ],
    body: Buffer.from(body, "latin1"),
    fileName,
    encodedBytes: encoded.length,
  };
}

/** The message with fields before its own, such as signatures. */
export function messageBytes({ fields, body }: ReportMail, before: readonly HeaderField[]): Buffer {
  const header = [...before, ...fields].map(({ line }) => `${line}\r\n`).join("");
  return Buffer.concat([Buffer.from(`${header}\r\n`, "latin1"), body]);
}

function annotation({ policy, rows, beginSeconds, email }: AggregateReport, receiver: string): string[] {
  const messages = rows.reduce((sum, { count }) => sum + count, 0);
  const day = new Date(beginSeconds * 1000).toISOString().slice(0, 10);
  return [
    `This is a DMARC aggregate report (RFC 9990) of ${receiver}`,
    `for ${policy.domain}, about mail of ${day} (UTC).`,
    `Number of messages: ${messages}. The details are attached.`,
    "",
    `You get it because the DMARC record of ${policy.domain}`,
    `asks for it (rua=). Questions: ${email}`,
    "",
  ];
}

function field(name: string, value: string): HeaderField {
  return headerField(name, ` ${value}`);
}

function lines(base64: string): string {
  return (base64.match(LINES) ?? []).map((line) => `${line}\r\n`).join("");
}

/** RFC 5322 section 3.3. */
function mailDate(seconds: number): string {
  return new Date(seconds * 1000).toUTCString().replace("GMT", "+0000");
}
