/** The milters beside ours: OpenDKIM and OpenDMARC as Debian has them, and the floors. */
import { accessSync, chmodSync, constants, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DOMAIN, KEYS, SELECTORS } from "../milter-messages.ts";
import { Child, freePorts, SERVER_CORE, type Target } from "../processes.ts";
import type { Bench } from "../subjects.ts";

/** A running milter. */
export interface Milter {
  readonly name: string;
  readonly target: Target;
  readonly pid: number;
  /** True if it answers the same whatever it is told. */
  readonly isFloor?: boolean;
  /** Called between runs. */
  tidy?(): void;
}

export const OPENDKIM = "OpenDKIM";
export const OPENDMARC = "OpenDMARC";
export const C_ECHO = "C echo";
export const NODE_ECHO = "Node echo";
export const NODE_FLOOR = "Node echo and floor";

const PROGRAMS = { [OPENDKIM]: "/usr/sbin/opendkim", [OPENDMARC]: "/usr/sbin/opendmarc" } as const;

/** The private key in a file that OpenDKIM reads, and we too. */
export function writeKey(directory: string, type: keyof typeof SELECTORS): string {
  const file = join(directory, `${SELECTORS[type]}.key`);
  writeFileSync(file, KEYS[type].privateKey.export({ type: "pkcs8", format: "pem" }));
  chmodSync(file, 0o600);
  return file;
}

/**
 * Debian's settings but for the socket, the name server, and the trust anchor: no zone here is signed.
 *
 * @returns `undefined` if it is not installed, or cannot be told of the DNS server
 */
export async function startOpendkim(
  bench: Bench,
  stack: AsyncDisposableStack,
  mode: "verify" | "sign",
  cores?: "all",
): Promise<Milter | undefined> {
  const [port = 0] = await freePorts(1);
  const key = writeKey(bench.directory, "rsa");
  const signs = [`Mode s`, `Domain ${DOMAIN}`, `Selector ${SELECTORS.rsa}`, `KeyFile ${key}`];
  const settings = [
    ...["Syslog yes", "SyslogSuccess yes", "OversignHeaders From", "RequireSafeKeys no", "Nameservers 127.0.0.1"],
    `Canonicalization relaxed/relaxed`,
    `Socket inet:${port}@127.0.0.1`,
    ...(mode === "sign" ? signs : ["Mode v"]),
  ];
  return await start(bench, stack, OPENDKIM, `opendkim-${mode}`, settings, ["-f", "-x"], port, cores);
}

/** Debian's settings but for the socket. */
export async function startOpendmarc(
  bench: Bench,
  stack: AsyncDisposableStack,
  authservId: string,
  cores?: "all",
): Promise<Milter | undefined> {
  const [port = 0] = await freePorts(1);
  const settings = [
    ...["Syslog true", "PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat"],
    ...[`Socket inet:${port}@127.0.0.1`, `TrustedAuthservIDs ${authservId}`, `AuthservID ${authservId}`],
  ];
  return await start(bench, stack, OPENDMARC, "opendmarc", settings, ["-f", "-c"], port, cores);
}

/** The C echo, the Node echo, and the Node echo with the one thing that no program can leave out. */
export async function startEchoMilters(
  bench: Bench,
  stack: AsyncDisposableStack,
  floor: "verify" | "sign",
): Promise<Milter[]> {
  const commands: readonly (readonly [string, (port: string) => readonly string[]])[] = [
    [C_ECHO, (port) => [bench.built.cMilterEcho, port]],
    [NODE_ECHO, (port) => [process.execPath, bench.built.nodeMilterEcho, port]],
    [NODE_FLOOR, (port) => [process.execPath, bench.built.nodeMilterEcho, port, floor]],
  ];
  const milters: Milter[] = [];
  for (const [name, command] of commands) {
    const [port = 0] = await freePorts(1);
    milters.push({ ...(await running(stack, name, command(String(port)), port)), isFloor: true });
  }
  return milters;
}

async function start(
  bench: Bench,
  stack: AsyncDisposableStack,
  name: keyof typeof PROGRAMS,
  file: string,
  settings: readonly string[],
  flags: readonly string[],
  port: number,
  cores: "all" | undefined,
): Promise<Milter | undefined> {
  if (!bench.hasNamespace || !isExecutable(PROGRAMS[name])) return undefined;
  const config = join(bench.directory, `${file}.conf`);
  writeFileSync(config, `${settings.join("\n")}\n`);
  return await running(stack, name, [PROGRAMS[name], ...flags, config], port, cores);
}

async function running(
  stack: AsyncDisposableStack,
  name: string,
  command: readonly string[],
  port: number,
  cores?: "all",
): Promise<Milter> {
  const target = `127.0.0.1:${port}`;
  const child = await stack
    .use(new Child(name, cores === undefined ? SERVER_CORE : undefined, command))
    .listening(target);
  return { name, target, pid: child.pid };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
