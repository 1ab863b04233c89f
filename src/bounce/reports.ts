/** Finds the reports in a pasted text: lines of a log, fields of a delivery status notification (RFC 3464), or one reply. */
import { recogniseReceiver, type Speaker } from "./speakers.ts";

/** What was said about one message. */
export interface Report {
  /** The words, with single blanks. Lines of one reply are joined. */
  readonly text: string;
  readonly receiver: Speaker | undefined;
  /** The host that said it. */
  readonly host: string | undefined;
  /** The SMTP reply code, `550`. */
  readonly reply: string | undefined;
  /** The enhanced status code, `5.7.26`. */
  readonly status: string | undefined;
  readonly recipient: string | undefined;
}

/** Longest text that is read, in characters, and of it the longest report. A reply of SMTP is far shorter. */
const MAX_TEXT_CHARS = 262_144;
const MAX_REPORT_CHARS = 8192;
const MAX_REPORTS = 200;

/** What a line of a log begins with: syslog's time, a time of RFC 3339, or a program of Postfix's or ours. */
const LOG_LINE =
  /^(?:<\d+>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d |\d{4}-\d\d-\d\d[T ]\d\d:\d\d|postfix\S*\[\d+\]: |postsrsd\S*: |(?:info|warn|error) (?:srs|spf|dns|store|own_domains|hidden_client|milter|dkim_key)\b)/;

/** The part of a notification that holds the returned message. What stands in it is not about its delivery. */
const RETURNED =
  /^(?:Content-Type: *(?:message\/(?:rfc822|global)|text\/rfc822-headers)|-{3,} ?(?:Original message|This is a copy of|Undelivered Message|Below this line))/im;

/** The reports of a text, in its order. */
export function readReports(text: string): Report[] {
  const whole = text.slice(0, MAX_TEXT_CHARS).replaceAll("\r\n", "\n").replace(/=\n/g, "").replace(/^> ?/gm, "");
  const returned = RETURNED.exec(whole);
  const known = returned === null || returned.index === 0 ? whole : whole.slice(0, returned.index);
  return pieces(known).slice(0, MAX_REPORTS).map(toReport);
}

/** A log is cut at its lines, other text at empty lines. A line that was wrapped belongs to the one above. */
function pieces(text: string): string[] {
  const lines = text.split("\n");
  const isLog = lines.some((line) => LOG_LINE.test(line));
  const found: string[] = [];
  let isNew = true;
  for (const line of lines) {
    if (line.trim() === "") {
      isNew = true;
      continue;
    }
    if (isNew || (isLog && LOG_LINE.test(line))) found.push(line);
    else found[found.length - 1] += `\n${line}`;
    isNew = false;
  }
  return found;
}

/** The code that begins each line but the last of a long reply, as Postfix joins them. */
const CONTINUED = / ([245]\d\d)-(?:[245]\.\d{1,3}\.\d{1,3}(?= |$))?/g;

/** A reply code, with or without its enhanced status code, where Postfix, other servers and our log have it. */
const WHOLE_CODE = /[ (:;"]([245]\d\d)[ -]#?([245]\.\d{1,3}\.\d{1,3})(?=[ :;,)]|$)/;
const REPLY_CODE = /[ (:;"]([245]\d\d)(?=[ -]|$)/;

function toReport(piece: string): Report {
  const joined = ` ${piece.slice(0, MAX_REPORT_CHARS).replace(/\s+/g, " ").trim()}`;
  const host = hostOf(joined);
  const [, reply, status] = WHOLE_CODE.exec(joined) ?? REPLY_CODE.exec(joined) ?? [];
  const [, field] = /(?:dsn=|\bStatus: )([245]\.\d{1,3}\.\d{1,3})\b/i.exec(joined) ?? [];
  const [, alone] = /(?:^| )#?([245]\.\d{1,3}\.\d{1,3})(?=[ :;,)]|$)/.exec(joined) ?? [];
  const [, recipient] = /\b(?:to=<|Final-Recipient: *rfc822; *<?)([^>\s]+)/i.exec(joined) ?? [];
  const text = joined.replace(CONTINUED, "").replaceAll(/ {2,}/g, " ").trim();
  return { text, host, receiver: recogniseReceiver(host, text), reply, status: status ?? field ?? alone, recipient };
}

/** The host that spoke: in a log, in the text of a notification or in its fields. */
function hostOf(text: string): string | undefined {
  const [, host] =
    /\bhost ([\w.-]+)\[[^\]]*\] (?:said|refused)/.exec(text) ??
    /\bRemote-MTA: *dns; *([\w.-]+)/i.exec(text) ??
    /\brelay=([\w.-]+)\[/.exec(text) ??
    [];
  return host;
}
