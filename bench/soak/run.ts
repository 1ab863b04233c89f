/**
 * `npm run soak [-- --minutes 60]`: hours of the daemon in minutes. Mail of every kind, scrapes, reloads and hostile peers, and what
 * becomes of its memory, its descriptors and the time that it takes to answer. Prints a table, and writes the curves with
 * `--picture FILE.svg`.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { build } from "../build.ts";
import { describeMachine } from "../machine.ts";
import { type Load, type Report, runLoad } from "../mailload.ts";
import { isInside, rerunInside } from "../namespace.ts";
import { startDns } from "../servers/dns.ts";
import { POSTVOUCH, type Postvouch, startPostvouch, targetOf } from "../servers/postvouch.ts";
import { startAttack } from "../start-attack.ts";
import type { Bench } from "../subjects.ts";
import { type Curve, drawCurves } from "./curves.ts";

const OPTIONS = { minutes: { type: "string", default: "60" }, picture: { type: "string" } } as const;

/** Length of a slice. One reload and one sample end it. */
const SLICE_SECONDS = 15;

/** The slices in which somebody attacks a listener: every eighth. */
const ATTACKED = 8;

/** What was seen at the end of a slice. */
interface Sample {
  readonly minute: number;
  readonly rssMiB: number;
  readonly descriptors: number;
  readonly loopLagMs: number;
  readonly lookupsP99Ms: number;
  readonly policyP99Ms: number;
  readonly answers: number;
  readonly errors: number;
}

