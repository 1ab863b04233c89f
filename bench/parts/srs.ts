/** Measures SRS lookups: closed loop, every client waits for its answer, as Postfix does. */
import { join } from "node:path";
import { runLoad } from "../mailload.ts";
import { Measurements } from "../measurements.ts";
import {
  type Goal,
  intervalTable,
  metricTable,
  milliseconds,
  type PartResult,
  perSecond,
  ratioTable,
} from "../results.ts";
import { C_ECHO, C_ECHO_UNIX, NODE_ECHO, NODE_ECHO_UNIX, startEchos, startUnixEchos } from "../servers/echo.ts";
import { POSTSRSD_1, POSTSRSD_2, POSTSRSD_2_UNIX, startPostsrsd1, startPostsrsd2 } from "../servers/postsrsd.ts";
import { POSTVOUCH, startPostvouch } from "../servers/postvouch.ts";
import { type Bench, measure, type Subject, type Workload } from "../subjects.ts";

const UNIX = `${POSTVOUCH}, unix`;
const FOREIGN = ["--keys", "100000", "--sender", "user%n@d%d.example.net"];
const FOUND = { tcp: "200 ", socketmap: "OK " };
const NOT_FOUND = { tcp: "500 ", socketmap: "NOTFOUND" };

export async function srsPart(bench: Bench): Promise<PartResult> {
  await using stack = new AsyncDisposableStack();
  const subjects = await startAll(bench, stack);
  const signed = await collectSigned(bench, subjects);
  const measurements = new Measurements();
  await measure(bench, measurements, workloads(signed), subjects);
  const tcp = [POSTSRSD_1, POSTSRSD_2, NODE_ECHO, C_ECHO, ...bench.also.keys()];
  const unix = [POSTSRSD_2_UNIX, NODE_ECHO_UNIX, C_ECHO_UNIX, ...[...bench.also.keys()].map((name) => `${name}, unix`)];
  const builds = [...bench.also.keys()].flatMap((name) => [
    [POSTVOUCH, name] as const,
    [UNIX, `${name}, unix`] as const,
  ]);
  return {
    tables: [
      metricTable("Answers per second", measurements, "perSecond", perSecond),
      intervalTable("Answers per second against other builds, and 95 % intervals", measurements, "perSecond", builds),
      intervalTable("CPU per answer against other builds, and 95 % intervals", measurements, "cpuUs", builds),
      ratioTable("Answers per second: postvouch over tcp_table against", measurements, POSTVOUCH, tcp),
      ratioTable("Answers per second: postvouch over a unix socketmap against", measurements, UNIX, unix),
      metricTable("p99, ms", measurements, "p99Us", milliseconds),
      metricTable("CPU of the server per answer, us", measurements, "cpuUs", (us) => us.toFixed(1)),
    ],
    goals: goals(measurements),
  };
}

async function startAll(bench: Bench, stack: AsyncDisposableStack): Promise<Subject[]> {
  const ownDomains = ["own.example.org"];
  const common = { ownDomains, dnsPort: 53 };
  const ours = await startPostvouch(bench, stack, { ...common, name: POSTVOUCH, daemon: bench.built.daemon });
  const subjects = bench.onlyBuilds
    ? [ours.tcp, ours.socketmapUnix]
    : [
        ...(await startEchos(bench, stack, ["tcp"])),
        ...(await startPostsrsd1(bench, stack, POSTSRSD_1, ownDomains)),
        ...(await startPostsrsd2(bench, stack, ownDomains)),
        ours.tcp,
        ours.socketmap,
        ...(await startUnixEchos(bench, stack)),
        ours.socketmapUnix,
      ];
  for (const [name, daemon] of bench.also) {
    const other = await startPostvouch(bench, stack, { ...common, name, daemon });
    subjects.push(other.tcp, other.socketmapUnix);
  }
  return subjects;
}

