/** Measures the effect of dead DNS servers on other senders: 1 sender in 20 has one, each used once. */
import { runLoad } from "../mailload.ts";
import { median } from "../measurements.ts";
import type { PartResult } from "../results.ts";
import { startDns } from "../servers/dns.ts";
import { POSTVOUCH, startPostvouch } from "../servers/postvouch.ts";
import type { Bench } from "../subjects.ts";

const PER_SECOND = 1000;
const SHARE = 1 / 20;
/** Each waits up to 20 s, and Postfix would have as many processes waiting. */
const WAITING_CONNECTIONS = 2000;
const SECONDS_BEFORE = 5;

export async function deadDnsPart(bench: Bench): Promise<PartResult> {
  const quiet: number[] = [];
  const disturbed: number[] = [];
  for (let round = 1; round <= bench.effort.rounds; round++) {
    quiet.push(await p99Us(bench, `q${round}`, "c"));
    disturbed.push(await p99Us(bench, `d${round}`, "dead"));
    bench.say(`${round}/${bench.effort.rounds} dead DNS: p99 ${quiet.at(-1)} us without, ${disturbed.at(-1)} us with`);
  }
  const without = median(quiet) ?? 0;
  const withDead = median(disturbed) ?? 0;
  const ms = (us: number) => (us / 1000).toFixed(2);
  return {
    tables: [
      {
        title: `p99 of ${PER_SECOND * (1 - SHARE)} checks/s of 1,000 domains, ms`,
        columns: ["the other 50/s are", "p99"],
        rows: [
          ["cold, and answered at once", ms(without)],
          ["behind a DNS server that never answers", ms(withDead)],
        ],
      },
    ],
    goals: [{ what: "p99 beside 1 in 20 senders with dead DNS", atMost: 2, unit: "x", got: withDead / without }],
  };
}

/** The p99 of the good senders, while the others ask for names that start with `label`. */
async function p99Us(bench: Bench, tag: string, label: string): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const dnsPort = await startDns(bench, stack);
  const daemon = { name: `${POSTVOUCH} ${tag}`, daemon: bench.built.daemon, ownDomains: [], dnsPort };
  const { policy } = await startPostvouch(bench, stack, daemon);
  const seconds = Math.max(10, bench.effort.seconds * 4);
  const common = { protocol: "policy", target: policy.targets.policy ?? "" } as const;
  const open = (rate: number) => ["--rate", String(rate), "--poisson", "--timeout", "60"];
  const others = runLoad(bench.built.mailload, {
    ...common,
    connections: WAITING_CONNECTIONS,
    seconds: seconds + SECONDS_BEFORE + 1,
    warmupSeconds: 0,
    options: [
      ...open(PER_SECOND * SHARE),
      ...["--keys", "1000000000", "--domains", "1000000000", "--sender", `user%n@${label}%d.${tag}.example.net`],
      ...["--helo", "mail.example.net", "--attr", `instance=others.${tag}.%u`],
    ],
  });
  const good = runLoad(bench.built.mailload, {
    ...common,
    connections: 100,
    seconds,
    warmupSeconds: SECONDS_BEFORE,
    options: [...open(PER_SECOND * (1 - SHARE)), "--keys", "1000", "--attr", `instance=good.${tag}.%u`],
  });
  const [report] = await Promise.all([good, others]);
  return report.p99Us;
}
