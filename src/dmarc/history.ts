/**
 * Writes OpenDMARC's HistoryFile, so that opendmarc-import and opendmarc-reports go on without OpenDMARC. A message is a
 * block of lines, "KEY VALUE ...", which begins with `job`:
 *
 *     job           queue id                        dkim          DOMAIN SELECTOR RESULT, for each signature
 *     reporter      our name                        spf           RESULT, -1 for none
 *     received      seconds since 1970              pdomain       the domain that has the record
 *     ipaddr        the client                      policy        14 no record, 15 pass, 16 to 18 fail: reject, quarantine, none
 *     from, mfrom   domains of author and sender    rua           a URI, for each; "-" for none
 *     pct           100; 0 without a record         adkim aspf p sp   ASCII codes of r, s, n, q; 0 if absent
 *     align_dkim align_spf   4 yes, 5 no, 0 without a record
 *     arc, arc_policy   7 and "2 json:[]": we tell nothing of ARC
 *     action        0 reject, 2 accept, 3 tempfail, 4 hold
 */
import type { DmarcAction } from "./disposition.ts";
import type { Policy } from "./record.ts";
import { type EvaluatedMessage, MAX_NAME_CHARS, reportRow } from "./report-row.ts";
import type { JudgedIdentifier } from "./verdict.ts";

/** A message as the file has it. */
export interface HistoryMessage extends EvaluatedMessage {
  readonly queueId: string;
  readonly reporter: string;
  /** Since 1970. */
  readonly receivedSeconds: number;
  /** True for a message that is an aggregate report itself. Nobody is told of those: the answer would be one more. */
  readonly isReport: boolean;
}

/** OpenDMARC's codes for results of SPF and DKIM. */
const RESULT_CODES: Readonly<Record<string, number>> = {
  pass: 0,
  softfail: 2,
  neutral: 3,
  temperror: 4,
  permerror: 5,
  none: 6,
  fail: 7,
  policy: 8,
};
const UNKNOWN_RESULT = -1;

const POLICY_CODES = { absent: 14, pass: 15, reject: 16, quarantine: 17, none: 18 } as const;
const ALIGNED = 4;
const NOT_ALIGNED = 5;
const ACTION_CODES: Readonly<Record<DmarcAction, number>> = { reject: 0, accept: 2, tempfail: 3, hold: 4 };

type Line = readonly [key: string, ...values: (string | number)[]];

/** The block; `undefined` for a message without an author's domain or with a temporary error, as with OpenDMARC. */
export function historyBlock(message: HistoryMessage): string | undefined {
  const { verdict, disposition } = message;
  if (verdict.result === "permerror" || verdict.result === "temperror" || message.isReport) return undefined;
  const lines: Line[] = [
    ["job", message.queueId],
    ["reporter", message.reporter],
    ["received", Math.floor(message.receivedSeconds)],
    ["ipaddr", message.clientAddress],
    ["from", verdict.domain],
    ["mfrom", isShort(message.senderDomain) ? message.senderDomain : ""],
    ...verdict.identifiers
      .filter(({ method, domain, selector = "" }) => method === "dkim" && isShort(domain) && isShort(selector))
      .map(signatureLine),
    ["spf", resultCode(verdict.identifiers.find(({ method }) => method === "spf")?.result)],
    ...policyLines(message),
    ["arc", RESULT_CODES.fail ?? UNKNOWN_RESULT],
    ["arc_policy", 2, "json:[]"],
    ["action", ACTION_CODES[disposition.action]],
  ];
  return lines.map((line) => `${line.map(word).join(" ")}\n`).join("");
}

/** Tells if a text may be a name. A signature with a longer one was not verified. */
function isShort(text: string): boolean {
  return text.length <= MAX_NAME_CHARS;
}

function signatureLine({ domain, selector = "", result }: JudgedIdentifier): Line {
  return ["dkim", domain, selector, resultCode(result)];
}

function policyLines(message: HistoryMessage): Line[] {
  const { verdict } = message;
  const reported = reportRow(message);
  if (reported === undefined || verdict.policy === undefined) {
    const absent = ["pct", "adkim", "aspf", "p", "sp", "align_dkim", "align_spf"].map((key): Line => [key, 0]);
    return [["pdomain", verdict.domain], ["policy", POLICY_CODES.absent], ["rua", ""], ...absent];
  }
  const { policy, row } = reported;
  const { rua } = verdict.policy.record;
  return [
    ["pdomain", policy.domain],
    ["policy", POLICY_CODES[verdict.result === "pass" ? "pass" : verdict.policy.applied]],
    ...(rua.length === 0 ? [""] : rua.map(({ text }) => text)).map((uri): Line => ["rua", uri]),
    ["pct", 100],
    ["adkim", code(policy.adkim)],
    ["aspf", code(policy.aspf)],
    ["p", code(policy.p)],
    ["sp", code(policy.sp)],
    ["align_dkim", row.dkimAligned ? ALIGNED : NOT_ALIGNED],
    ["align_spf", row.spfAligned ? ALIGNED : NOT_ALIGNED],
  ];
}

function resultCode(result: string | undefined): number {
  return RESULT_CODES[result ?? ""] ?? UNKNOWN_RESULT;
}

/** The code of the first letter; 0 if there is none. */
function code(word: Policy | "r" | "s" | undefined): number {
  return word?.charCodeAt(0) ?? 0;
}

/** A word of the file: strangers choose domains and selectors, so nothing in them may begin a new word or line. */
function word(value: string | number): string {
  const text = String(value).replace(/[^\x21-\x7e]/g, "?");
  return text === "" ? "-" : text;
}
