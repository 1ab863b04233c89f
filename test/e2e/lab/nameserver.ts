/** The lab's DNS: unbound, which knows only the lab's names. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { NAMESERVER_ADDRESS, type Network } from "./network.ts";

/** A record in zone-file notation, its TTL left out unless it matters: `fwd.test. MX 10 mail.fwd.test.` */
export type DnsRecord = string;

/** What a mail host publishes: its domain's MX and SPF, its own address and SPF, its reverse name. */
export function mailHostRecords(domain: string, hostname: string, address: string): DnsRecord[] {
  const reverse = address.split(".").reverse().join(".");
  return [
    `${domain}. MX 10 ${hostname}.`,
    `${domain}. TXT "v=spf1 ip4:${address} -all"`,
    `${hostname}. A ${address}`,
    `${hostname}. TXT "v=spf1 a -all"`,
    `${reverse}.in-addr.arpa. PTR ${hostname}.`,
  ];
}

/** Starts it in the namespace `lab`. @returns what ends it */
export async function startNameserver(
  network: Network,
  directory: string,
  records: readonly DnsRecord[],
): Promise<AsyncDisposable> {
  const file = join(directory, "unbound.conf");
  const log = join(directory, "unbound.log");
  writeFileSync(file, configuration(records));
  const [program = "", ...args] = network.on("lab", ["unbound", "-d", "-d", "-c", file]);
  const output = openSync(log, "w");
  const child = spawn(program, args, { stdio: ["ignore", output, output] });
  const text = () => readFileSync(log, "latin1");
  await eventually("a running unbound", () => (text().includes("start of service") ? true : undefined), text);
  return { [Symbol.asyncDispose]: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

function configuration(records: readonly DnsRecord[]): string {
  const data = records.map((record) => {
    const [, name = "", ttl = "300", rest = ""] = /^(\S+) (?:(\d+) )?(.*)$/.exec(record) ?? [];
    return `  local-data: '${name} ${ttl} IN ${rest}'`;
  });
  return `server:
  interface: ${NAMESERVER_ADDRESS}
  access-control: 10.77.0.0/24 allow
  do-daemonize: no
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  verbosity: 1
  module-config: "iterator"
  local-zone: "." static
${data.join("\n")}
`;
}
