/** Reads and writes endpoints, the places where a service listens. */
import { ipVersion } from "../mail/address-groups.ts";

/** An endpoint: an address and a port, the path of a unix-domain socket, or a socket from systemd. */
export type Endpoint =
  | { readonly type: "inet"; readonly host: string; readonly port: number }
  | { readonly type: "unix"; readonly path: string }
  /** `name` is the FileDescriptorName= of systemd.socket(5). */
  | { readonly type: "fd"; readonly name: string };

/** Longest path of a socket address (unix(7)), without the NUL at its end. */
const MAX_PATH_BYTES = 107;

/** Valid values of FileDescriptorName=: printable ASCII without ":". */
const FD_NAME = /^[\x20-\x39\x3b-\x7e]{1,255}$/;

/**
 * Reads `127.0.0.1:10001`, `[::1]:10001`, `unix:/path` or `fd:NAME`.
 *
 * @returns `undefined` for anything else
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    const isPath = path.startsWith("/") && !path.includes("\0") && Buffer.byteLength(path) <= MAX_PATH_BYTES;
    return isPath ? { type: "unix", path } : undefined;
  }
  if (text.startsWith("fd:")) {
    const name = text.slice("fd:".length);
    return FD_NAME.test(name) ? { type: "fd", name } : undefined;
  }
  const match = /^(?:\[(?<v6>[^\]]*)\]|(?<v4>[^:]*)):(?<port>\d{1,5})$/.exec(text);
  const host = match?.groups?.v6 ?? match?.groups?.v4 ?? "";
  const port = Number(match?.groups?.port);
  if (ipVersion(host) !== (text.startsWith("[") ? 6 : 4) || port > 65_535) return undefined;
  return { type: "inet", host, port };
}

/** The endpoint as the configuration spells it. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.type === "unix") return `unix:${endpoint.path}`;
  if (endpoint.type === "fd") return `fd:${endpoint.name}`;
  return endpoint.host.includes(":") ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`;
}
