/** The addresses in rua= and ruf= (RFC 9989 sections 4.6 and 4.8). */
import { domainOf, isDomainName } from "../mail/names.ts";

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
/** A local part that needs no quotes (RFC 5322 section 3.2.3). */
const LOCAL_PART = /^(?!\.)(?:\.?[a-z0-9!#$%&'*+/=?^_`{|}~-])+(?=@)/i;
/** RFC 5321 section 4.5.3.1. */
const MAX_MAILBOX_BYTES = 254;

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
  const local = LOCAL_PART.exec(mailbox)?.[0] ?? "";
  const isWhole = local !== "" && local.length + 1 + domainOf(mailbox).length === mailbox.length;
  return isWhole && isDomainName(domainOf(mailbox)) && mailbox.length <= MAX_MAILBOX_BYTES ? mailbox : undefined;
}
