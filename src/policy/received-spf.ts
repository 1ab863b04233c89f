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

import { asciiHeaderValue, comment, headerValue, MAX_HEADER_LINE_BYTES } from "../mail/header-text.ts";
import type { SpfIdentity, SpfVerdict } from "../spf/verdict.ts";
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

/** What the field tells of the check. */
type Told = Pick<SpfVerdict, "result" | "identity" | "mechanism" | "problem">;

/** The field for `verdict`, without line end. At most MAX_HEADER_LINE_BYTES: what is least needed is left out. */
export function receivedSpf(verdict: SpfVerdict, context: HeaderContext): string {
  return assemble(verdict, explanationText(verdict), context);
}

/**
 * The field for a message that was not checked. It has to be there: OpenDMARC believes the first Received-SPF that
 * names the envelope sender, so that without ours a sender could bring a `pass` along.
 */
export function receivedSpfUnchecked(identity: SpfIdentity, reason: string, context: HeaderContext): string {
  return assemble({ result: "none", identity, mechanism: undefined, problem: undefined }, reason, context);
}

/** The steps at which parts go when the line is too long. The client's address, the identity and our name always fit. */
const STEP = { problem: 1, mechanism: 2, comment: 3, helo: 4, envelopeFrom: 5 } as const;

function assemble(told: Told, text: string, context: HeaderContext): string {
  let line = write(told, text, context, 0);
  for (let step: number = STEP.problem; line.length > MAX_HEADER_LINE_BYTES && step <= STEP.envelopeFrom; step++) {
    line = write(told, text, context, step);
  }
  return line;
}

/** The line without what is gone at `step`. Written straight on: a list of the pairs was a sixth of a request's garbage. */
function write(told: Told, text: string, context: HeaderContext, step: number): string {
  const { result, identity, mechanism, problem } = told;
  const { clientAddress, heloName, sender, receiver } = context;
  let line = `Received-SPF: ${result} `;
  if (step < STEP.comment) line += `${comment(text)} `;
  line += `client-ip=${headerValue(clientAddress)}; `;
  if (heloName !== "" && step < STEP.helo) line += `helo=${asciiHeaderValue(heloName)}; `;
  if (mechanism !== undefined && step < STEP.mechanism) line += `mechanism=${asciiHeaderValue(mechanism)}; `;
  if (problem !== undefined && step < STEP.problem) line += `problem=${asciiHeaderValue(problem)}; `;
  // Only beside a result for MAIL FROM: beside one for HELO it could be taken for the sender's (CVE-2019-20790). The
  // null sender is no mailbox and has none.
  const hasSender = identity === "mailfrom" && sender !== "";
  if (hasSender && step < STEP.envelopeFrom) line += `envelope-from=${headerValue(sender)}; `;
  return `${line}identity=${identity}; receiver=${asciiHeaderValue(receiver)}`;
}
