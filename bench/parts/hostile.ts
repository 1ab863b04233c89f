/** What a well-behaved client notices while others attack: each attack on each listener, one at a time. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { ATTACKS, type AttackName, type HostileProtocol } from "../attacker.ts";
import type { Report } from "../mailload.ts";
import { median } from "../measurements.ts";
import { LOAD_CORE } from "../processes.ts";
import { milliseconds, type PartResult, type Table } from "../results.ts";
import { startDns } from "../servers/dns.ts";
import { NODE_ECHO, startEchos } from "../servers/echo.ts";
import { POSTVOUCH, type Postvouch, startPostvouch } from "../servers/postvouch.ts";
import type { Bench } from "../subjects.ts";
import { lookUp, type Span, wellBehaved } from "../well-behaved.ts";

const LISTENERS: readonly HostileProtocol[] = ["tcp", "socketmap", "policy", "http"];

/** Attacks that mean something to one protocol alone. */
const ONLY: Partial<Readonly<Record<AttackName, HostileProtocol>>> = {
  "netstrings of 2^64, 20 peers": "socketmap",
  "netstrings of 10 GB, 20 peers": "socketmap",
};

/** Attacks that cost a server of Node.js something for each connection, whatever it does. */
const OF_CONNECTIONS: readonly AttackName[] = [
  "10,000 idle",
  "2,000 connects a second",
  "half-closed in mid-request, 500 a second",
  "RST after a request, 1,000 a second",
];

/** What the well-behaved clients notice, and what it costs the daemon. */
interface Row {
  readonly lookups: Report;
  readonly policy: Report;
  readonly logBytes: number;
}

/** An attack may take as long as it likes to get under way, but not for ever. */
const UNDER_WAY_MS = 60_000;

export async function hostilePart(bench: Bench): Promise<PartResult> {
  const pairs = (Object.keys(ATTACKS) as AttackName[])
    .filter((attack) => attack.includes(bench.only))
    .flatMap((attack) =>
      LISTENERS.filter((listener) => (ONLY[attack] ?? listener) === listener).map((listener) => ({ attack, listener })),
    );
  const floored = OF_CONNECTIONS.filter((attack) => attack.includes(bench.only));
  const rounds: { readonly alone: Row; readonly under: readonly Row[] }[] = [];
  const floors: Floor[] = [];
  for (let round = 1; round <= bench.effort.rounds; round++) {
    const alone = await underAttack(bench, undefined, "tcp");
    const under: Row[] = [];
    for (const { attack, listener } of pairs) under.push(await underAttack(bench, attack, listener));
    rounds.push({ alone, under });
    if (floored.length > 0) floors.push(await floor(bench, floored));
  }
  const table = pairs.map(({ attack, listener }, index) => {
    const compared = rounds.flatMap(({ alone, under }) => {
      const row = under[index];
      return row === undefined ? [] : [{ alone, row }];
    });
    return { attack, listener, rows: compared.map(({ row }) => row), ratio: middle(compared.map(ratioOf)) };
  });
  const columns = ["attack", "on", "lookups, p99 ms", "policy, p99 ms", "x alone", "errors", "PSS, MiB", "log, kB/s"];
  const alone = ["alone", "", ...figures(rounds.map((round) => round.alone))];
  const rows = table.map(({ attack, listener, rows: under, ratio }) => [attack, listener, ...figures(under, ratio)]);
  return {
    tables: [
      { title: "Well-behaved clients beside attackers: medians", columns, rows: [alone, ...rows] },
      ...(floored.length > 0 ? [floorTable(floored, floors)] : []),
    ],
    goals: [
      {
        what: "p99 beside any attacker, against p99 alone",
        atMost: 2,
        unit: "x",
        got: Math.max(...table.map(({ ratio }) => ratio)),
      },
    ],
  };

  function figures(under: readonly Row[], ratio = 1): string[] {
    const of = (value: (row: Row) => number): number => middle(under.map(value));
    return [
      milliseconds(of(({ lookups }) => lookups.p99Us)),
      milliseconds(of(({ policy }) => policy.p99Us)),
      ratio.toFixed(1),
      String(under.reduce((sum, { lookups, policy }) => sum + lookups.errors + policy.errors, 0)),
      of(({ policy }) => policy.pssMiB ?? 0).toFixed(0),
      of(({ logBytes }) => logBytes / 1000 / bench.effort.seconds).toFixed(0),
    ];
  }
}

