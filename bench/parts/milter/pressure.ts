/** What large and many messages do to the daemon's memory and to its other services. */

import { longestTurn, peakPssMiB, pssMiB, type Turn } from "../../daemon-health.ts";
import { median } from "../../measurements.ts";
import { DOMAIN, RECORDS, SELECTORS, type Size, writeMessage } from "../../milter-messages.ts";
import { type MilterReport, runMilterLoad } from "../../milterload.ts";
import { freePorts } from "../../processes.ts";
import { milliseconds, type PartResult } from "../../results.ts";
import { startDns } from "../../servers/dns.ts";
import { startBusyEcho } from "../../servers/echo.ts";
import { writeKey } from "../../servers/milters.ts";
import { POSTVOUCH, type Postvouch, type PostvouchOptions, startPostvouch } from "../../servers/postvouch.ts";
import type { Bench } from "../../subjects.ts";
import { lookUp, wellBehaved } from "../../well-behaved.ts";

const MANY = 100;

/** A hundred large messages at the same time: none is kept. */
export async function largeMessages(bench: Bench): Promise<PartResult> {
  const rounds: { readonly grownMiB: number; readonly turn: Turn }[] = [];
  for (let round = 1; round <= bench.effort.rounds; round++) {
    await using stack = new AsyncDisposableStack();
    const [probePort = 0] = await freePorts(1);
    const ours = await start(bench, stack, "", { probePort });
    await send(bench, ours, "5 kB", ["--connections", String(MANY), "--warmup", "0", "--messages", "2000"]);
    const before = pssMiB(ours.child.pid);
    await longestTurn(probePort);
    const options = ["--connections", String(MANY), "--warmup", "0", "--messages", String(MANY), "--timeout", "120"];
    const peak = await peakPssMiB(ours.child.pid, send(bench, ours, "10 MB", options));
    rounds.push({ grownMiB: peak - before, turn: await longestTurn(probePort) });
    bench.say(`${round}/${bench.effort.rounds} ${MANY} large messages: ${JSON.stringify(rounds.at(-1))}`);
  }
  const grownMiB = median(rounds.map((round) => round.grownMiB));
  const turn = (of: keyof Turn): number | undefined => median(rounds.map((round) => round.turn[of]));
  return {
    tables: [],
    goals: [
      { what: `growth of memory with ${MANY} messages of 10 MB at once`, atMost: 64, unit: "MiB", got: grownMiB },
      { what: "longest turn of the event loop meanwhile, CPU time", atMost: 50, unit: "ms", got: turn("cpuMs") },
      { what: "the same by the clock", atMost: 50, unit: "ms", got: turn("wallMs") },
    ],
  };
}

/** Lookups of the other services beside a milter that has as much work as it can do. */
export async function saturation(bench: Bench): Promise<PartResult> {
  const loads: readonly (readonly [string, readonly string[] | undefined])[] = [
    ["alone", undefined],
    ["beside 20 sessions that are verified", ["--expect", "dkim=pass"]],
    ["beside 20 sessions that are signed", ["--expect", "bh=", "--client", "127.0.0.1", "--helo", "localhost"]],
  ];
  const rounds: Looked[][] = [];
  const floors: { readonly idleUs: number; readonly busyUs: number }[] = [];
  for (let round = 1; round <= bench.effort.rounds; round++) {
    const looked: Looked[] = [];
    for (const [name, options] of loads) {
      looked.push(await lookups(bench, options));
      bench.say(`${round}/${bench.effort.rounds} lookups ${name}: ${JSON.stringify(looked.at(-1))}`);
    }
    rounds.push(looked);
    floors.push({ idleUs: await echoLookups(bench), busyUs: await echoLookups(bench, STEP_MS) });
  }
  const middle = (at: number, value: (looked: Looked) => number): number =>
    median(rounds.flatMap((round) => (round[at] === undefined ? [] : [value(round[at])]))) ?? 0;
  const ratio = (at: number): number => median(rounds.map((round) => worst(round[at]) / worst(round[0]))) ?? Number.NaN;
  return {
    tables: [
      {
        title: "Lookups beside a saturated milter, server on every core: medians",
        columns: ["", "lookups, p99 ms", "policy, p99 ms", "x alone", "messages per second", "longest turn, CPU ms"],
        rows: loads.map(([name], at) => [
          name,
          milliseconds(middle(at, ({ tcpUs }) => tcpUs)),
          milliseconds(middle(at, ({ policyUs }) => policyUs)),
          ratio(at).toFixed(1),
          middle(at, ({ perSecond }) => perSecond).toFixed(0),
          middle(at, ({ turnMs }) => turnMs).toFixed(1),
        ]),
      },
      {
        title: "The same lookups of an echo server of Node.js: medians",
        columns: ["", "lookups, p99 ms", "x alone"],
        rows: [
          ["alone", milliseconds(median(floors.map(({ idleUs }) => idleUs)) ?? 0), "1.0"],
          [
            `busy all the time, ${STEP_MS} ms in a turn of the event loop`,
            milliseconds(median(floors.map(({ busyUs }) => busyUs)) ?? 0),
            (median(floors.map(({ idleUs, busyUs }) => busyUs / idleUs)) ?? 0).toFixed(1),
          ],
        ],
      },
    ],
    goals: [1, 2].map((at) => ({
      what: `p99 of lookups ${loads[at]?.[0]}, against alone`,
      atMost: 2,
      unit: "x",
      got: ratio(at),
    })),
  };
}

