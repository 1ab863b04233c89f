/** Measures memory as the kernel counts it: PSS of the server and all its children. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Load, type Report, runLoad } from "../mailload.ts";
import type { PartResult } from "../results.ts";
import { startDns } from "../servers/dns.ts";
import { POLICYD_SPF, policyPeers } from "../servers/policy-peers.ts";
import { POSTSRSD_1, startPostsrsd1, startPostsrsd2 } from "../servers/postsrsd.ts";
import { POSTVOUCH, type Postvouch, startPostvouch } from "../servers/postvouch.ts";
import type { Bench, Subject } from "../subjects.ts";

type Row = readonly [what: string, mib: number | undefined];

export async function memoryPart(bench: Bench): Promise<PartResult> {
  const srs = [
    ...(await lookupRows(bench, POSTVOUCH)),
    ...(await lookupRows(bench, POSTSRSD_1)),
    ...(await lookupRows(bench, "postsrsd 2.x")),
  ];
  const [thousand, most] = [await warm(bench, 1000), await warm(bench, 100_000)];
  const rows: Row[] = [
    ...srs,
    [`${POSTVOUCH}, all services, 100 connections, 100,000 senders of 1,000 domains`, thousand.loaded],
    ["the same after a minute of rest", thousand.rested],
    [`${POSTVOUCH}, all services, 100 connections, 100,000 senders of 100,000 domains`, most.loaded],
    ["the same after a minute of rest", most.rested],
    ...(await peerRows(bench)),
  ];
  const goal = "memory, all services, 100 connections, 100,000 senders";
  return {
    tables: [
      {
        title: "Memory, MiB PSS",
        columns: ["", "MiB"],
        rows: rows.flatMap(([what, mib]) => (mib === undefined ? [] : [[what, mib.toFixed(1)]])),
      },
    ],
    goals: [
      { what: `${goal} of 1,000 domains`, atMost: 130, unit: "MiB", got: thousand.loaded },
      { what: `${goal} of 100,000 domains`, atMost: 130, unit: "MiB", got: most.loaded },
    ],
  };
}

const CONNECTIONS = [1, 100, 500, 10_000];
/** postsrsd is a process for each connection. */
const MOST_PROCESSES = 500;

async function lookupRows(bench: Bench, program: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const connections of CONNECTIONS) {
    if (program !== POSTVOUCH && connections > MOST_PROCESSES) continue;
    await using stack = new AsyncDisposableStack();
    const subject = await startLookups(bench, stack, program);
    if (subject === undefined) return [];
    const report = await run(bench, subject, Math.min(connections, 100), connections, ["--keys", "100000"]);
    bench.say(`memory: ${subject.name}, ${connections} connections: ${report.pssMiB?.toFixed(1)} MiB`);
    rows.push([`${program}, ${connections.toLocaleString("en")} connections`, report.pssMiB]);
  }
  return rows;
}

async function startLookups(bench: Bench, stack: AsyncDisposableStack, program: string): Promise<Subject | undefined> {
  if (program === POSTSRSD_1) return (await startPostsrsd1(bench, stack, program, []))[0];
  if (program !== POSTVOUCH) return (await startPostsrsd2(bench, stack, []))[0];
  return (await start(bench, stack, 53)).tcp;
}

function start(bench: Bench, stack: AsyncDisposableStack, dnsPort: number): Promise<Postvouch> {
  return startPostvouch(bench, stack, { name: POSTVOUCH, daemon: bench.built.daemon, ownDomains: [], dnsPort });
}

/** A short load on `busy` of the connections; what it used is read at its end. */
function run(
  bench: Bench,
  subject: Subject,
  busy: number,
  connections: number,
  options: readonly string[],
): Promise<Report> {
  const target = subject.targets.forward ?? subject.targets.policy ?? "";
  const load: Load = {
    protocol: subject.protocol,
    target,
    connections: busy,
    seconds: bench.effort.seconds,
    warmupSeconds: bench.effort.warmupSeconds,
    options: [...options, "--idle", String(connections - busy), "--rate", String(busy * 20)],
    ...(subject.pid === undefined ? {} : { pid: subject.pid }),
  };
  return runLoad(bench.built.mailload, load);
}

const SENDERS = 100_000;
const REST_MS = 60_000;

/** Asks for every sender twice, then reads the memory while all services have connections. */
async function warm(
  bench: Bench,
  domains: number,
): Promise<{ loaded: number | undefined; rested: number | undefined }> {
  await using stack = new AsyncDisposableStack();
  const ours = await start(bench, stack, await startDns(bench, stack));
  const senders = ["--keys", String(SENDERS), "--domains", String(domains)];
  const message = (run: number) => ["--attr", `instance=memory${run}.%u`];
  await runLoad(bench.built.mailload, {
    protocol: "policy",
    target: ours.policy.targets.policy ?? "",
    connections: 100,
    seconds: 1,
    warmupSeconds: 0,
    options: [...senders, ...message(0), "--requests", String(2 * SENDERS)],
  });
  const [policy] = await Promise.all([
    run(bench, ours.policy, 34, 34, [...senders, ...message(1)]),
    run(bench, ours.tcp, 33, 33, ["--keys", "100000"]),
    run(bench, ours.socketmapUnix, 33, 33, ["--keys", "100000", "--map", "forward"]),
  ]);
  bench.say(`memory: all services, ${domains} domains: ${policy.pssMiB?.toFixed(1)} MiB`);
  await sleep(REST_MS);
  const rested = await run(bench, ours.policy, 1, 100, [...senders, ...message(2)]);
  return { loaded: policy.pssMiB, rested: rested.pssMiB };
}

async function peerRows(bench: Bench): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  await startDns(bench, stack);
  const rows: Row[] = [];
  for (const peer of policyPeers(bench)) {
    const report = await runLoad(bench.built.mailload, {
      protocol: "policy",
      target: peer.targets.policy ?? "",
      connections: 100,
      seconds: bench.effort.seconds,
      warmupSeconds: peer.warmupSeconds?.(100) ?? 0,
      cores: "all",
      options: ["--keys", "1000", "--timeout", "60"],
    });
    bench.say(`memory: 100 ${peer.name}: ${report.pssMiB?.toFixed(0)} MiB`);
    rows.push([`${peer.name === POLICYD_SPF ? "policyd-spf" : peer.name}, 100 processes`, report.pssMiB]);
  }
  return rows;
}
