/** The sockets of filters, and if Postfix asks them. */
import type { Host } from "./finding.ts";
import { evaluateShell } from "./shell.ts";
import { ShellError } from "./shell-syntax.ts";

/** A socket of a filter. */
export interface MilterSocket {
  /** The port; `undefined` for a unix-domain socket. */
  readonly port: number | undefined;
  readonly path: string | undefined;
}

/** Reads `inet:8891@localhost`, `local:/path` or `/path`; `undefined` for any other text. */
export function readSocket(text: string): MilterSocket | undefined {
  const [, port] = /^inet6?:(\d{1,5})(?:@.*)?$/i.exec(text) ?? [];
  if (port !== undefined) return { port: Number(port), path: undefined };
  const [, path] = /^(?:(?:local|unix):)?(\/.*)$/i.exec(text) ?? [];
  return path === undefined ? undefined : { port: undefined, path };
}

/** SOCKET of a file in /etc/default, which outranks the configuration on old hosts; `undefined` without it. */
export function legacySocket(path: string, host: Host): string | undefined {
  const text = host.readFile(path);
  if (text === undefined) return undefined;
  try {
    return evaluateShell(text, {}, host).variables.get("SOCKET")?.value;
  } catch (error) {
    if (error instanceof ShellError) return undefined;
    throw error;
  }
}

/**
 * Tells if a text of main.cf and master.cf names a socket. A path there may begin within Postfix's chroot.
 *
 * @param text all parameters and services
 */
export function namesSocket(text: string, { port, path }: MilterSocket): boolean {
  const ports = [...text.matchAll(/\binet6?:(?:\[[^\]\s]*\]|[^\s,:{}]*):(\d{1,5})\b/g)].map((match) =>
    Number(match[1]),
  );
  if (port !== undefined) return ports.includes(port);
  const paths = [...text.matchAll(/\b(?:unix|local):([^\s,{}]+)/g)].map(
    (match) => `/${(match[1] ?? "").replace(/^\/+/, "")}`,
  );
  return paths.some((one) => path === one || path?.endsWith(one) === true);
}

/** The ports that a text of main.cf and master.cf names for filters. */
export function milterPorts(text: string): readonly number[] {
  return [...text.matchAll(/\binet6?:(?:\[[^\]\s]*\]|[^\s,:{}]*):(\d{1,5})\b/g)].map((match) => Number(match[1]));
}
