/**
 * The Authentication-Results header field (RFC 8601 section 2.2) as one line.
 *
 *     Authentication-Results: authserv-id; method=result (comment) ptype.property=value ...; method=result ...
 *     Authentication-Results: authserv-id; none (comment)
 */

import { asciiHeaderValue, comment, MAX_HEADER_LINE_BYTES } from "./header-text.ts";

/** The result of one authentication method: a `resinfo`. */
export interface MethodResult {
  /**
   * The method as the IANA registry "Email Authentication Methods" spells it. The same holds for result and properties.
   */
  readonly method: string;
  readonly result: string;
  /** A sentence for people. Any text is allowed. */
  readonly comment: string;
  readonly properties: readonly Property[];
}

/** A property that the result was found for, such as `smtp.mailfrom=example.org`. */
interface Property {
  readonly ptype: "smtp" | "header" | "body" | "policy";
  readonly property: string;
  /** The value. Any text is allowed. */
  readonly value: string;
}

/** Longest value: a domain name with quotes. */
const MAX_VALUE_CHARS = 253 + 2;

/** The field for at least one result, without line end. Comments are left out if the line would be too long. */
export function authenticationResults(authservId: string, results: readonly MethodResult[]): string {
  const full = field(
    authservId,
    results.map((one) => resinfo(one, ` ${comment(one.comment)}`)),
  );
  if (full.length <= MAX_HEADER_LINE_BYTES) return full;
  return field(
    authservId,
    results.map((one) => resinfo(one, "")),
  );
}

/**
 * The value of a field with many results, one a line: all that follows the colon, folded with LF HTAB. A comment that would
 * make a line too long is left out.
 */
export function foldedResults(authservId: string, results: readonly MethodResult[]): string {
  const lines = results.map((one) => {
    const line = resinfo(one, ` ${comment(one.comment)}`);
    return line.length < MAX_HEADER_LINE_BYTES ? line : resinfo(one, "");
  });
  return ` ${[asciiHeaderValue(authservId), ...lines].join(";\n\t")}`;
}

/** The field for a message that was not checked, with the reason. */
export function noAuthenticationResults(authservId: string, reason: string): string {
  return field(authservId, [`none ${comment(reason)}`]);
}

function resinfo({ method, result, properties }: MethodResult, remark: string): string {
  return `${method}=${result}${remark}${properties.map(propspec).join("")}`;
}

/** Writes one property. A value longer than any domain name is left out: the result is valid without it. */
function propspec({ ptype, property, value }: Property): string {
  const text = asciiHeaderValue(value);
  return text.length > MAX_VALUE_CHARS ? "" : ` ${ptype}.${property}=${text}`;
}

function field(authservId: string, infos: readonly string[]): string {
  return [`Authentication-Results: ${asciiHeaderValue(authservId)}`, ...infos].join("; ");
}
