/** Messages that would keep others busy for long, through the whole milter. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { longestTurn, type Turn } from "../../daemon-health.ts";
import { HOSTILE } from "../../hostile-messages.ts";
import { median } from "../../measurements.ts";
import { RECORDS } from "../../milter-messages.ts";
import { runMilterLoad } from "../../milterload.ts";
import { freePorts } from "../../processes.ts";
import type { PartResult } from "../../results.ts";
import { startDns } from "../../servers/dns.ts";
import { POSTVOUCH, startPostvouch } from "../../servers/postvouch.ts";
import type { Bench } from "../../subjects.ts";

const MAX_CPU_MS = 100;
const MAX_TURN_MS = 50;

/** Messages of a run, one after the other. */
const MESSAGES = 5;

export async function hostileMessages(bench: Bench): Promise<PartResult> {
  await using stack = new AsyncDisposableStack();
  const dnsPort = await startDns(bench, stack, RECORDS);
  const daemon = { name: POSTVOUCH, daemon: bench.built.daemon, ownDomains: [], dnsPort };
  const [probePort = 0] = await freePorts(1);
  const ours = await startPostvouch(bench, stack, { ...daemon, milterToml: "", probePort });
  const figures = new Map<string, Figure[]>();
  for (let round = 1; round <= bench.effort.rounds; round++) {
    for (const [name, { fields, body }] of Object.entries(HOSTILE)) {
      const message = join(bench.directory, "hostile.eml");
      const header = fields.map(({ line }) => `${line}\r\n`).join("");
      writeFileSync(message, Buffer.concat([Buffer.from(`${header}\r\n`, "latin1"), body]));
      await longestTurn(probePort);
      const options = ["--connections", "1", "--warmup", "0", "--messages", String(MESSAGES), "--reply", "cay"];
      const { target, pid } = ours.milter;
      const report = await runMilterLoad(bench.built.milterload, { target, pid, message, options });
      if (report.errors > 0) throw new Error(`Cannot measure ${name}: ${report.errors} errors, ${report.bad}`);
      const cpuMs = Math.max(0, (report.cpuUs ?? 0) / 1000 - hashMs(body));
      const figure = { cpuMs, turn: await longestTurn(probePort) };
      figures.set(name, [...(figures.get(name) ?? []), figure]);
      bench.say(`${round}/${bench.effort.rounds} ${name}: ${JSON.stringify(figure)}`);
    }
    ours.milter.tidy?.();
  }
  const rows = [...figures].map(([name, rounds]) => ({
    name,
    cpuMs: median(rounds.map(({ cpuMs }) => cpuMs)) ?? 0,
    turnMs: median(rounds.map(({ turn }) => turn.cpuMs)) ?? 0,
    wallMs: median(rounds.map(({ turn }) => turn.wallMs)) ?? 0,
  }));
  return {
    tables: [
      {
        title: "Hostile messages through the whole milter, milliseconds",
        columns: ["", "CPU time beyond hashing", "longest turn, CPU time", "by the clock"],
        rows: rows.map(({ name, cpuMs, turnMs, wallMs }) => [
          name,
          ...[cpuMs, turnMs, wallMs].map((ms) => ms.toFixed(1)),
        ]),
      },
    ],
    goals: [
      {
        what: "CPU time of a hostile message beyond hashing",
        atMost: MAX_CPU_MS,
        unit: "ms",
        got: Math.max(...rows.map(({ cpuMs }) => cpuMs)),
      },
      {
        what: "longest turn with a hostile message, CPU time",
        atMost: MAX_TURN_MS,
        unit: "ms",
        got: Math.max(...rows.map(({ turnMs }) => turnMs)),
      },
    ],
  };
}

interface Figure {
  /** CPU time beyond hashing. */
  readonly cpuMs: number;
  readonly turn: Turn;
}

/** CPU time that SHA-256 of these bytes takes. */
function hashMs(bytes: Buffer): number {
  const before = process.cpuUsage();
  createHash("sha256").update(bytes).digest();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
