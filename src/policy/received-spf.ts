/**
 * The Received-SPF header field (RFC 7208 section 9.1) as one line, for PREPEND.
 *
 *     Received-SPF: result (comment) key=value; key=value ...
 *
 * It holds the result for one identity, and names it. `receiver` is our own name: only by that, and by its place on
 * top, can a reader know our field from one that came with the message.
 *
 * Values that strangers choose come first and ours last: OpenDMARC up to 1.4.2 takes a ";" in a quoted value for the end
 * of it, and believes the last of two values.
 */

import { asciiHeaderValue, comment, headerValue, MAX_HEADER_LINE_BYTES } from "../mail/header-text.ts";
import type { SpfIdentity, SpfVerdict } from "../spf/verdict.ts";
import type { Transaction } from "./check.ts";
import { explanationText } from "./reply-text.ts";

/** The parts of a verdict that the field holds beside the comment. */
type Result = Pick<SpfVerdict, "result" | "identity" | "mechanism" | "problem">;

/** The field for `verdict`, without line end. At most MAX_HEADER_LINE_BYTES: what is least needed is left out. */
export function receivedSpf(verdict: SpfVerdict, transaction: Transaction): string {
  return assemble(verdict, explanationText(verdict), transaction);
}

/**
 * The field for a message that was not checked. It is needed: OpenDMARC believes the first Received-SPF that names the
 * envelope sender, so without ours a sender could bring a `pass` along.
 */
export function receivedSpfUnchecked(identity: SpfIdentity, reason: string, transaction: Transaction): string {
  return assemble({ result: "none", identity, mechanism: undefined, problem: undefined }, reason, transaction);
}

/**
 * The steps at which parts are left out of a line that is too long. The client's address, the identity and our name
 * always fit.
 */
const STEP = { problem: 1, mechanism: 2, comment: 3, helo: 4, envelopeFrom: 5 } as const;

function assemble(verdict: Result, text: string, transaction: Transaction): string {
  let line = write(verdict, text, transaction, 0);
  for (let step: number = STEP.problem; line.length > MAX_HEADER_LINE_BYTES && step <= STEP.envelopeFrom; step++) {
    line = write(verdict, text, transaction, step);
  }
  return line;
}

/** The line without the parts left out at `step`. Made by concatenation alone: this runs for nearly every message. */
function write(verdict: Result, text: string, transaction: Transaction, step: number): string {
  const { result, identity, mechanism, problem } = verdict;
  const { client, heloName, sender, receiver } = transaction;
  let line = `Received-SPF: ${result} `;
  if (step < STEP.comment) line += `${comment(text)} `;
  line += `client-ip=${headerValue(client.text)}; `;
  if (heloName !== "" && step < STEP.helo) line += `helo=${asciiHeaderValue(heloName)}; `;
  if (mechanism !== undefined && step < STEP.mechanism) line += `mechanism=${asciiHeaderValue(mechanism)}; `;
  if (problem !== undefined && step < STEP.problem) line += `problem=${asciiHeaderValue(problem)}; `;
  // Only beside a result for MAIL FROM: beside one for HELO it could be taken for the sender's (CVE-2019-20790). The
  // null sender is no mailbox and has none.
  const hasSender = identity === "mailfrom" && sender !== "";
  if (hasSender && step < STEP.envelopeFrom) line += `envelope-from=${headerValue(sender)}; `;
  return `${line}identity=${identity}; receiver=${asciiHeaderValue(receiver)}`;
}
