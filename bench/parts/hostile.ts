/** What a well-behaved client notices while others attack: each attack on each listener, one at a time. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ATTACKS, type AttackName } from "../attacker.ts";
import { median } from "../measurements.ts";
import { LOAD_CORE } from "../processes.ts";
import type { ListenerProtocol } from "../requests.ts";
import { milliseconds, type PartResult, type Table } from "../results.ts";
import { startDns } from "../servers/dns.ts";
import { NODE_ECHO, startEchos } from "../servers/echo.ts";
import { POSTVOUCH, type Postvouch, startPostvouch } from "../servers/postvouch.ts";
import type { Bench, Subject } from "../subjects.ts";
import { UsageError } from "../usage-error.ts";
import { visit } from "../visits.ts";
import { lookUp, type Span, wellBehaved } from "../well-behaved.ts";

const LISTENERS: readonly ListenerProtocol[] = ["tcp", "socketmap", "policy", "http"];

/** The same, as the figures are published. */
const LISTENER_NAMES: Readonly<Record<ListenerProtocol, string>> = {
  tcp: "tcp_table",
  socketmap: "socketmap",
  policy: "policy",
  http: "metrics",
};

const GOAL = 2;

/** Attacks that mean something to one protocol alone. */
const ONLY: Partial<Readonly<Record<AttackName, ListenerProtocol>>> = {
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
  /** Of all that was asked, while it was not measured too. */
  readonly errors: number;
  /** At the end. */
  readonly pssMiB: number;
  readonly logBytes: number;
}

/** One daemon before an attack, and under it. */
interface Measured {
  readonly alone: Row;
  readonly under: Row;
}

/**
 * Connections that a server has had before it is attacked, as after some days. A new server is slower for its first ten thousand:
 * until V8 has compiled the constructor of streams, each leaves most of a kilobyte behind, and collections take 4 ms. All listeners
 * share the constructor; the metrics listener takes one connection in 10 ms.
 */
const VISITS: Readonly<Record<ListenerProtocol, number>> = {
  tcp: 12_000,
  socketmap: 4_000,
  policy: 4_000,
  http: 400,
};

/** Warm-ups before it is measured. Under attack V8 compiles what the attack makes hot, and its heap takes its size. */
const WARMUPS = { alone: 3, under: 8 };

/** Times that each is measured in a row, for the median of them. */
const WINDOWS = 3;

/** An attack may take as long as it likes to get under way, but not for ever. */
const UNDER_WAY_MS = 60_000;

/** @throws {UsageError} when no attack has `bench.only` in its name */
export async function hostilePart(bench: Bench): Promise<PartResult> {
  const attacks = (Object.keys(ATTACKS) as AttackName[]).filter((attack) => attack.includes(bench.only));
  if (attacks.length === 0) {
    throw new UsageError(`Cannot attack with "${bench.only}": want a part of ${Object.keys(ATTACKS).join("; ")}`);
  }
  const pairs = attacks.flatMap((attack) =>
    LISTENERS.filter((listener) => (ONLY[attack] ?? listener) === listener).map((listener) => ({ attack, listener })),
  );
  const floored = OF_CONNECTIONS.filter((attack) => attacks.includes(attack));
  const rounds: Measured[][] = [];
  const floors: (readonly FloorRow[])[] = [];
  for (let round = 1; round <= bench.effort.rounds; round++) {
    const measured: Measured[] = [];
    for (const { attack, listener } of pairs) measured.push(await underAttack(bench, attack, listener));
    rounds.push(measured);
    const floor: FloorRow[] = [];
    for (const attack of floored) floor.push(await echoUnderAttack(bench, attack));
    floors.push(floor);
  }
  const table = pairs.map(({ attack, listener }, index) => {
    const measured = rounds.flatMap((round) => round[index] ?? []);
    const ratio = middle(measured.map(ratioOf));
    return {
      cells: [
        attack,
        LISTENER_NAMES[listener],
        ...figures(
          measured.map(({ under }) => under),
          ratio,
        ),
      ],
      ratio,
    };
  });
  const alone = ["alone", "", ...figures(rounds.flat().map((one) => one.alone))];
  const reached = table.filter(({ ratio }) => ratio <= GOAL).length;
  return {
    tables: [
      {
        title: "Well-behaved clients beside attackers: medians, the sum of errors, and the higher of both ratios",
        columns: ["attack", "on", "lookups, p99 ms", "policy, p99 ms", "x alone", "errors", "PSS, MiB", "log, kB/s"],
        rows: [alone, ...table.map(({ cells }) => cells)],
      },
      ...(floored.length > 0 ? [floorTable(floored, floors)] : []),
    ],
    goals: [
      {
        what: `p99 beside any attacker, against p99 of that daemon alone (${reached} of ${table.length} pairs reach it)`,
        atMost: GOAL,
        unit: "x",
        got: Math.max(...table.map(({ ratio }) => ratio)),
      },
    ],
  };

  function figures(rows: readonly Row[], ratio = 1): string[] {
    const { lookupsUs, policyUs, errors, pssMiB, logBytes } = summary(rows);
    return [
      milliseconds(lookupsUs),
      milliseconds(policyUs),
      ratio.toFixed(1),
      String(errors),
      pssMiB.toFixed(0),
      (logBytes / 1000 / bench.effort.seconds).toFixed(0),
    ];
  }
}

