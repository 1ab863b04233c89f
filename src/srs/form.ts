/**
 * The two forms of a rewritten local part. Only the character after the tag is configurable. The other fields are
 * always separated by `=`.
 *
 *     SRS0 sep hash "=" stamp "=" host "=" user     signed by the first forwarder; leads back to user@host
 *     SRS1 sep hash "=" host "=" opaque             signed by a later one; leads back to SRS0 opaque @ host
 *
 * `opaque` is the rest of the first forwarder's local part, its own separator included.
 */

export interface Srs0 {
  readonly tag: 0;
  readonly hash: string;
  readonly stamp: string;
  readonly host: string;
  readonly user: string;
}

export interface Srs1 {
  readonly tag: 1;
  readonly hash: string;
  readonly host: string;
  readonly opaque: string;
}

/** The digit of a tag, SRS0 or SRS1. */
export type SrsTag = 0 | 1;

/**
 * The tag at the start of a local part, in any case, if a separator follows; `undefined` for an ordinary local part.
 */
export function srsTag(local: string): SrsTag | undefined {
  if ((local.charCodeAt(0) | 0x20) !== 0x73) return undefined;
  if ((local.charCodeAt(1) | 0x20) !== 0x72 || (local.charCodeAt(2) | 0x20) !== 0x73) return undefined;
  if (!isSeparator(local.charCodeAt(4))) return undefined;
  const tag = local.charCodeAt(3) - 0x30;
  return tag === 0 || tag === 1 ? tag : undefined;
}

/** The fields after a tag; `undefined` if one is missing (an empty one is not missing). */
export function parseSrs(tag: SrsTag, local: string): Srs0 | Srs1 | undefined {
  const hashEnd = local.indexOf("=", 5);
  if (hashEnd === -1) return undefined;
  const hash = local.slice(5, hashEnd);
  const secondEnd = local.indexOf("=", hashEnd + 1);
  if (secondEnd === -1) return undefined;
  const second = local.slice(hashEnd + 1, secondEnd);
  if (tag === 1) return { tag, hash, host: second, opaque: local.slice(secondEnd + 1) };
  const hostEnd = local.indexOf("=", secondEnd + 1);
  if (hostEnd === -1) return undefined;
  const host = local.slice(secondEnd + 1, hostEnd);
  return { tag, hash, stamp: second, host, user: local.slice(hostEnd + 1) };
}

/** Tells if a character code may follow the tag. */
export function isSeparator(code: number): boolean {
  return code === 0x3d || code === 0x2b || code === 0x2d;
}
