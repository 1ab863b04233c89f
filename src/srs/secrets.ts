/**
 * Longest secret in bytes. postsrsd reads a line in pieces of this size and takes each for a secret of its own;
 * whoever has such a line has addresses under way that are signed so.
 */
const MAX_SECRET_BYTES = 1023;

const LF = 0x0a;
const CR = 0x0d;

/**
 * Reads a secrets file as postsrsd does: one secret per line; blanks and `#` belong to it, CR and LF do not; empty
 * lines are skipped. The first one signs, all of them verify.
 */
export function parseSecrets(file: Uint8Array): Uint8Array[] {
  const secrets: Uint8Array[] = [];
  let start = 0;
  while (start < file.length) {
    const lf = file.indexOf(LF, start);
    const end = lf === -1 ? file.length : lf;
    const piece = file.subarray(start, Math.min(end, start + MAX_SECRET_BYTES));
    const secret = trimCarriageReturns(piece);
    if (secret.length > 0) secrets.push(secret);
    start += piece.length;
    if (start === end) start = end + 1;
  }
  return secrets;
}

function trimCarriageReturns(line: Uint8Array): Uint8Array {
  let start = 0;
  let end = line.length;
  while (start < end && line[start] === CR) start++;
  while (end > start && line[end - 1] === CR) end--;
  return line.subarray(start, end);
}
