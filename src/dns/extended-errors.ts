/** What servers say about their failures beside the RCODE: RFC 8914, an option of the OPT record (RFC 6891 6.1.2). */
import { readUint16 } from "./wire.ts";

const OPTION_CODE = 15;
/** Extra text is somebody's prose; more than this of it helps nobody. */
const MAX_TEXT_CHARS = 100;

/** RFC 8914 section 4: the name of each INFO-CODE, which is its place in this list. */
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
  /** As RFC 8914 spells it. */
  readonly name: string;
  /** Printable ASCII; may be empty. */
  readonly text: string;
}

/**
 * The extended errors among the options of an OPT record, whose RDATA lies from `at` to `end`. A server may send several.
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
