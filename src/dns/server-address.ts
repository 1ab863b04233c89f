/** Reads and writes addresses of DNS servers, for dns.servers of the configuration, logs and errors. */
import { ipVersion } from "../mail/address-groups.ts";

/** The address of a DNS server. `host` is an IP address; an IPv6 address may have a zone. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

export const DNS_PORT = 53;

/** The forms that `parseServer` accepts, for error messages. */
export const SERVER_WISH = 'an address such as "127.0.0.1", "127.0.0.1:5353" or "[::1]:5353"';

/** Reads `192.0.2.1`, `192.0.2.1:5353`, `::1`, `[::1]` or `[::1]:5353`; `undefined` for anything else. */
export function parseServer(text: string): ServerAddress | undefined {
  if (ipVersion(text) !== 0) return { host: text, port: DNS_PORT };
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = digits === undefined ? DNS_PORT : Number(digits);
  const isAddress = ipVersion(host) === (bracketed === undefined ? 4 : 6);
  return isAddress && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** Writes an address: `192.0.2.1:53`, `[::1]:53`. */
export function formatServer({ host, port }: ServerAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