async function soak(minutes: number, picture: string | undefined): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "postvouch-soak-"));
  try {
    await using stack = new AsyncDisposableStack();
    const effort = { rounds: 1, seconds: SLICE_SECONDS, warmupSeconds: 0 };
    const say = (line: string): void => console.log(line);
    const built = build();
    const bench: Bench = {
      built,
      effort,
      directory,
      hasNamespace: isInside(),
      also: new Map(),
      onlyBuilds: false,
      only: "",
      say,
    };
    const dnsPort = await startDns(bench, stack);
    const daemon = { name: POSTVOUCH, daemon: bench.built.daemon, ownDomains: ["own.example.org"], dnsPort };
    const ours = await startPostvouch(bench, stack, daemon);
    const samples = await observe(bench, ours, minutes);
    report(samples, minutes, picture);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function observe(bench: Bench, ours: Postvouch, minutes: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  const startMs = performance.now();
  for (let slice = 0; slice * SLICE_SECONDS < minutes * 60; slice++) {
    const loads = loadsOf(ours, slice).map((load) => runLoad(bench.built.mailload, load));
    await using attackers = new AsyncDisposableStack();
    if (slice % ATTACKED === ATTACKED - 1) attackers.use(await attack(ours, slice));
    await sleep((SLICE_SECONDS * 1000) / 2);
    process.kill(ours.child.pid, "SIGHUP");
    const reports = await Promise.all(loads);
    samples.push(await sample(ours, reports, (performance.now() - startMs) / 60_000));
    ours.tcp.tidy?.();
  }
  return samples;
}

/** A busy mail host: about a thousand questions a second, of known senders and new ones, on connections old and new. */
function loadsOf(ours: Postvouch, slice: number): Load[] {
  const load = (subject: Postvouch["tcp"], target: string | undefined, rate: number, ...options: string[]): Load => ({
    protocol: subject.protocol,
    target: target ?? "",
    connections: 20,
    seconds: SLICE_SECONDS - 1,
    warmupSeconds: 0,
    options: ["--rate", String(rate), "--poisson", "--timeout", "60", ...options],
    pid: ours.child.pid,
  });
  const { tcp, socketmap, socketmapUnix, policy } = ours;
  const unseen = `unseen%n.s${slice}`;
  return [
    load(tcp, tcp.targets.forward, 300, "--keys", "50000", "--order", "zipf"),
    load(socketmap, socketmap.targets.forward, 200, "--keys", "50000"),
    load(socketmapUnix, socketmapUnix.targets.reverse, 100, "--map", "reverse"),
    load(policy, policy.targets.policy, 200, "--keys", "20000", "--domains", "1000", "--attr", `instance=s${slice}.%u`),
    load(policy, policy.targets.policy, 20, "--sender", `${unseen}@d%d.example.net`, "--keys", "100000", "--churn"),
  ];
}

const ATTACKS = ["one byte a second, 200 peers", "RST after a request, 1,000 a second"] as const;
const LISTENERS = ["tcp", "socketmap", "policy", "http"] as const;

async function attack(ours: Postvouch, slice: number): Promise<AsyncDisposable> {
  const round = Math.floor(slice / ATTACKED);
  const listener = LISTENERS[round % LISTENERS.length] ?? "tcp";
  return startAttack(ATTACKS[round % ATTACKS.length] ?? ATTACKS[0], listener, targetOf(ours, listener));
}

async function sample(ours: Postvouch, reports: readonly Report[], minute: number): Promise<Sample> {
  const { pid } = ours.child;
  const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  const metrics = await (await fetch(`http://${ours.metrics}/metrics`)).text();
  const [, lag] = /^\S*nodejs_eventloop_lag_p99_seconds (\S+)/m.exec(metrics) ?? [];
  const [lookups, lookups2, lookups3, policy, unseen] = reports.map(({ p99Us }) => p99Us / 1000);
  return {
    minute,
    rssMiB: Number(kilobytes) / 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    loopLagMs: Number(lag) * 1000,
    lookupsP99Ms: Math.max(lookups ?? 0, lookups2 ?? 0, lookups3 ?? 0),
    policyP99Ms: Math.max(policy ?? 0, unseen ?? 0),
    answers: reports.reduce((sum, { answers }) => sum + answers, 0),
    errors: reports.reduce((sum, { errors }) => sum + errors, 0),
  };
}

/** The curves that are shown, by what they are called. */
const CURVES: readonly { readonly title: string; readonly unit: string; readonly of: (sample: Sample) => number }[] = [
  { title: "Memory (RSS)", unit: "MiB", of: ({ rssMiB }) => rssMiB },
  { title: "Open descriptors", unit: "", of: ({ descriptors }) => descriptors },
  { title: "Event loop lag, p99", unit: "ms", of: ({ loopLagMs }) => loopLagMs },
  { title: "Lookups, p99", unit: "ms", of: ({ lookupsP99Ms }) => lookupsP99Ms },
  { title: "Policy requests, p99", unit: "ms", of: ({ policyP99Ms }) => policyP99Ms },
];

function report(samples: readonly Sample[], minutes: number, picture: string | undefined): void {
  const sum = (of: (sample: Sample) => number): number => samples.reduce((total, one) => total + of(one), 0);
  const answers = sum((one) => one.answers).toLocaleString("en");
  const { date, commit, cores, cpu, loadAverage } = describeMachine();
  console.log(`${date}, ${commit}, ${cores} cores of ${cpu}, load average ${loadAverage} at the end\n`);
  console.log(
    `${answers} answers in ${minutes} minutes, ${sum((one) => one.errors)} errors, ${samples.length} reloads\n`,
  );
  console.log("| | first tenth | last tenth | most |\n| --- | ---: | ---: | ---: |");
  const tenth = Math.max(1, Math.floor(samples.length / 10));
  for (const { title, unit, of } of CURVES) {
    const all = samples.map(of);
    const cells = [median(all.slice(0, tenth)), median(all.slice(-tenth)), Math.max(...all)];
    console.log(`| ${title}${unit === "" ? "" : `, ${unit}`} | ${cells.map((cell) => cell.toFixed(1)).join(" | ")} |`);
  }
  if (picture === undefined) return;
  const curves = CURVES.map(({ title, unit, of }): Curve => {
    return { title, unit, points: samples.map((one) => [one.minute, of(one)] as const) };
  });
  writeFileSync(picture, drawCurves(curves, "minutes"));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

const { values } = parseArgs({ options: OPTIONS });
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  console.error(`Cannot run for "${values.minutes}" minutes: want a number`);
  process.exit(64);
}
const exitCode = isInside() ? undefined : rerunInside(process.argv.slice(1));
if (exitCode === undefined) await soak(minutes, values.picture);
else process.exitCode = exitCode;
