/** Parses `dmarc.history`: the place where results of DMARC are kept for aggregate reports. */

export interface HistoryPlace {
  /** A database of ours, or OpenDMARC's HistoryFile. */
  readonly kind: "sqlite" | "opendmarc";
  /** Absolute. */
  readonly path: string;
}

/**
 * Reads `sqlite:/path` or `opendmarc:/path`.
 *
 * @returns `undefined` for anything else
 */
export function parseHistoryPlace(text: string): HistoryPlace | undefined {
  const [, kind, path] = /^(sqlite|opendmarc):(\/[^\0]*[^\0/])$/.exec(text) ?? [];
  if ((kind !== "sqlite" && kind !== "opendmarc") || path === undefined) return undefined;
  // Other programs write "sqlite:///path".
  return { kind, path: path.replace(/^\/\/+/, "/") };
}