/** The p99 of clients of an echo server of Node.js, in microseconds: alone, and beside each attack on it. */
interface Floor {
  readonly alone: number;
  readonly under: readonly number[];
}

async function floor(bench: Bench, attacks: readonly AttackName[]): Promise<Floor> {
  const alone = await echoUnderAttack(bench, undefined);
  const under: number[] = [];
  for (const attack of attacks) under.push(await echoUnderAttack(bench, attack));
  return { alone, under };
}

function floorTable(attacks: readonly AttackName[], floors: readonly Floor[]): Table {
  const of = (value: (one: Floor) => number | undefined): number => middle(floors.flatMap((one) => value(one) ?? []));
  const rows = attacks.map((attack, at) => {
    const times = of(({ alone, under }) => (under[at] ?? Number.NaN) / alone);
    return [attack, milliseconds(of(({ under }) => under[at])), times.toFixed(1)];
  });
  return {
    title: "The same clients of an echo server of Node.js: medians",
    columns: ["attack", "lookups, p99 ms", "x alone"],
    rows: [["alone", milliseconds(of(({ alone }) => alone)), "1.0"], ...rows],
  };
}

async function echoUnderAttack(bench: Bench, attack: AttackName | undefined): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const echo = (await startEchos(bench, stack, ["tcp"])).find(({ name }) => name === NODE_ECHO);
  if (echo === undefined) throw new Error("Cannot measure the floor: no echo server");
  const ask = (seconds: number): Promise<Report> => lookUp(bench, echo, span(seconds));
  await ask(bench.effort.warmupSeconds);
  if (attack !== undefined) stack.use(await startAttack(attack, "tcp", echo.targets.forward ?? ""));
  await ask(bench.effort.warmupSeconds);
  const { p99Us } = await ask(bench.effort.seconds);
  bench.say(`hostile: ${attack ?? "alone"} on ${NODE_ECHO}: p99 ${p99Us} us`);
  return p99Us;
}

/** The larger of both ratios to the same round without an attack. */
function ratioOf({ alone, row }: { readonly alone: Row; readonly row: Row }): number {
  return Math.max(row.lookups.p99Us / alone.lookups.p99Us, row.policy.p99Us / alone.policy.p99Us);
}

function middle(values: readonly number[]): number {
  return median(values) ?? 0;
}

/** A new daemon for each attack, warmed up without it and under it, so that what one leaves behind is not another's. */
async function underAttack(bench: Bench, attack: AttackName | undefined, listener: HostileProtocol): Promise<Row> {
  await using stack = new AsyncDisposableStack();
  const dnsPort = await startDns(bench, stack);
  const daemon = { name: POSTVOUCH, daemon: bench.built.daemon, ownDomains: [], dnsPort };
  const ours = await startPostvouch(bench, stack, daemon);
  await wellBehaved(bench, ours, span(bench.effort.warmupSeconds));
  ours.tcp.tidy?.();
  if (attack !== undefined) stack.use(await startAttack(attack, listener, targetOf(ours, listener)));
  // V8 compiles what the attack makes hot, beside the daemon on its core, for a third of a second.
  await wellBehaved(bench, ours, span(bench.effort.warmupSeconds));
  ours.tcp.tidy?.();
  const [lookups, policy] = await wellBehaved(bench, ours, span(bench.effort.seconds));
  const logBytes = statSync(join(bench.directory, POSTVOUCH, "log")).size;
  ours.tcp.tidy?.();
  bench.say(
    `hostile: ${attack ?? "alone"} on ${listener}: p99 ${lookups.p99Us} us, policy ${policy.p99Us} us, ${lookups.errors + policy.errors} errors`,
  );
  return { lookups, policy, logBytes };
}

/** Warmed up by a run of their own. */
function span(seconds: number): Span {
  return { seconds, warmupSeconds: 0 };
}

export function targetOf(ours: Postvouch, listener: HostileProtocol): string {
  if (listener === "http") return ours.metrics;
  return ours[listener].targets[listener === "policy" ? "policy" : "forward"] ?? "";
}

/** On the core of the load, behind it: the clients that are measured come first. */
export async function startAttack(
  attack: AttackName,
  listener: HostileProtocol,
  target: string,
): Promise<AsyncDisposable> {
  const program = join(import.meta.dirname, "..", "attacker.ts");
  const command = ["-c", String(LOAD_CORE), "chrt", "-i", "0", process.execPath, program, attack, listener, target];
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
