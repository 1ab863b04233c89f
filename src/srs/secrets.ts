/** Reads the secrets file as postsrsd 1.10 and 2.4 do. */

/**
 * Longest secret. postsrsd reads a longer line in pieces of this size, each a secret of its own. Addresses that it has
 * signed in this way must stay valid.
 */
const MAX_SECRET_BYTES = 1023;

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;

export interface ParsedSecrets {
  /** The secrets. The first one signs, all of them verify. */
  readonly secrets: readonly Uint8Array[];
  /** Numbers, from 1, of lines with ignored text after a NUL or CR. */
  readonly cutLines: readonly number[];
}

/**
 * Reads one secret per line. Blanks and `#` are part of it. CRs before it are not, and it ends at the first NUL or CR.
 * Lines without a secret are skipped.
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
