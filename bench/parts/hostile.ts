/** What a well-behaved client notices while others attack: each attack on each listener, one at a time. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { ATTACKS, type AttackName, type HostileProtocol } from "../attacker.ts";
import { type Load, type Report, runLoad } from "../mailload.ts";
import { LOAD_CORE } from "../processes.ts";
import { milliseconds, type PartResult } from "../results.ts";
import { startDns } from "../servers/dns.ts";
import { POSTVOUCH, type Postvouch, startPostvouch } from "../servers/postvouch.ts";
import type { Bench } from "../subjects.ts";

const LISTENERS: readonly HostileProtocol[] = ["tcp", "socketmap", "policy", "http"];

/** Attacks that mean something to one protocol alone. */
const ONLY: Partial<Readonly<Record<AttackName, HostileProtocol>>> = {
  "netstrings of 2^64, 20 peers": "socketmap",
  "netstrings of 10 GB, 20 peers": "socketmap",
};

/** What the well-behaved clients notice, and what it costs the daemon. */
interface Row {
  readonly lookups: Report;
  readonly policy: Report;
  readonly logBytes: number;
}

/** An attack may take as long as it likes to get under way, but not for ever. */
const UNDER_WAY_MS = 60_000;

export async function hostilePart(bench: Bench): Promise<PartResult> {
  const alone = await underAttack(bench, undefined, "tcp");
  const rows: string[][] = [row("alone", "", alone)];
  let worst = 0;
  for (const attack of Object.keys(ATTACKS) as AttackName[]) {
    for (const listener of LISTENERS) {
      if ((ONLY[attack] ?? listener) !== listener) continue;
      const under = await underAttack(bench, attack, listener);
      rows.push(row(attack, listener, under));
      worst = Math.max(worst, under.lookups.p99Us / alone.lookups.p99Us, under.policy.p99Us / alone.policy.p99Us);
    }
  }
  const columns = ["attack", "on", "lookups, p99 ms", "policy, p99 ms", "errors", "PSS after it, MiB", "log, kB/s"];
  return {
    tables: [{ title: "Well-behaved clients beside attackers", columns, rows }],
    goals: [{ what: "p99 beside any attacker, against p99 alone", atMost: 2, unit: "x", got: worst }],
  };

  function row(attack: string, listener: string, { lookups, policy, logBytes }: Row): string[] {
    const kilobytes = logBytes / 1000 / bench.effort.seconds;
    const cells = [milliseconds(lookups.p99Us), milliseconds(policy.p99Us), String(lookups.errors + policy.errors)];
    return [attack, listener, ...cells, (policy.pssMiB ?? 0).toFixed(0), kilobytes.toFixed(0)];
  }
}

/** A new daemon for each attack, so that what one leaves behind is not another's. */
async function underAttack(bench: Bench, attack: AttackName | undefined, listener: HostileProtocol): Promise<Row> {
  await using stack = new AsyncDisposableStack();
  const dnsPort = await startDns(bench, stack);
  const daemon = { name: POSTVOUCH, daemon: bench.built.daemon, ownDomains: [], dnsPort };
  const ours = await startPostvouch(bench, stack, daemon);
  await wellBehaved(bench, ours, bench.effort.warmupSeconds);
  ours.tcp.tidy?.();
  if (attack !== undefined) stack.use(await startAttack(attack, listener, ours));
  const [lookups, policy] = await wellBehaved(bench, ours, bench.effort.seconds);
  const logBytes = statSync(join(bench.directory, POSTVOUCH, "log")).size;
  ours.tcp.tidy?.();
  bench.say(
    `hostile: ${attack ?? "alone"} on ${listener}: p99 ${lookups.p99Us} us, policy ${policy.p99Us} us, ${lookups.errors + policy.errors} errors`,
  );
  return { lookups, policy, logBytes };
}

function targetOf(ours: Postvouch, listener: HostileProtocol): string {
  if (listener === "http") return ours.metrics;
  return ours[listener].targets[listener === "policy" ? "policy" : "forward"] ?? "";
}

/** Clients that ask a little all the time, as a mail server does: what they wait is what the daemon lets them wait. */
function wellBehaved(bench: Bench, ours: Postvouch, seconds: number): Promise<[Report, Report]> {
  const load = (subject: Postvouch["tcp"], rate: number, options: readonly string[]): Load => ({
    protocol: subject.protocol,
    target: subject.targets.forward ?? subject.targets.policy ?? "",
    connections: 4,
    seconds,
    warmupSeconds: 0,
    options: ["--rate", String(rate), "--timeout", "30", ...options],
    pid: ours.child.pid,
  });
  const message = `instance=hostile${++runs}.%u`;
  return Promise.all([
    runLoad(bench.built.mailload, load(ours.tcp, 400, ["--expect", "200 "])),
    runLoad(bench.built.mailload, load(ours.policy, 100, ["--keys", "100", "--domains", "10", "--attr", message])),
  ]);
}

let runs = 0;

/** On the core of the load, behind it: the clients that are measured come first. */
export async function startAttack(
  attack: AttackName,
  listener: HostileProtocol,
  ours: Postvouch,
): Promise<AsyncDisposable> {
  const target = targetOf(ours, listener);
  const program = join(import.meta.dirname, "..", "attacker.ts");
  const command = ["-c", String(LOAD_CORE), "nice", "-n", "19", process.execPath, program, attack, listener, target];
  const child = spawn("taskset", command, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const exited = once(child, "exit");
  const underWay = once(child, "message", { signal: AbortSignal.timeout(UNDER_WAY_MS) });
  await Promise.race([underWay, exited]);
  if (child.exitCode !== null) throw new Error(`Cannot attack ${target}: the attacker ended`);
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
