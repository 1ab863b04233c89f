/** Extended DNS errors: the reasons that servers give beside the RCODE (RFC 8914), in an option of the OPT record. */
import { readUint16 } from "./wire.ts";

const OPTION_CODE = 15;
/** Longest EXTRA-TEXT that is kept. Servers may send any text. */
const MAX_TEXT_CHARS = 100;

/** Names by INFO-CODE (RFC 8914 section 4). */
const NAMES: readonly string[] = [
  "Other Error",
  "Unsupported DNSKEY Algorithm",
  "Unsupported DS Digest Type",
  "Stale Answer",
  "Forged Answer",
  "DNSSEC Indeterminate",
  "DNSSEC Bogus",
  "Signature Expired",
  "Signature Not Yet Valid",
  "DNSKEY Missing",
  "RRSIGs Missing",
  "No Zone Key Bit Set",
  "NSEC Missing",
  "Cached Error",
  "Not Ready",
  "Blocked",
  "Censored",
  "Filtered",
  "Prohibited",
  "Stale NXDOMAIN Answer",
  "Not Authoritative",
  "Not Supported",
  "No Reachable Authority",
  "Network Error",
  "Invalid Data",
];

export interface ExtendedError {
  /** The name as RFC 8914 spells it. */
  readonly name: string;
  /** The EXTRA-TEXT in printable ASCII; may be empty. */
  readonly text: string;
}

/**
 * Reads the extended errors from the options of an OPT record, whose RDATA lies from `at` to `end`. There may be
 * several.
 *
 * @throws {MalformedMessage} when the options do not fill the RDATA
 */
export function readExtendedErrors(bytes: Buffer, at: number, end: number): ExtendedError[] {
  const errors: ExtendedError[] = [];
  for (let optionAt = at; optionAt < end; ) {
    const dataAt = optionAt + 4;
    const dataEnd = dataAt + readUint16(bytes, optionAt + 2);
    if (readUint16(bytes, optionAt) === OPTION_CODE && dataEnd >= dataAt + 2 && dataEnd <= end) {
      const name = NAMES[readUint16(bytes, dataAt)] ?? "Unknown Error";
      errors.push({ name, text: printable(bytes.toString("latin1", dataAt + 2, dataEnd)) });
    }
    optionAt = dataEnd;
  }
  return errors;
}

function printable(text: string): string {
  return text.slice(0, MAX_TEXT_CHARS).replace(/[^\x20-\x7e]/g, "?");
}
