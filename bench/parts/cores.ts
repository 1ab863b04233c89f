/**
 * More than one core: processes that share their ports (reuse_port). Here load and servers share the cores; on a mail
 * server Postfix does.
 */
import { availableParallelism } from "node:os";
import { Measurements } from "../measurements.ts";
import { metricTable, milliseconds, type PartResult, perSecond, ratioTable } from "../results.ts";
import { startDns } from "../servers/dns.ts";
import { POSTVOUCH, startPostvouch } from "../servers/postvouch.ts";
import { type Bench, measure, type Subject, type Workload } from "../subjects.ts";

export async function coresPart(bench: Bench): Promise<PartResult> {
  await using stack = new AsyncDisposableStack();
  const dnsPort = await startDns(bench, stack);
  const lookups: Subject[] = [];
  const checks: Subject[] = [];
  for (const processes of [1, 2, 4].filter((count) => count <= availableParallelism())) {
    const name = `${POSTVOUCH} x ${processes}`;
    const options = { name, daemon: bench.built.daemon, ownDomains: [], dnsPort, processes };
    const { tcp, policy } = await startPostvouch(bench, stack, options);
    lookups.push({ ...tcp, cores: "all" });
    checks.push({ ...policy, cores: "all" });
  }
  const measurements = new Measurements();
  await measure(bench, measurements, LOOKUPS, lookups);
  await measure(bench, measurements, CHECKS, checks);
  const [one = "", ...more] = measurements.names("subject");
  return {
    tables: [
      metricTable("Answers per second, load on the same cores", measurements, "perSecond", perSecond),
      ...more.map((name) => ratioTable(`${name} against`, measurements, name, [one])),
      metricTable("p99, ms", measurements, "p99Us", milliseconds),
    ],
    goals: [],
  };
}

const LOOKUPS: readonly Workload[] = [
  {
    name: "tcp forward, 100 conn",
    map: "forward",
    connections: 100,
    expect: { tcp: "200 " },
    options: () => ["--keys", "100000"],
  },
  {
    name: "tcp connect, ask, close; 16 at a time",
    map: "forward",
    connections: 16,
    expect: { tcp: "200 " },
    options: () => ["--keys", "100000", "--churn"],
  },
];

const CHECKS: readonly Workload[] = [
  {
    name: "SPF warm, 1,000 domains, 100 conn",
    map: "policy",
    connections: 100,
    expect: { policy: "prepend" },
    options: (run) => ["--keys", "1000", "--attr", `instance=cores${run}.%u`],
  },
];
