/**
 * The Authentication-Results header field (RFC 8601 section 2.2) as one line.
 *
 *     Authentication-Results: authserv-id; method=result (comment) ptype.property=value ...; method=result ...
 *     Authentication-Results: authserv-id; none (comment)
 */

import { asciiHeaderValue, comment, MAX_HEADER_LINE_BYTES } from "./header-text.ts";

/** What one method of authentication found out: a `resinfo`. */
export interface MethodResult {
  /** As the IANA registry "Email Authentication Methods" spells it, and so are the result and the properties. */
  readonly method: string;
  readonly result: string;
  /** A sentence for people: any text. */
  readonly comment: string;
  readonly properties: readonly Property[];
}

/** What a result is about, such as `smtp.mailfrom=example.org`. */
interface Property {
  readonly ptype: "smtp" | "header" | "body" | "policy";
  readonly property: string;
  /** Any text. */
  readonly value: string;
}

/** The longest domain name in text, and quotes. */
const MAX_VALUE_CHARS = 253 + 2;

/** The field for at least one result, without line end. Comments are left out when it would be too long for a line. */
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

/** The field for a message that was not checked, with the reason for that. */
export function noAuthenticationResults(authservId: string, reason: string): string {
  return field(authservId, [`none ${comment(reason)}`]);
}

function resinfo({ method, result, properties }: MethodResult, remark: string): string {
  return `${method}=${result}${remark}${properties.map(propspec).join("")}`;
}

/** A value that is longer than any domain name is left out: the result holds without it. */
function propspec({ ptype, property, value }: Property): string {
  const text = asciiHeaderValue(value);
  return text.length > MAX_VALUE_CHARS ? "" : ` ${ptype}.${property}=${text}`;
}

function field(authservId: string, infos: readonly string[]): string {
  return [`Authentication-Results: ${asciiHeaderValue(authservId)}`, ...infos].join("; ");
}
