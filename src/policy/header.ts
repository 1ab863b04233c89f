/**
 * The Received-SPF header field (RFC 7208 section 9.1) as one line, for PREPEND.
 *
 *     Received-SPF: result (comment) key=value; key=value ...
 *
 * It tells of one identity, and says which. `receiver` is our own name: only by that, and by standing on top, can a
 * reader tell our field from one that came with the message.
 *
 * Strangers' words come first and ours last: OpenDMARC up to 1.4.2 takes a ";" in a quoted value for the end of it, and
 * believes the last of two values.
 */
import type { SpfIdentity, SpfVerdict } from "../spf/verdict.ts";
import { asciiHeaderValue, comment, headerValue, MAX_HEADER_LINE_BYTES } from "./header-text.ts";
import { explanationText } from "./reply-text.ts";

/** What a header tells of the SMTP session. */
export interface HeaderContext {
  /** In canonical text. */
  readonly clientAddress: string;
  readonly heloName: string;
  /** MAIL FROM without brackets; empty for the null sender. */
  readonly sender: string;
  /** The name of the checking host, or `unknown`. */
  readonly receiver: string;
}

/** The field for `verdict`, without line end. At most MAX_HEADER_LINE_BYTES: what is least needed is left out. */
export function receivedSpf(verdict: SpfVerdict, context: HeaderContext): string {
  return assemble(verdict.result, explanationText(verdict), [
    ...clientPairs(context),
    ["mechanism", verdict.mechanism === undefined ? "" : asciiHeaderValue(verdict.mechanism)],
    ["problem", verdict.problem === undefined ? "" : asciiHeaderValue(verdict.problem)],
    ...identityPairs(verdict.identity, context),
  ]);
}

/**
 * The field for a message that was not checked. It has to be there: OpenDMARC believes the first Received-SPF that
 * names the envelope sender, so that without ours a sender could bring a `pass` along.
 */
export function receivedSpfUnchecked(identity: SpfIdentity, reason: string, context: HeaderContext): string {
  return assemble("none", reason, [...clientPairs(context), ...identityPairs(identity, context)]);
}

/** A key and its value in header form; an empty value is none. */
type Pair = readonly [key: string, value: string];

function clientPairs(context: HeaderContext): readonly Pair[] {
  return [
    ["client-ip", headerValue(context.clientAddress)],
    ["helo", context.heloName === "" ? "" : asciiHeaderValue(context.heloName)],
  ];
}

/**
 * `envelope-from` only beside a result for MAIL FROM: beside one for HELO it could be taken for the sender's
 * (CVE-2019-20790). The null sender is no mailbox and has none.
 */
function identityPairs(identity: SpfIdentity, context: HeaderContext): readonly Pair[] {
  return [
    ["envelope-from", identity === "helo" || context.sender === "" ? "" : headerValue(context.sender)],
    ["identity", identity],
    ["receiver", asciiHeaderValue(context.receiver)],
  ];
}

/** What goes first when the line is too long. The client's address, the identity and our name always fit. */
const DISPENSABLE = ["problem", "mechanism", "comment", "helo", "envelope-from"];

function assemble(result: string, text: string, pairs: readonly Pair[]): string {
  const start = `Received-SPF: ${result}`;
  const remark = ` ${comment(text)}`;
  const line = start + remark + join(pairs);
  return line.length <= MAX_HEADER_LINE_BYTES ? line : shorten(start, remark, pairs);
}

function shorten(start: string, fullRemark: string, pairs: readonly Pair[]): string {
  let remark = fullRemark;
  let left = pairs;
  let line = "";
  for (const key of DISPENSABLE) {
    if (key === "comment") remark = "";
    left = left.filter(([name]) => name !== key);
    line = start + remark + join(left);
    if (line.length <= MAX_HEADER_LINE_BYTES) break;
  }
  return line;
}

function join(pairs: readonly Pair[]): string {
  let text = "";
  for (const pair of pairs) {
    if (pair[1] !== "") text += `${text === "" ? " " : "; "}${pair[0]}=${pair[1]}`;
  }
  return text;
}
