/** The secrets file, read as postsrsd 1.10 and 2.4 read it. */

/**
 * Longest secret. postsrsd reads a line in pieces of this size and takes each for a secret of its own; whoever has such a
 * line has addresses under way that are signed so.
 */
const MAX_SECRET_BYTES = 1023;

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;

export interface ParsedSecrets {
  /** The first one signs, all of them verify. */
  readonly secrets: readonly Uint8Array[];
  /** Numbers of the lines, from 1, of which a part does not count: it stands behind a NUL or CR. */
  readonly cutLines: readonly number[];
}

/**
 * Reads one secret per line. Blanks and `#` belong to it. CRs before it do not, and it ends at the first NUL or CR. Lines
 * without a secret are skipped.
 */
export function parseSecrets(file: Uint8Array): ParsedSecrets {
  const secrets: Uint8Array[] = [];
  const cutLines = new Set<number>();
  let line = 1;
  for (let start = 0; start < file.length; line++) {
    const lf = file.indexOf(LF, start);
    const end = lf === -1 ? file.length : lf;
    for (; start < end; start += MAX_SECRET_BYTES) {
      const { secret, isCut } = readPiece(file.subarray(start, Math.min(end, start + MAX_SECRET_BYTES)));
      if (secret.length > 0) secrets.push(secret);
      if (isCut) cutLines.add(line);
    }
    start = end + 1;
  }
  return { secrets, cutLines: [...cutLines] };
}

function readPiece(piece: Uint8Array): { readonly secret: Uint8Array; readonly isCut: boolean } {
  const start = piece.findIndex((byte) => byte !== CR);
  const text = start === -1 ? piece.subarray(0, 0) : piece.subarray(start);
  const end = text.findIndex((byte) => byte === NUL || byte === CR);
  if (end === -1) return { secret: text, isCut: false };
  return { secret: text.subarray(0, end), isCut: text.subarray(end).some((byte) => byte !== CR) };
}
