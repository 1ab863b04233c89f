/** Measures lookups that arrive at random, independent of the answers, as on a mail server with that load. */
import { Measurements } from "../measurements.ts";
import { metricTable, type PartResult } from "../results.ts";
import { startEchos, startUnixEchos } from "../servers/echo.ts";
import { POSTSRSD_1, startPostsrsd1, startPostsrsd2 } from "../servers/postsrsd.ts";
import { POSTVOUCH, startPostvouch } from "../servers/postvouch.ts";
import { type Bench, measure, type Workload } from "../subjects.ts";

const RATES = [1000, 5000, 15_000];

export async function openLoopPart(bench: Bench): Promise<PartResult> {
  await using stack = new AsyncDisposableStack();
  const ownDomains = ["own.example.org"];
  const daemon = { name: POSTVOUCH, daemon: bench.built.daemon, ownDomains, dnsPort: 53 };
  const ours = await startPostvouch(bench, stack, daemon);
  const subjects = [
    ...(await startEchos(bench, stack, ["tcp"])),
    ...(await startUnixEchos(bench, stack)),
    ...(await startPostsrsd1(bench, stack, POSTSRSD_1, ownDomains)),
    ...(await startPostsrsd2(bench, stack, ownDomains)),
    ours.tcp,
    ours.socketmapUnix,
  ];
  const measurements = new Measurements();
  await measure(bench, measurements, RATES.map(atRate), subjects);
  const us = (value: number) => value.toFixed(0);
  return {
    tables: [
      metricTable("p50, us", measurements, "p50Us", us),
      metricTable("p99, us", measurements, "p99Us", us),
      metricTable("Answers per second", measurements, "perSecond", us),
    ],
    goals: [],
  };
}

function atRate(rate: number): Workload {
  return {
    name: `forward, ${rate.toLocaleString("en")}/s over 100 conn`,
    map: "forward",
    connections: 100,
    expect: { tcp: "200 ", socketmap: "OK " },
    options: () => ["--keys", "100000", "--rate", String(rate), "--poisson"],
  };
}