/**
 * Rewritten addresses for the way back: all servers share one secret. postsrsd 1.x writes them where it is there,
 * because it refuses the hashes with "-" and "_" that the others write by default.
 */
async function collectSigned(bench: Bench, subjects: readonly Subject[]): Promise<string> {
  const file = join(bench.directory, "signed");
  const signer = subjects.find(({ name }) => name === POSTSRSD_1) ?? subjects.find(({ name }) => name === POSTVOUCH);
  const target = signer?.targets.forward ?? "";
  const options = [...FOREIGN, "--requests", "10000", "--save", file];
  await runLoad(bench.built.mailload, {
    protocol: "tcp",
    target,
    connections: 1,
    seconds: 60,
    warmupSeconds: 0,
    options,
  });
  return file;
}

function workloads(signed: string): Workload[] {
  const forward = (connections: number): Workload => ({
    name: `forward, ${connections} conn`,
    map: "forward",
    connections,
    expect: FOUND,
    options: () => FOREIGN,
  });
  const hundred = forward(100);
  const reverse: Workload = {
    ...hundred,
    map: "reverse",
    name: "reverse, 100 conn",
    options: () => ["--keys-file", signed],
  };
  return [
    { ...forward(1), isTelling: true },
    forward(16),
    { ...hundred, isTelling: true },
    { ...reverse, name: "reverse, 1 conn", connections: 1 },
    reverse,
    { ...hundred, map: "reverse", name: "miss (no SRS address), 100 conn", expect: NOT_FOUND },
    {
      ...hundred,
      name: "miss (own domain), 100 conn",
      isTelling: true,
      expect: NOT_FOUND,
      options: () => ["--keys", "100000", "--sender", "user%n@own.example.org"],
    },
    {
      ...forward(16),
      isTelling: true,
      name: "connect, ask, close; 16 at a time",
      options: () => [...FOREIGN, "--churn"],
    },
    { ...hundred, name: "closed after 100 requests, 100 conn", options: () => [...FOREIGN, "--churn=100"] },
  ];
}

function goals(m: Measurements): Goal[] {
  const ratio = (workload: string, base: string, subject = POSTVOUCH) => m.ratio(workload, subject, base, "perSecond");
  const p99 = (base: string, subject: string) => m.ratio("forward, 100 conn", subject, base, "p99Us");
  const all: readonly [what: string, bound: number, got: number | undefined, atMost?: boolean][] = [
    ["tcp forward, 100 connections, against postsrsd 1.10", 2.3, ratio("forward, 100 conn", POSTSRSD_1)],
    ["tcp reverse, 100 connections, against postsrsd 1.10", 2.3, ratio("reverse, 100 conn", POSTSRSD_1)],
    ["tcp forward, 100 connections, against the Node echo", 0.85, ratio("forward, 100 conn", NODE_ECHO)],
    ["tcp reverse, 100 connections, against the Node echo", 0.85, ratio("reverse, 100 conn", NODE_ECHO)],
    ["unix socketmap, 100 connections, against postsrsd 2.4", 2.9, ratio("forward, 100 conn", POSTSRSD_2_UNIX, UNIX)],
    ["unix socketmap, 100 connections, against the Node echo", 0.9, ratio("forward, 100 conn", NODE_ECHO_UNIX, UNIX)],
    ["p99 at 100 connections, tcp, against the Node echo's", 1.3, p99(NODE_ECHO, POSTVOUCH), true],
    ["p99 at 100 connections, unix, against the Node echo's", 1.3, p99(NODE_ECHO_UNIX, UNIX), true],
    ["1 connection, against postsrsd 1.10", 1.2, ratio("forward, 1 conn", POSTSRSD_1)],
    ["connect, ask, close, against postsrsd 1.10", 7, ratio("connect, ask, close; 16 at a time", POSTSRSD_1)],
  ];
  return all.map(([what, bound, got, atMost]) => ({
    what,
    unit: "x",
    got,
    ...(atMost ? { atMost: bound } : { atLeast: bound }),
  }));
}
