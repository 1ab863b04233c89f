/**
 * The Authentication-Results header field (RFC 8601 section 2.2) as one line, for PREPEND.
 *
 *     Authentication-Results: authserv-id; spf=result (comment) smtp.mailfrom=domain; spf=result (comment) smtp.helo=name
 *
 * Each identity has its own result (a HELO result that stands in for MAIL FROM's is CVE-2019-20790), MAIL FROM first:
 * OpenDMARC lets no HELO result replace a MAIL FROM result that it has seen. `smtp.mailfrom` is the bare domain, which
 * is all that OpenDMARC compares.
 */

import { explanationText } from "../policy/reply-text.ts";
import type { SpfIdentity, SpfVerdict } from "../spf/verdict.ts";
import { asciiHeaderValue, comment, MAX_HEADER_LINE_BYTES } from "./header-text.ts";

const PROPERTY = { mailfrom: "smtp.mailfrom", helo: "smtp.helo" } as const satisfies Record<SpfIdentity, string>;

/** The field for one or two verdicts, without line end; comments are left out when it would be too long. */
export function authenticationResults(authservId: string, verdicts: readonly SpfVerdict[]): string {
  const full = join(
    authservId,
    verdicts.map((verdict) => resinfo(verdict, ` ${comment(explanationText(verdict))}`)),
  );
  if (full.length <= MAX_HEADER_LINE_BYTES) return full;
  return join(
    authservId,
    verdicts.map((verdict) => resinfo(verdict, "")),
  );
}

/** The field for a message that was not checked: RFC 8601's "no authentication was done", and why. */
export function authenticationResultsUnchecked(authservId: string, reason: string): string {
  return join(authservId, [`none ${comment(reason)}`]);
}

/** A name that is longer than DNS allows names to be is left out: the result, `none`, is true of it all the same. */
function resinfo(verdict: SpfVerdict, remark: string): string {
  const name = asciiHeaderValue(verdict.domain);
  const property = name.length > MAX_NAME_CHARS ? "" : ` ${PROPERTY[verdict.identity]}=${name}`;
  return `spf=${verdict.result}${remark}${property}`;
}

/** The longest domain name in text, and quotes. */
const MAX_NAME_CHARS = 253 + 2;

function join(authservId: string, infos: readonly string[]): string {
  return [`Authentication-Results: ${asciiHeaderValue(authservId)}`, ...infos].join("; ");
}
