/** Measures the effect of the length of the list of own domains. */
import { Measurements } from "../measurements.ts";
import { metricTable, type PartResult, perSecond, ratioTable } from "../results.ts";
import { startPostsrsd1 } from "../servers/postsrsd.ts";
import { POSTVOUCH, startPostvouch } from "../servers/postvouch.ts";
import { type Bench, measure, type Subject, type Workload } from "../subjects.ts";

const COUNTS = [0, 1000, 10_000, 100_000];
/** postsrsd 1.x takes the list on its command line, which ends somewhere above this. */
const POSTSRSD_COUNTS = [0, 1000];

export async function ownDomainsPart(bench: Bench): Promise<PartResult> {
  await using stack = new AsyncDisposableStack();
  const subjects: Subject[] = [];
  for (const count of COUNTS) {
    const options = {
      name: name(POSTVOUCH, count),
      daemon: bench.built.daemon,
      ownDomains: domains(count),
      dnsPort: 53,
    };
    subjects.push((await startPostvouch(bench, stack, options)).tcp);
  }
  for (const count of POSTSRSD_COUNTS) {
    subjects.push(...(await startPostsrsd1(bench, stack, name("postsrsd 1.x", count), domains(count))));
  }
  const measurements = new Measurements();
  await measure(bench, measurements, WORKLOADS, subjects);
  const [most, none] = [name(POSTVOUCH, 100_000), name(POSTVOUCH, 0)];
  return {
    tables: [
      metricTable("Answers per second by own domains", measurements, "perSecond", perSecond),
      ratioTable("100,000 own domains against", measurements, most, [none]),
      ratioTable("1,000 own domains of postsrsd 1.x against", measurements, name("postsrsd 1.x", 1000), [
        name("postsrsd 1.x", 0),
      ]),
    ],
    goals: WORKLOADS.map((workload) => ({
      what: `100,000 own domains against none, ${workload.name}`,
      atLeast: 0.95,
      unit: "x",
      got: measurements.ratio(workload.name, most, none, "perSecond"),
    })),
  };
}

function name(program: string, count: number): string {
  return `${program}, ${count.toLocaleString("en")}`;
}

function domains(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `own${i}.example.org`);
}

const WORKLOADS: readonly Workload[] = [
  {
    name: "forward, foreign domains",
    map: "forward",
    connections: 100,
    expect: { tcp: "200 " },
    options: () => ["--keys", "100000"],
  },
];
