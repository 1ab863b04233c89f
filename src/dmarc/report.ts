/**
 * Writes aggregate reports (RFC 9990 section 3.1) as XML. The schema is that of RFC 7489 appendix C with these changes
 * of RFC 9990:
 *
 * - the namespace is urn:ietf:params:xml:ns:dmarc-2.0;
 * - new: `generator`; `np`, `testing` and `discovery_method` of the policy; the disposition `pass`, for a message that
 *   passed an enforced policy; the reason `policy_test_mode`; the result `policy` of DKIM was there already;
 * - gone: `pct` of the policy; the reasons `forwarded` and `sampled_out`; the scope `helo` of SPF;
 * - `selector` is required, SPF and `envelope_from` are not, and SPF is told once.
 */
import { asciiLine } from "../mail/text.ts";
import type { CountedRow, PublishedPolicy } from "./report-row.ts";

export interface AggregateReport {
  readonly organization: string;
  /** The mailbox of those who answer questions. */
  readonly email: string;
  /** Unique among our reports: letters and digits. */
  readonly id: string;
  /** The first and the last second, since 1970. */
  readonly beginSeconds: number;
  readonly endSeconds: number;
  readonly policy: PublishedPolicy;
  /** Faults of the policy's record. */
  readonly errors: readonly string[];
  /** Name and version of this program. */
  readonly generator: string;
  /** At least one. */
  readonly rows: readonly CountedRow[];
}

/** The document, in ASCII. */
export function aggregateReport(report: AggregateReport): string {
  const { organization, email, id, beginSeconds, endSeconds, errors, generator, policy, rows } = report;
  const children = [
    leaf("version", "1.0"),
    element("report_metadata", [
      leaf("org_name", organization),
      leaf("email", email),
      leaf("report_id", id),
      element("date_range", [leaf("begin", String(beginSeconds)), leaf("end", String(endSeconds))]),
      leaf("error", errors.join("; ")),
      leaf("generator", generator),
    ]),
    element("policy_published", [
      leaf("domain", policy.domain),
      leaf("discovery_method", "treewalk"),
      leaf("p", policy.p),
      leaf("sp", policy.sp),
      leaf("np", policy.np),
      leaf("fo", policy.fo),
      leaf("adkim", policy.adkim),
      leaf("aspf", policy.aspf),
      leaf("testing", policy.testing),
    ]),
    ...rows.map(record),
  ];
  const lines = element("feedback", children, ` xmlns="${NAMESPACE}"`);
  const text = lines.map((line) => `${"  ".repeat(line.depth)}${line.text}\n`).join("");
  return `<?xml version="1.0" encoding="UTF-8"?>\n${text}`;
}

function record(row: CountedRow): Xml {
  const { override, spf } = row;
  return element("record", [
    element("row", [
      leaf("source_ip", row.sourceAddress),
      leaf("count", String(row.count)),
      element("policy_evaluated", [
        leaf("disposition", row.disposition),
        leaf("dkim", row.dkimAligned ? "pass" : "fail"),
        leaf("spf", row.spfAligned ? "pass" : "fail"),
        ...(override === undefined
          ? []
          : [element("reason", [leaf("type", override.type), leaf("comment", override.comment)])]),
      ]),
    ]),
    element("identifiers", [leaf("header_from", row.headerFrom), leaf("envelope_from", row.envelopeFrom)]),
    element("auth_results", [
      ...row.dkim.map(({ domain, selector, result }) =>
        element("dkim", [required("domain", domain), required("selector", selector), leaf("result", result)]),
      ),
      ...(spf === undefined
        ? []
        : [element("spf", [required("domain", spf.domain), leaf("scope", "mfrom"), leaf("result", spf.result)])]),
    ]),
  ]);
}

/** An element as lines, each with its depth below the outermost one. */
type Xml = readonly { readonly depth: number; readonly text: string }[];

const NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0";

function element(name: string, children: readonly Xml[], attributes = ""): Xml {
  const inside = children.flat().map(({ depth, text }) => ({ depth: depth + 1, text }));
  return [{ depth: 0, text: `<${name}${attributes}>` }, ...inside, { depth: 0, text: `</${name}>` }];
}

/** An element of text; none if the text is missing or empty. */
function leaf(name: string, text: string | undefined): Xml {
  return text === undefined || text === "" ? [] : required(name, text);
}

function required(name: string, text: string): Xml {
  return [
    {
      depth: 0,
      text: `<${name}>${asciiLine(text).replace(/[&<>]/g, (character) => ENTITIES[character] ?? "")}</${name}>`,
    },
  ];
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
