/** SPF in the Authentication-Results field (RFC 8601 section 2.7.2). */
import type { MethodResult } from "../mail/authentication-results.ts";
import type { SpfVerdict } from "./verdict.ts";

/**
 * The results for each identity. A HELO result in the place of MAIL FROM's would be CVE-2019-20790. MAIL FROM comes
 * first: once OpenDMARC has seen it, no HELO result replaces it. `smtp.mailfrom` is the bare domain, because OpenDMARC
 * compares nothing else.
 */
export function spfResults(...verdicts: readonly (SpfVerdict | undefined)[]): MethodResult[] {
  return verdicts
    .filter((verdict) => verdict !== undefined)
    .map((verdict) => ({
      method: "spf",
      result: verdict.result,
      comment: explanationText(verdict),
      properties: [{ ptype: "smtp", property: verdict.identity, value: verdict.domain }],
    }));
}

/**
 * The reason for a verdict in one sentence. The domain's own text (exp=) is marked as such (RFC 7208 section 6.2),
 * because anyone may have written it.
 */
export function explanationText(verdict: SpfVerdict): string {
  if (!verdict.explanationFromDomain) return verdict.explanation;
  return `The domain ${verdict.domain} explains: ${verdict.explanation}`;
}
