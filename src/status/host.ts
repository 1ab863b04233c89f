/**
 * Checks the Host header of a request for the page. A web page elsewhere can have its own name lead to 127.0.0.1 (DNS
 * rebinding), and its scripts could then read ours as their own. They cannot choose an address or a name of this host.
 */
import { isIP } from "node:net";

/** Tells if a browser may show the page under this Host header, with or without a port. A program may send none. */
export function isOurHost(host: string | undefined, hostname: string): boolean {
  if (host === undefined) return true;
  const match = /^(?:\[([\da-f:.]+)\]|([^\s:@/[\]]+))(?::\d{1,5})?$/i.exec(host);
  const [, v6, name = ""] = match ?? [];
  if (match === null) return false;
  if (v6 !== undefined) return isIP(v6) === 6;
  const lower = name.toLowerCase().replace(/\.$/, "");
  return isIP(lower) === 4 || lower === "localhost" || lower === hostname.toLowerCase().replace(/\.$/, "");
}
