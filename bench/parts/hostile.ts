/** What a well-behaved client notices while others attack: each attack on each listener, one at a time. */
import { ATTACKS, type AttackName } from "../attacker.ts";
import type { ListenerProtocol } from "../requests.ts";
import { milliseconds, type PartResult } from "../results.ts";
import { startDns } from "../servers/dns.ts";
import { POSTVOUCH, type Postvouch, startPostvouch, targetOf } from "../servers/postvouch.ts";
import { startAttack } from "../start-attack.ts";
import type { Bench } from "../subjects.ts";
import { UsageError } from "../usage-error.ts";
import { visit } from "../visits.ts";
import { wellBehaved } from "../well-behaved.ts";
import { type Floor, floorsUnder, floorTable } from "./hostile/floors.ts";
import { middle, span, VISITS, WARMUPS, WINDOWS } from "./hostile/method.ts";

const LISTENERS: readonly ListenerProtocol[] = ["tcp", "socketmap", "policy", "http", "milter"];

/** The same, as the figures are published. */
const LISTENER_NAMES: Readonly<Record<ListenerProtocol, string>> = {
  tcp: "tcp_table",
  socketmap: "socketmap",
  policy: "policy",
  http: "metrics",
  milter: "milter",
};

const GOAL = 2;

/** Attacks that mean something to one protocol alone. */
const ONLY: Partial<Readonly<Record<AttackName, ListenerProtocol>>> = {
  "netstrings of 2^64, 20 peers": "socketmap",
  "netstrings of 10 GB, 20 peers": "socketmap",
};

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

/** @throws {UsageError} when no pair has `bench.only` in its name, such as `10,000 idle on metrics` */
export async function hostilePart(bench: Bench): Promise<PartResult> {
  const pairs = (Object.keys(ATTACKS) as AttackName[]).flatMap((attack) =>
    LISTENERS.filter((listener) => (ONLY[attack] ?? listener) === listener)
      .filter((listener) => `${attack} on ${LISTENER_NAMES[listener]}`.includes(bench.only))
      .map((listener) => ({ attack, listener })),
  );
  if (pairs.length === 0) {
    const [attacks, listeners] = [Object.keys(ATTACKS).join("; "), Object.values(LISTENER_NAMES).join(", ")];
    throw new UsageError(
      `Cannot attack with "${bench.only}": want a part of "ATTACK on LISTENER". Attacks: ${attacks}. Listeners: ${listeners}`,
    );
  }
  const attacks = pairs.map(({ attack }) => attack);
  const rounds: Measured[][] = [];
  const floors: (readonly Floor[])[] = [];
  for (let round = 1; round <= bench.effort.rounds; round++) {
    const measured: Measured[] = [];
    for (const { attack, listener } of pairs) measured.push(await underAttack(bench, attack, listener));
    rounds.push(measured);
    floors.push(await floorsUnder(bench, attacks));
  }
  const table = pairs.map(({ attack, listener }, index) => {
    const measured = rounds.flatMap((round) => round[index] ?? []);
    const unders = measured.map(({ under }) => under);
    const ratio = ratioOf({ alone: summary(measured.map(({ alone }) => alone)), under: summary(unders) });
    return { cells: [attack, LISTENER_NAMES[listener], ...figures(unders, ratio)], ratio };
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
      ...(floors[0]?.length === 0 ? [] : [floorTable(floors)]),
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

/** The larger of both ratios. */
function ratioOf({ alone, under }: Measured): number {
  return Math.max(under.lookupsUs / alone.lookupsUs, under.policyUs / alone.policyUs);
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
  const daemon = { name: POSTVOUCH, daemon: bench.built.daemon, ownDomains: [], dnsPort, milterToml: "" };
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