/** About what a message of 5 kB takes. */
const STEP_MS = 0.5;

/** The p99 of lookups of a server that does nothing else, or is always busy: in microseconds. */
async function echoLookups(bench: Bench, busyMs?: number): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const echo = await startBusyEcho(bench, stack, busyMs);
  const { seconds, warmupSeconds } = bench.effort;
  const { p99Us } = await lookUp(bench, echo, { seconds, warmupSeconds, cores: "all" });
  bench.say(`lookups of an echo server, ${busyMs ?? 0} ms of work in a turn: ${p99Us} us`);
  return p99Us;
}

interface Looked {
  readonly tcpUs: number;
  readonly policyUs: number;
  /** CPU time of the longest turn of the event loop. */
  readonly turnMs: number;
  /** Messages. */
  readonly perSecond: number;
}

function worst(looked: Looked | undefined): number {
  return Math.max(looked?.tcpUs ?? Number.NaN, looked?.policyUs ?? Number.NaN);
}

async function lookups(bench: Bench, milterOptions: readonly string[] | undefined): Promise<Looked> {
  await using stack = new AsyncDisposableStack();
  const key = writeKey(bench.directory, "rsa");
  const signs = `domain = "${DOMAIN}"\nselector = "${SELECTORS.rsa}"\nfile = "${key}"\n`;
  const sign = `[dkim.sign]\nrequire_published = false\n[[dkim.sign.keys]]\n${signs}`;
  const [probePort = 0] = await freePorts(1);
  const ours = await start(bench, stack, sign, { cores: "all", probePort });
  const { seconds, warmupSeconds } = bench.effort;
  await wellBehaved(bench, ours, { seconds: warmupSeconds, warmupSeconds: 0, cores: "all" });
  await longestTurn(probePort);
  const [warm, during] = [warmupSeconds, seconds + 1].map(String);
  const isSigned = milterOptions?.includes("127.0.0.1") !== true;
  const load =
    milterOptions === undefined
      ? undefined
      : send(bench, ours, "5 kB", ["--warmup", warm ?? "", "--duration", during ?? "", ...milterOptions], {
          isSigned,
          isBehind: true,
        });
  const [tcp, policy] = await wellBehaved(bench, ours, {
    seconds,
    warmupSeconds: milterOptions === undefined ? 0 : warmupSeconds,
    cores: "all",
  });
  const { cpuMs: turnMs } = await longestTurn(probePort);
  return { tcpUs: tcp.p99Us, policyUs: policy.p99Us, turnMs, perSecond: (await load)?.perSecond ?? 0 };
}

/** Memory with the milter off and on: idle, and with a hundred connections. */
export async function milterMemory(bench: Bench): Promise<PartResult> {
  const [off, on, busy] = [await idle(bench, undefined), await idle(bench, ""), await connected(bench)];
  const rows: readonly (readonly [string, number])[] = [
    ["milter off, idle", off],
    ["milter on, idle", on],
    [`milter on, ${MANY} connections with messages of 5 kB: the most`, busy],
  ];
  return {
    tables: [
      {
        title: "Memory, MiB PSS",
        columns: ["", "MiB"],
        rows: rows.map(([what, mib]) => [what, mib.toFixed(1)]),
      },
    ],
    goals: [
      { what: "memory with the milter on, idle", atMost: 110, unit: "MiB", got: on },
      { what: `memory with the milter on, ${MANY} connections`, atMost: 170, unit: "MiB", got: busy },
    ],
  };
}

async function idle(bench: Bench, milterToml: string | undefined): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const ours = await start(bench, stack, milterToml);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  return pssMiB(ours.child.pid);
}

const IDLE_MS = 3000;

async function connected(bench: Bench): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const ours = await start(bench, stack, "");
  const seconds = String(bench.effort.seconds * 3);
  const options = ["--connections", String(MANY), "--warmup", "0", "--duration", seconds, "--expect", "dkim=pass"];
  return await peakPssMiB(ours.child.pid, send(bench, ours, "5 kB", options));
}

async function start(
  bench: Bench,
  stack: AsyncDisposableStack,
  milterToml: string | undefined,
  more: Pick<PostvouchOptions, "cores" | "probePort"> = {},
): Promise<Postvouch> {
  const dnsPort = await startDns(bench, stack, RECORDS);
  const options = { name: POSTVOUCH, daemon: bench.built.daemon, ownDomains: [], dnsPort };
  return await startPostvouch(bench, stack, {
    ...options,
    ...(milterToml === undefined ? {} : { milterToml }),
    ...more,
  });
}

async function send(
  bench: Bench,
  ours: Postvouch,
  size: Size,
  options: readonly string[],
  more: { readonly isSigned?: boolean; readonly isBehind?: boolean } = {},
): Promise<MilterReport> {
  const { target, pid } = ours.milter;
  const { isSigned = true, isBehind = false } = more;
  const message = writeMessage(bench.directory, size, isSigned);
  const cores = isBehind ? { cores: "all" as const } : {};
  const report = await runMilterLoad(bench.built.milterload, { target, pid, message, isBehind, options, ...cores });
  ours.milter.tidy?.();
  if (report.errors > 0) throw new Error(`Cannot measure ${size}: ${report.errors} errors, ${report.bad}`);
  return report;
}
