/** The day stamp of SRS0: two base32 characters for the day modulo 1024 (UTC days since 1970). */

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const DAY_MS = 86_400_000;

/** Number of days after which stamps repeat. */
export const STAMP_PERIOD_DAYS = 1024;

/** The day of a moment, in days since 1970 (UTC). */
export function dayOf(timeMs: number): number {
  return Math.floor(timeMs / DAY_MS);
}

/** The stamp of a day. */
export function encodeStamp(day: number): string {
  return BASE32.charAt((day >> 5) & 31) + BASE32.charAt(day & 31);
}

/**
 * Checks that a stamp is from `day`, from one of the `maxAgeDays` days before it, or from the day after it, because the
 * clock of the host that signed may be ahead of ours. A day further ahead is never valid: its stamp is the same as that
 * of a day almost three years ago.
 *
 * @returns `malformed` for text that is not a stamp
 */
export function checkStamp(stamp: string, day: number, maxAgeDays: number): "valid" | "expired" | "malformed" {
  if (stamp.length !== 2) return "expired"; // as in postsrsd and Mail::SRS; a long stamp must take no time (CVE-2020-35573)
  const high = base32Value(stamp.charCodeAt(0));
  const low = base32Value(stamp.charCodeAt(1));
  if (high === -1 || low === -1) return "malformed";
  const stamped = (high << 5) | low;
  const today = ((day % STAMP_PERIOD_DAYS) + STAMP_PERIOD_DAYS) % STAMP_PERIOD_DAYS;
  const ageDays = (today - stamped + STAMP_PERIOD_DAYS) % STAMP_PERIOD_DAYS;
  return ageDays <= maxAgeDays || ageDays === STAMP_PERIOD_DAYS - 1 ? "valid" : "expired";
}

function base32Value(code: number): number {
  if (code >= 0x41 && code <= 0x5a) return code - 0x41;
  if (code >= 0x61 && code <= 0x7a) return code - 0x61;
  if (code >= 0x32 && code <= 0x37) return code - 0x32 + 26;
  return -1;
}
