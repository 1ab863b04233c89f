/** Measures SPF policy requests: closed loop, one message for each request. */
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
import { startDns } from "../servers/dns.ts";
import { C_ECHO, NODE_ECHO, NODE_RELAYS, startEchos, startRelays } from "../servers/echo.ts";
import { PERL, POLICYD_SPF, policyPeers } from "../servers/policy-peers.ts";
import { POSTVOUCH, startPostvouch } from "../servers/postvouch.ts";
import { type Bench, measure, type Subject, type Workload } from "../subjects.ts";

const PREPEND = { policy: "prepend" };
const COLD_1 = "cold, 1 query a check, 100 conn";
const COLD_2 = "cold, 2 queries a check, 100 conn";

export async function spfPart(bench: Bench): Promise<PartResult> {
  await using stack = new AsyncDisposableStack();
  const dnsPort = await startDns(bench, stack);
  const subjects: Subject[] = bench.onlyBuilds
    ? []
    : [...(await startEchos(bench, stack, ["policy"])), ...(await startRelays(bench, stack, dnsPort))];
  for (const [name, daemon] of [[POSTVOUCH, bench.built.daemon] as const, ...bench.also]) {
    subjects.push((await startPostvouch(bench, stack, { name, daemon, ownDomains: [], dnsPort })).policy);
  }
  const peers = bench.onlyBuilds ? [] : policyPeers(bench);
  const measurements = new Measurements();
  await measure(bench, measurements, workloads(), [...subjects, ...peers]);
  const builds = [...bench.also.keys()].map((name) => [POSTVOUCH, name] as const);
  return {
    tables: [
      metricTable("Answers per second", measurements, "perSecond", perSecond),
      intervalTable("Answers per second against other builds, and 95 % intervals", measurements, "perSecond", builds),
      intervalTable("CPU per answer against other builds, and 95 % intervals", measurements, "cpuUs", builds),
      ratioTable("Answers per second: postvouch against", measurements, POSTVOUCH, [
        ...[POLICYD_SPF, PERL, NODE_ECHO, C_ECHO, ...Object.values(NODE_RELAYS)],
        ...bench.also.keys(),
      ]),
      metricTable("p50, ms", measurements, "p50Us", milliseconds),
      metricTable("p99, ms", measurements, "p99Us", milliseconds),
      metricTable("CPU of the server per answer, us", measurements, "cpuUs", (us) => us.toFixed(1)),
      metricTable("Memory at the end of a run, MiB PSS", measurements, "pssMiB", (mib) => mib.toFixed(0)),
    ],
    goals: goals(measurements),
  };
}

/**
 * Message ids differ from run to run, because a message is answered once. Names of cold workloads do, too: nobody has
 * asked for them before.
 */
function workload(
  name: string,
  connections: number,
  options: (run: number) => readonly string[],
  suits: (subject: Subject) => boolean = () => true,
  relay?: string,
): Workload {
  return {
    name,
    map: "policy",
    connections,
    expect: PREPEND,
    options: (run) => [...options(run), "--attr", `instance=run${run}.%u`],
    suits: (subject) => (isRelay(subject) ? subject.name === relay : suits(subject)),
  };
}

function isRelay({ name }: Subject): boolean {
  return Object.values<string>(NODE_RELAYS).includes(name);
}

function workloads(): Workload[] {
  const thousand = () => ["--keys", "1000"];
  const cold = (run: number, helo: string) => [
    ...["--keys", "1000000000", "--domains", "1000000000"],
    ...["--sender", `user%n@c%d.run${run}.example.net`, "--helo", helo],
  ];
  const notPeer = (subject: Subject) => subject.cores === undefined;
  const notPerl = (subject: Subject) => subject.name !== PERL;
  return [
    workload("1 sender, 1 conn", 1, () => ["--keys", "1"]),
    { ...workload("1,000 domains, 1 conn", 1, thousand), isTelling: true },
    workload("1,000 domains, 20 conn", 20, thousand, notPerl),
    { ...workload("1,000 domains, 100 conn", 100, thousand), isTelling: true },
    workload(
      "100,000 senders of 1,000 domains, 100 conn",
      100,
      () => ["--keys", "100000", "--order", "random"],
      notPeer,
    ),
    workload("100,000 domains, 100 conn", 100, () => ["--keys", "100000", "--domains", "100000"], notPeer),
    {
      ...workload(COLD_1, 100, (run) => cold(run, "mail.example.net"), notPerl, NODE_RELAYS[1]),
      isTelling: true,
    },
    workload(COLD_2, 100, (run) => cold(run, `mail.c%d.run${run}.example.net`), notPerl, NODE_RELAYS[2]),
  ];
}

function goals(m: Measurements): Goal[] {
  const ratio = (name: string) => m.ratio(name, POSTVOUCH, POLICYD_SPF, "perSecond");
  const goal = (what: string, atLeast: number, name: string): Goal => ({ what, atLeast, unit: "x", got: ratio(name) });
  return [
    goal("SPF warm, 1 connection, 1,000 domains, against policyd-spf", 8, "1,000 domains, 1 conn"),
    goal("SPF warm, 100 connections, against 100 policyd-spf", 35, "1,000 domains, 100 conn"),
    goal("SPF cold, 1 query, 100 connections, against policyd-spf", 10, COLD_1),
    goal("SPF cold, 2 queries, 100 connections, against policyd-spf", 10, COLD_2),
  ];
}
