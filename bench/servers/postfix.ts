/** A Postfix of the benchmark's own, which takes mail on several ports and throws it away. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../processes.ts";
import type { Bench } from "../subjects.ts";

export interface SmtpService {
  /** Options of smtpd, as in main.cf. */
  readonly options: readonly string[];
}

export interface Postfix {
  /** The ports of the services, in their order. */
  readonly ports: readonly number[];
  /** The process above all others. */
  readonly masterPid: number;
  /** Number of fields added by a milter that have `dmarc=pass` in them, since the start. */
  passes(): number;
}

const PARTS = ["postfix", "postfix/etc", "postfix/queue", "postfix/data"] as const;

/** @returns `undefined` if it is not installed, or if this user may not start it */
export async function startPostfix(
  bench: Bench,
  stack: AsyncDisposableStack,
  services: readonly SmtpService[],
): Promise<Postfix | undefined> {
  if (!bench.hasNamespace || process.getuid?.() !== 0 || !succeeds("postconf", "mail_version")) return undefined;
  const [root = "", etc = "", queue = "", data = ""] = PARTS.map((part) => join(bench.directory, part));
  for (const part of [root, etc, queue, data]) mkdirSync(part, { recursive: true });
  chmodSync(bench.directory, 0o755);
  must("chown", "postfix", data);
  const ports = await freePorts(services.length);
  writeFileSync(join(etc, "main.cf"), mainCf(root));
  writeFileSync(join(etc, "milter_header_checks"), "/dmarc=pass/ INFO\n");
  writeFileSync(join(etc, "master.cf"), masterCf(services.map(({ options }, at) => [ports[at] ?? 0, options])));
  must("postfix", "-c", etc, "start");
  stack.defer(() => void succeeds("postfix", "-c", etc, "stop"));
  const log = join(root, "maillog");
  return {
    ports,
    masterPid: Number(readFileSync(join(queue, "pid", "master.pid"), "latin1")),
    passes: () => readFileSync(log, "latin1").split("milter-header-info").length - 1,
  };
}

function mainCf(root: string): string {
  return `compatibility_level = 3.6
queue_directory = ${root}/queue
data_directory = ${root}/data
myhostname = mx.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = ${root}/maillog
maillog_file_prefixes = /
alias_maps =
relay_domains = example.org
relay_transport = discard
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
milter_header_checks = regexp:${root}/etc/milter_header_checks
policyd-spf_time_limit = 3600
`;
}

function masterCf(services: readonly (readonly [port: number, options: readonly string[]])[]): string {
  const smtpd = services.map(([port, options]) => {
    const lines = options.map((option) => `  -o { ${option} }\n`);
    return `127.0.0.1:${port} inet n - n - - smtpd\n${lines.join("")}`;
  });
  return `${smtpd.join("")}cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
discard unix - - n - - discard
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf
`;
}

function succeeds(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}

function must(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`Cannot run ${program} ${args.join(" ")}: ${stderr}`);
}
