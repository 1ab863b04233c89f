/** What lookups wait beside attackers of servers that do next to nothing: what the machine and Node.js cost. */
import type { AttackName } from "../../attacker.ts";
import type { ListenerProtocol } from "../../requests.ts";
import { milliseconds, type Table } from "../../results.ts";
import { type HangingUp, NODE_ECHO, startEchos, startHangingUp } from "../../servers/echo.ts";
import { startAttack } from "../../start-attack.ts";
import type { Bench, Subject } from "../../subjects.ts";
import { visit } from "../../visits.ts";
import { lookUp } from "../../well-behaved.ts";
import { middle, span, VISITS, WARMUPS, WINDOWS } from "./method.ts";

/** Attacks that cost a server of Node.js something for each connection, whatever it does. */
const OF_CONNECTIONS: readonly AttackName[] = [
  "10,000 idle",
  "2,000 connects a second",
  "half-closed in mid-request, 500 a second",
  "RST after a request, 1,000 a second",
];

/** Attacks whose peers come again and again to a listener that has enough connections, such as that of the metrics. */
const OF_PEERS_THAT_COME_AGAIN: readonly AttackName[] = ["10,000 idle", "8,000 half requests"];

/** The p99 of clients of an echo server, in microseconds: alone, and beside an attack. */
export interface Floor {
  readonly attack: AttackName;
  readonly server: string;
  readonly alone: number;
  readonly under: number;
}

export function floorTable(rounds: readonly (readonly Floor[])[]): Table {
  const rows = (rounds[0] ?? []).map(({ attack, server }, at) => {
    const measured = rounds.flatMap((round) => round[at] ?? []);
    const alone = middle(measured.map((one) => one.alone));
    const under = middle(measured.map((one) => one.under));
    return [attack, server, milliseconds(alone), milliseconds(under), (under / alone).toFixed(1)];
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
    const echo = (await startEchos(bench, stack, ["tcp"])).find(({ name }) => name === NODE_ECHO);
    if (echo === undefined) throw new Error("Cannot measure the floor: no echo server");
    const target = echo.targets.forward ?? "";
    floors.push(await floorUnder(bench, attack, NODE_ECHO, { server: echo, target }, "tcp"));
  }
  for (const attack of OF_PEERS_THAT_COME_AGAIN.filter((one) => attacks.includes(one))) {
    await using stack = new AsyncDisposableStack();
    for (const one of await startHangingUp(bench, stack)) {
      floors.push(await floorUnder(bench, attack, `${one.server.name} that hangs up`, one, "http"));
    }
  }
  return floors;
}

/** @param protocol what the attackers take the target for */
async function floorUnder(
  bench: Bench,
  attack: AttackName,
  name: string,
  { server, target }: HangingUp,
  protocol: ListenerProtocol,
): Promise<Floor> {
  await visit({ protocol: "tcp", target: server.targets.forward ?? "" }, VISITS.tcp);
  const alone = await lookupsUs(bench, server, WARMUPS.alone);
  await using stack = new AsyncDisposableStack();
  stack.use(await startAttack(attack, protocol, target));
  const under = await lookupsUs(bench, server, WARMUPS.under);
  bench.say(`hostile: ${attack} on ${name}: p99 ${under} us; alone: ${alone} us`);
  return { attack, server: name, alone, under };
}

async function lookupsUs(bench: Bench, echo: Subject, warmups: number): Promise<number> {
  const { seconds, warmupSeconds } = bench.effort;
  await lookUp(bench, echo, span(warmups * warmupSeconds));
  const p99s: number[] = [];
  for (let i = 0; i < WINDOWS; i++) p99s.push((await lookUp(bench, echo, span(seconds))).p99Us);
  return middle(p99s);
}
