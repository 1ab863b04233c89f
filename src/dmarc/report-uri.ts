/** The addresses in rua= and ruf= (RFC 9989 sections 4.6 and 4.8). */

/** A place for reports. */
export interface ReportUri {
  /** As written. */
  readonly text: string;
  /** The mailbox of a `mailto:` URI, the only kind of which reports are sent. */
  readonly mailbox: string | undefined;
  /** The largest report that is wanted, in bytes: the obsolete `!10m`. */
  readonly maxBytes: number | undefined;
}

/** A scheme and URI characters (RFC 3986), but no comma and no "!", which must be encoded. */
const URI = /^([a-z][a-z0-9+.-]*):((?:[a-z0-9\-._~:/?#[\]@$&'()*+;=]|%[0-9a-f]{2})*)$/i;
const SIZE = /!([0-9]{1,15})([kmgt]?)$/i;
const UNITS = ["", "k", "m", "g", "t"];
const MAILBOX = /^[^@\x00-\x20\x7f-\xff<>()"\\,;]+@[a-z0-9._-]+$/i;

/** @returns `undefined` if the text is no URI */
export function readReportUri(text: string): ReportUri | undefined {
  const size = SIZE.exec(text);
  const uri = size === null ? text : text.slice(0, size.index);
  const [, scheme = "", rest = ""] = URI.exec(uri) ?? [];
  if (scheme === "") return undefined;
  const maxBytes = size === null ? undefined : Number(size[1]) * 1024 ** UNITS.indexOf(size[2]?.toLowerCase() ?? "");
  return { text, mailbox: scheme.toLowerCase() === "mailto" ? readMailbox(rest) : undefined, maxBytes };
}

/** The mailbox of a `mailto:` URI (RFC 6068) with a single recipient; headers in it are left out. */
function readMailbox(rest: string): string | undefined {
  const [to = ""] = rest.split("?", 1);
  const mailbox = to.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return MAILBOX.test(mailbox) ? mailbox : undefined;
}
