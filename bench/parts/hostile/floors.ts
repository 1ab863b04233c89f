/** What lookups wait beside attackers of servers that do next to nothing: what the machine and Node.js cost. */
import type { AttackName } from "../../attacker.ts";
import type { ListenerProtocol } from "../../requests.ts";
import { milliseconds, type Table } from "../../results.ts";
import { type HangingUp, NODE_ECHO, startEchos, startHangingUp } from "../../servers/echo.ts";
import { startAttack } from "../../start-attack.ts";
import type { Bench, Subject } from "../../subjects.ts";
import { visit } from "../../visits.ts";
import { lookUp } from "../../well-behaved.ts";
import { byTurns, middleOf, ratioOf, type Side, type Turn } from "./by-turns.ts";
import { span, VISITS } from "./method.ts";

/** Attacks that cost a server of Node.js something for each connection, whatever it does. */
const OF_CONNECTIONS: readonly AttackName[] = [
  "10,000 idle",
  "2,000 connects a second",
  "half-closed in mid-request, 500 a second",
  "RST after a request, 1,000 a second",
];

/** Attacks whose peers come again and again to a listener that has enough connections, such as that of the metrics. */
const OF_PEERS_THAT_COME_AGAIN: readonly AttackName[] = ["10,000 idle", "8,000 half requests"];

/** The p99 of clients of an echo server in microseconds, alone and beside an attack. */
export interface Floor {
  readonly attack: AttackName;
  readonly server: string;
  readonly turns: readonly Turn<number>[];
}

/** Nothing else is measured. */
const P99 = (us: number): number => us;

export function floorTable(rounds: readonly (readonly Floor[])[]): Table {
  const rows = (rounds[0] ?? []).map(({ attack, server }, at) => {
    const measured = rounds.flatMap((round) => round[at] ?? []);
    const turns = measured.flatMap((one) => one.turns);
    const p99 = (side: keyof Turn<number>): string => milliseconds(middleOf(turns, side, P99));
    return [attack, server, p99("alone"), p99("under"), ratioOf(turns, P99).toFixed(1)];
  });
  return {
    title: "The same lookups of echo servers: medians",
    columns: ["attack", "server", "alone, p99 ms", "under attack, p99 ms", "x alone"],
    rows,
  };
}

export async function floorsUnder(bench: Bench, attacks: readonly AttackName[]): Promise<Floor[]> {
  const floors: Floor[] = [];
  for (const attack of OF_CONNECTIONS.filter((one) => attacks.includes(one))) {
    await using stack = new AsyncDisposableStack();
    const start = async (): Promise<HangingUp> => {
      const echo = (await startEchos(bench, stack, ["tcp"])).find(({ name }) => name === NODE_ECHO);
      if (echo === undefined) throw new Error("Cannot measure the floor: no echo server");
      return { server: echo, target: echo.targets.forward ?? "" };
    };
    floors.push(await floorUnder(bench, attack, NODE_ECHO, [await start(), await start()], "tcp"));
  }
  for (const attack of OF_PEERS_THAT_COME_AGAIN.filter((one) => attacks.includes(one))) {
    await using stack = new AsyncDisposableStack();
    const [alone, under] = [await startHangingUp(bench, stack), await startHangingUp(bench, stack)];
    for (const kind of ["c", "node"] as const) {
      const name = `${alone[kind].server.name} that hangs up`;
      floors.push(await floorUnder(bench, attack, name, [alone[kind], under[kind]], "http"));
    }
  }
  return floors;
}

/** @param protocol what the attackers take the target for */
async function floorUnder(
  bench: Bench,
  attack: AttackName,
  name: string,
  [alone, under]: readonly [HangingUp, HangingUp],
  protocol: ListenerProtocol,
): Promise<Floor> {
  for (const { server } of [alone, under])
    await visit({ protocol: "tcp", target: server.targets.forward ?? "" }, VISITS.tcp);
  const { turns } = await byTurns(bench.effort, {
    alone: sideOf(bench, alone.server),
    under: sideOf(bench, under.server),
    startAttack: () => startAttack(attack, protocol, under.target),
  });
  const p99 = (side: keyof Turn<number>): string => `p99 ${middleOf(turns, side, P99).toFixed(0)} us`;
  const ratio = `${ratioOf(turns, P99).toFixed(2)} times`;
  bench.say(`hostile: ${attack} on ${name}: ${p99("under")}; alone: ${p99("alone")}; ${ratio}`);
  return { attack, server: name, turns };
}

function sideOf(bench: Bench, echo: Subject): Side<number> {
  return { pid: echo.pid ?? 0, measure: async (seconds) => (await lookUp(bench, echo, span(seconds))).p99Us };
}
