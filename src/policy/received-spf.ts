/**
 * The Received-SPF header field (RFC 7208 section 9.1) as one line, for PREPEND.
 *
 *     Received-SPF: result (comment) key=value; key=value ...
 *
 * It holds the result for one identity, and names that identity. `receiver` is our own name: a reader can tell our
 * field from one that came with the message only by this name and by its place at the top.
 *
 * Values that strangers choose come first, ours come last: OpenDMARC up to 1.4.2 ends a quoted value at a ";", and
 * believes the last of two values.
 */

import { asciiHeaderValue, comment, headerValue, MAX_HEADER_LINE_BYTES } from "../mail/header-text.ts";
import { explanationText } from "../spf/method-results.ts";
import type { SpfIdentity, SpfVerdict } from "../spf/verdict.ts";
import type { Transaction } from "./check.ts";

/** The parts of a verdict that the field contains beside the comment. */
type Result = Pick<SpfVerdict, "result" | "identity" | "mechanism" | "problem">;

/** The field for `verdict`, without line end. At most MAX_HEADER_LINE_BYTES: the least important parts are left out. */
export function receivedSpf(verdict: SpfVerdict, transaction: Transaction): string {
  return assemble(verdict, explanationText(verdict), transaction);
}

/**
 * The field for a message that was not checked. OpenDMARC believes the first Received-SPF that names the envelope
 * sender, so without our field a sender could add a `pass` of his own.
 */
export function receivedSpfUnchecked(identity: SpfIdentity, reason: string, transaction: Transaction): string {
  return assemble({ result: "none", identity, mechanism: undefined, problem: undefined }, reason, transaction);
}

/**
 * The order in which parts are left out of a line that is too long. The client's address, the identity and our name
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

/** The line without the parts left out at `step`. It only concatenates, because it runs for nearly every message. */
function write(verdict: Result, text: string, transaction: Transaction, step: number): string {
  const { result, identity, mechanism, problem } = verdict;
  const { client, heloName, sender, receiver } = transaction;
  let line = `Received-SPF: ${result} `;
  if (step < STEP.comment) line += `${comment(text)} `;
  line += `client-ip=${headerValue(client.text)}; `;
  if (heloName !== "" && step < STEP.helo) line += `helo=${asciiHeaderValue(heloName)}; `;
  if (mechanism !== undefined && step < STEP.mechanism) line += `mechanism=${asciiHeaderValue(mechanism)}; `;
  if (problem !== undefined && step < STEP.problem) line += `problem=${asciiHeaderValue(problem)}; `;
  // Written only with a result for MAIL FROM: a result for HELO could be mistaken for the sender's (CVE-2019-20790).
  // The null sender is not a mailbox.
  const hasSender = identity === "mailfrom" && sender !== "";
  if (hasSender && step < STEP.envelopeFrom) line += `envelope-from=${headerValue(sender)}; `;
  return `${line}identity=${identity}; receiver=${asciiHeaderValue(receiver)}`;
}
