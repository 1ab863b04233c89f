/** What a well-behaved client notices while others attack: each attack on each listener, one at a time. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { ATTACKS, type AttackName } from "../attacker.ts";
import type { Report } from "../mailload.ts";
import { median } from "../measurements.ts";
import { LOAD_CORE } from "../processes.ts";
import type { HostileProtocol } from "../requests.ts";
import { milliseconds, type PartResult, type Table } from "../results.ts";
import { startDns } from "../servers/dns.ts";
import { NODE_ECHO, startEchos } from "../servers/echo.ts";
import { POSTVOUCH, type Postvouch, startPostvouch } from "../servers/postvouch.ts";
import type { Bench } from "../subjects.ts";
import { visit } from "../visits.ts";
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

/** What the well-behaved clients notice, as p99 in microseconds, and what it costs the daemon. */
interface Row {
  readonly lookupsUs: number;
  readonly policyUs: number;
  readonly errors: number;
  readonly pssMiB: number;
  readonly logBytes: number;
}

/** One daemon before an attack, and under it. */
interface Measured {
  readonly alone: Row;
  readonly under: Row;
}

/**
 * Connections that a server has had before it is attacked, as after a day or two. A new one is slower for its first ten thousand:
 * until V8 has compiled the constructor of streams, each leaves two thirds of a kilobyte behind, and collections take 4 ms.
 */
const VISITS: Readonly<Record<HostileProtocol, number>> = { tcp: 12_000, socketmap: 4_000, policy: 4_000, http: 1_000 };

/** Warm-ups under attack before it is measured: V8 compiles what the attack makes hot, and its heap takes its size. */
const ATTACK_WARMUPS = 8;

/** Times that a pair is measured in a row, for the median of them. */
const WINDOWS = 3;

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
    const measured: Measured[] = [];
    for (const { attack, listener } of pairs) measured.push(await underAttack(bench, attack, listener));
    rounds.push({ alone: medianRow(measured.map(({ alone }) => alone)), under: measured.map(({ under }) => under) });
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
    const { lookupsUs, policyUs, pssMiB, logBytes } = medianRow(under);
    return [
      milliseconds(lookupsUs),
      milliseconds(policyUs),
      ratio.toFixed(1),
      String(under.reduce((sum, { errors }) => sum + errors, 0)),
      pssMiB.toFixed(0),
      (logBytes / 1000 / bench.effort.seconds).toFixed(0),
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
  await visit({ protocol: "tcp", target: echo.targets.forward ?? "" }, VISITS.tcp);
  await ask(bench.effort.warmupSeconds);
  if (attack !== undefined) stack.use(await startAttack(attack, "tcp", echo.targets.forward ?? ""));
  await ask(ATTACK_WARMUPS * bench.effort.warmupSeconds);
  const { p99Us } = await ask(bench.effort.seconds);
  bench.say(`hostile: ${attack ?? "alone"} on ${NODE_ECHO}: p99 ${p99Us} us`);
  return p99Us;
}

/** The larger of both ratios to the same round without an attack. */
function ratioOf({ alone, row }: { readonly alone: Row; readonly row: Row }): number {
  return Math.max(row.lookupsUs / alone.lookupsUs, row.policyUs / alone.policyUs);
}

function middle(values: readonly number[]): number {
  return median(values) ?? 0;
}

/** The median of each figure: one second of a noisy machine makes no difference. */
function medianRow(rows: readonly Row[]): Row {
  const of = (value: (row: Row) => number): number => middle(rows.map(value));
  return {
    lookupsUs: of((row) => row.lookupsUs),
    policyUs: of((row) => row.policyUs),
    errors: of((row) => row.errors),
    pssMiB: of((row) => row.pssMiB),
    logBytes: of((row) => row.logBytes),
  };
}

/** A new daemon for each attack, so that what one leaves behind is not another's. It is measured without the attack too. */
async function underAttack(bench: Bench, attack: AttackName, listener: HostileProtocol): Promise<Measured> {
  await using stack = new AsyncDisposableStack();
  const dnsPort = await startDns(bench, stack);
  const daemon = { name: POSTVOUCH, daemon: bench.built.daemon, ownDomains: [], dnsPort };
  const ours = await startPostvouch(bench, stack, daemon);
  const { seconds, warmupSeconds } = bench.effort;
  await Promise.all(
    LISTENERS.map((protocol) => visit({ protocol, target: targetOf(ours, protocol) }, VISITS[protocol])),
  );
  await wellBehaved(bench, ours, span(warmupSeconds));
  const alone = await measure(bench, ours, seconds);
  stack.use(await startAttack(attack, listener, targetOf(ours, listener)));
  await wellBehaved(bench, ours, span(ATTACK_WARMUPS * warmupSeconds));
  const windows: Row[] = [];
  for (let i = 0; i < WINDOWS; i++) windows.push(await measure(bench, ours, seconds));
  const under = { ...medianRow(windows), errors: windows.reduce((sum, { errors }) => sum + errors, 0) };
  const p99 = ({ lookupsUs, policyUs }: Row): string => `p99 ${lookupsUs} us, policy ${policyUs} us`;
  bench.say(`hostile: ${attack} on ${listener}: ${p99(under)}, ${under.errors} errors; alone: ${p99(alone)}`);
  return { alone, under };
}

async function measure(bench: Bench, ours: Postvouch, seconds: number): Promise<Row> {
  ours.tcp.tidy?.();
  const [lookups, policy] = await wellBehaved(bench, ours, span(seconds));
  const logBytes = statSync(join(bench.directory, POSTVOUCH, "log")).size;
  ours.tcp.tidy?.();
  return {
    lookupsUs: lookups.p99Us,
    policyUs: policy.p99Us,
    errors: lookups.errors + policy.errors,
    pssMiB: policy.pssMiB ?? 0,
    logBytes,
  };
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
