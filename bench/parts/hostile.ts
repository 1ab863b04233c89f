/** What a well-behaved client notices while others attack: each attack on each listener, one at a time. */
import { ATTACKS, type AttackName, NOBODY } from "../attacker.ts";
import type { ListenerProtocol } from "../requests.ts";
import { type Goal, milliseconds, type PartResult } from "../results.ts";
import { startDns } from "../servers/dns.ts";
import { POSTVOUCH, type Postvouch, startPostvouch, targetOf } from "../servers/postvouch.ts";
import { startAttack } from "../start-attack.ts";
import type { Bench } from "../subjects.ts";
import { UsageError } from "../usage-error.ts";
import { visit } from "../visits.ts";
import { wellBehaved } from "../well-behaved.ts";
import { byTurns, middleOf, ratioOf, type Side, type Turn } from "./hostile/by-turns.ts";
import { type Floor, floorsUnder, floorTable } from "./hostile/floors.ts";
import { span, VISITS } from "./hostile/method.ts";

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

/** Attacks that mean something to one protocol alone, and what need not be seen on each. */
const ONLY: Partial<Readonly<Record<AttackName, ListenerProtocol>>> = {
  [NOBODY]: "tcp",
  "netstrings of 2^64, 20 peers": "socketmap",
  "netstrings of 10 GB, 20 peers": "socketmap",
};

/** What the well-behaved clients notice, as p99 in microseconds, and what it costs the daemon. */
interface Row {
  readonly lookupsUs: number;
  readonly policyUs: number;
  readonly errors: number;
  /** At the end. */
  readonly pssMiB: number;
  readonly logBytes: number;
}

/** Two daemons by turns, one of them under attack. */
interface Measured {
  readonly turns: readonly Turn<Row>[];
  readonly errors: Turn<number>;
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
    const ratio = higherRatio(measured.flatMap(({ turns }) => turns));
    return { attack, cells: [attack, LISTENER_NAMES[listener], ...figures(measured, "under", ratio)], ratio };
  });
  const alone = ["alone", "", ...figures(rounds.flat(), "alone", 1)];
  const attacked = table.filter(({ attack }) => attack !== NOBODY);
  const reached = attacked.filter(({ ratio }) => ratio <= GOAL).length;
  const goal: Goal = {
    what: `p99 beside any attacker, against p99 of a daemon alone (${reached} of ${attacked.length} pairs reach it)`,
    atMost: GOAL,
    unit: "x",
    got: Math.max(...attacked.map(({ ratio }) => ratio)),
  };
  return {
    tables: [
      {
        title: "Well-behaved clients beside attackers: medians, the sum of errors, and the higher of both ratios",
        columns: ["attack", "on", "lookups, p99 ms", "policy, p99 ms", "x alone", "errors", "PSS, MiB", "log, kB/s"],
        rows: [alone, ...table.map(({ cells }) => cells)],
      },
      ...(floors[0]?.length === 0 ? [] : [floorTable(floors)]),
    ],
    goals: attacked.length === 0 ? [] : [goal],
  };

  function figures(measured: readonly Measured[], side: keyof Turn<Row>, ratio: number): string[] {
    const turns = measured.flatMap((one) => one.turns);
    const of = (figure: (row: Row) => number): number => middleOf(turns, side, figure);
    return [
      milliseconds(of(LOOKUPS)),
      milliseconds(of(POLICY)),
      ratio.toFixed(1),
      String(measured.reduce((sum, { errors }) => sum + errors[side], 0)),
      of(({ pssMiB }) => pssMiB).toFixed(0),
      (of(({ logBytes }) => logBytes) / 1000 / bench.effort.seconds).toFixed(0),
    ];
  }
}

const LOOKUPS = (row: Row): number => row.lookupsUs;
const POLICY = (row: Row): number => row.policyUs;

/** Of lookups and of policy requests. */
function higherRatio(turns: readonly Turn<Row>[]): number {
  return Math.max(ratioOf(turns, LOOKUPS), ratioOf(turns, POLICY));
}

/** New daemons for each attack, so that what one leaves behind is not another's. */
async function underAttack(bench: Bench, attack: AttackName, listener: ListenerProtocol): Promise<Measured> {
  await using stack = new AsyncDisposableStack();
  const dnsPort = await startDns(bench, stack);
  const start = async (name: string): Promise<Postvouch> => {
    const options = { name, daemon: bench.built.daemon, ownDomains: [], dnsPort, milterToml: "" };
    const ours = await startPostvouch(bench, stack, options);
    await Promise.all(
      LISTENERS.map((protocol) => visit({ protocol, target: targetOf(ours, protocol) }, VISITS[protocol])),
    );
    return ours;
  };
  const alone = await start(`${POSTVOUCH} alone`);
  const under = await start(POSTVOUCH);
  const { turns, warmups } = await byTurns(bench.effort, {
    alone: sideOf(bench, alone),
    under: sideOf(bench, under),
    startAttack: () => startAttack(attack, listener, targetOf(under, listener)),
  });
  const errors = (side: keyof Turn<Row>): number =>
    [...warmups[side], ...turns.map((turn) => turn[side])].reduce((sum, row) => sum + row.errors, 0);
  const measured = { turns, errors: { alone: errors("alone"), under: errors("under") } };
  const p99 = (side: keyof Turn<Row>): string => {
    const of = (figure: (row: Row) => number): string => middleOf(turns, side, figure).toFixed(0);
    return `p99 ${of(LOOKUPS)} us, policy ${of(POLICY)} us, ${measured.errors[side]} errors`;
  };
  const ratios = `${ratioOf(turns, LOOKUPS).toFixed(2)} and ${ratioOf(turns, POLICY).toFixed(2)} times`;
  bench.say(`hostile: ${attack} on ${LISTENER_NAMES[listener]}: ${p99("under")}; alone: ${p99("alone")}; ${ratios}`);
  return measured;
}

function sideOf(bench: Bench, ours: Postvouch): Side<Row> {
  return {
    pid: ours.child.pid,
    async measure(seconds) {
      ours.tcp.tidy?.();
      const [lookups, policy] = await wellBehaved(bench, ours, span(seconds));
      return {
        lookupsUs: lookups.p99Us,
        policyUs: policy.p99Us,
        errors: lookups.errors + policy.errors,
        pssMiB: policy.pssMiB ?? 0,
        logBytes: ours.logBytes(),
      };
    },
  };
}