/** The p99 of clients of an echo server of Node.js, in microseconds: alone, and beside an attack on it. */
interface FloorRow {
  readonly alone: number;
  readonly under: number;
}

function floorTable(attacks: readonly AttackName[], floors: readonly (readonly FloorRow[])[]): Table {
  const rows = attacks.map((attack, at) => {
    const measured = floors.flatMap((floor) => floor[at] ?? []);
    const times = middle(measured.map(({ alone, under }) => under / alone));
    return [
      attack,
      milliseconds(middle(measured.map(({ alone }) => alone))),
      milliseconds(middle(measured.map(({ under }) => under))),
      times.toFixed(1),
    ];
  });
  return {
    title: "The same lookups of an echo server of Node.js: medians",
    columns: ["attack", "alone, p99 ms", "under attack, p99 ms", "x alone"],
    rows,
  };
}

async function echoUnderAttack(bench: Bench, attack: AttackName): Promise<FloorRow> {
  await using stack = new AsyncDisposableStack();
  const echo = (await startEchos(bench, stack, ["tcp"])).find(({ name }) => name === NODE_ECHO);
  if (echo === undefined) throw new Error("Cannot measure the floor: no echo server");
  const target = echo.targets.forward ?? "";
  await visit({ protocol: "tcp", target }, VISITS.tcp);
  const alone = await lookupsUs(bench, echo, WARMUPS.alone);
  stack.use(await startAttack(attack, "tcp", target));
  const under = await lookupsUs(bench, echo, WARMUPS.under);
  bench.say(`hostile: ${attack} on ${NODE_ECHO}: p99 ${under} us; alone: ${alone} us`);
  return { alone, under };
}

async function lookupsUs(bench: Bench, echo: Subject, warmups: number): Promise<number> {
  const { seconds, warmupSeconds } = bench.effort;
  await lookUp(bench, echo, span(warmups * warmupSeconds));
  const p99s: number[] = [];
  for (let i = 0; i < WINDOWS; i++) p99s.push((await lookUp(bench, echo, span(seconds))).p99Us);
  return middle(p99s);
}

/** The larger of both ratios. */
function ratioOf({ alone, under }: Measured): number {
  return Math.max(under.lookupsUs / alone.lookupsUs, under.policyUs / alone.policyUs);
}

function middle(values: readonly number[]): number {
  return median(values) ?? 0;
}

/** The median of each figure, and all errors. */
function summary(rows: readonly Row[]): Row {
  const of = (value: (row: Row) => number): number => middle(rows.map(value));
  return {
    lookupsUs: of((row) => row.lookupsUs),
    policyUs: of((row) => row.policyUs),
    errors: rows.reduce((sum, row) => sum + row.errors, 0),
    pssMiB: of((row) => row.pssMiB),
    logBytes: of((row) => row.logBytes),
  };
}

/** A new daemon for each attack, so that what one leaves behind is not another's. It is measured without the attack too. */
async function underAttack(bench: Bench, attack: AttackName, listener: ListenerProtocol): Promise<Measured> {
  await using stack = new AsyncDisposableStack();
  const dnsPort = await startDns(bench, stack);
  const daemon = { name: POSTVOUCH, daemon: bench.built.daemon, ownDomains: [], dnsPort };
  const ours = await startPostvouch(bench, stack, daemon);
  await Promise.all(
    LISTENERS.map((protocol) => visit({ protocol, target: targetOf(ours, protocol) }, VISITS[protocol])),
  );
  const alone = await measure(bench, ours, WARMUPS.alone);
  stack.use(await startAttack(attack, listener, targetOf(ours, listener)));
  const under = await measure(bench, ours, WARMUPS.under);
  const p99 = ({ lookupsUs, policyUs, errors }: Row): string =>
    `p99 ${lookupsUs} us, policy ${policyUs} us, ${errors} errors`;
  bench.say(`hostile: ${attack} on ${LISTENER_NAMES[listener]}: ${p99(under)}; alone: ${p99(alone)}`);
  return { alone, under };
}

async function measure(bench: Bench, ours: Postvouch, warmups: number): Promise<Row> {
  const warmup = await oneWindow(bench, ours, warmups * bench.effort.warmupSeconds);
  const windows: Row[] = [];
  for (let i = 0; i < WINDOWS; i++) windows.push(await oneWindow(bench, ours, bench.effort.seconds));
  const row = summary(windows);
  return { ...row, errors: row.errors + warmup.errors };
}

async function oneWindow(bench: Bench, ours: Postvouch, seconds: number): Promise<Row> {
  ours.tcp.tidy?.();
  const [lookups, policy] = await wellBehaved(bench, ours, span(seconds));
  return {
    lookupsUs: lookups.p99Us,
    policyUs: policy.p99Us,
    errors: lookups.errors + policy.errors,
    pssMiB: policy.pssMiB ?? 0,
    logBytes: ours.logBytes(),
  };
}

/** Warmed up by a run of their own. */
function span(seconds: number): Span {
  return { seconds, warmupSeconds: 0 };
}

export function targetOf(ours: Postvouch, listener: ListenerProtocol): string {
  if (listener === "http") return ours.metrics;
  return ours[listener].targets[listener === "policy" ? "policy" : "forward"] ?? "";
}

/** On the core of the load, behind it: the clients that are measured come first. */
export async function startAttack(
  attack: AttackName,
  listener: ListenerProtocol,
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
