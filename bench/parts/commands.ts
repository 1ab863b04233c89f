/** Measures CPU time and memory of the small commands beside a Node.js that does nothing, in pairs. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { median } from "../measurements.ts";
import type { PartResult } from "../results.ts";
import { writeSecret } from "../servers/secret.ts";
import type { Bench } from "../subjects.ts";

/** Runs of each command for one round of effort. */
const RUNS_PER_ROUND = 8;

const MOST_CPU_RATIO = 1.5;
const MOST_MORE_MIB = 12;

const POSTCONF = "/usr/sbin/postconf";

const NOTHING = "node -e 0";

interface Cost {
  readonly cpuMs: number;
  readonly peakMiB: number;
}

export async function commandsPart(bench: Bench): Promise<PartResult> {
  using _ = hidePostconf(bench);
  const postvouch = (...args: string[]): string[] => [bench.built.daemon, ...args];
  const commands: Readonly<Record<string, readonly string[]>> = {
    [NOTHING]: ["-e", "0"],
    "--version": postvouch("--version"),
    "--help": postvouch("--help"),
    "srs secret": postvouch("srs", "secret"),
    "check-config": postvouch("check-config", "--config", configFile(bench)),
  };
  const costs = new Map<string, Cost[]>(Object.keys(commands).map((name) => [name, []]));
  for (let run = 0; run < bench.effort.rounds * RUNS_PER_ROUND; run++) {
    for (const [name, args] of Object.entries(commands)) costs.get(name)?.push(await measure(name, args));
  }
  bench.say(`commands: ${bench.effort.rounds * RUNS_PER_ROUND} runs of each`);
  const base = costs.get(NOTHING) ?? [];
  const rows = [...costs].map(([name, all]) => ({ name, ...compare(all, base) }));
  return {
    tables: [
      {
        title: "A command, from its start to its end",
        columns: ["", "CPU, ms", `x ${NOTHING}`, "peak memory, MiB", "more, MiB"],
        rows: rows.map(({ name, cpuMs, cpuRatio, peakMiB, moreMiB }) => [
          name,
          cpuMs.toFixed(1),
          cpuRatio.toFixed(2),
          peakMiB.toFixed(1),
          moreMiB.toFixed(1),
        ]),
      },
    ],
    goals: rows
      .filter(({ name }) => name !== NOTHING)
      .flatMap(({ name, cpuRatio, moreMiB }) => [
        { what: `${name}: CPU time`, atMost: MOST_CPU_RATIO, unit: `x ${NOTHING}`, got: cpuRatio },
        { what: `${name}: more memory`, atMost: MOST_MORE_MIB, unit: "MiB", got: moreMiB },
      ]),
  };
}

/** Has nobody run postconf, whose time is not ours, until it is disposed of. */
function hidePostconf(bench: Bench): Disposable {
  const isHidden = bench.hasNamespace && existsSync(POSTCONF);
  if (isHidden) spawnSync("mount", ["--bind", "/dev/null", POSTCONF]);
  return { [Symbol.dispose]: () => void (isHidden && spawnSync("umount", [POSTCONF])) };
}

/** A host where nothing listens: nothing is asked of DNS, whose time is not ours. */
function configFile(bench: Bench): string {
  const directory = join(bench.directory, "commands");
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "postvouch.toml");
  const srs = `[srs]\ndomain = "srs.bench.example"\nsecrets_file = "${writeSecret(directory)}"\n`;
  const listeners = ["tcptable", "socketmap", "policy", "metrics"].map((section) =>
    section === "tcptable" ? "[tcptable]\nforward = []\nreverse = []\n" : `[${section}]\nlisten = []\n`,
  );
  writeFileSync(file, `hostname = "mx.bench.example"\n${srs}${listeners.join("")}`);
  return file;
}

/** Medians, and the medians of the differences to the runs of `base` beside each. */
function compare(all: readonly Cost[], base: readonly Cost[]) {
  const middle = (of: (cost: Cost, other: Cost) => number): number =>
    median(all.map((cost, i) => of(cost, base[i] ?? cost))) ?? 0;
  return {
    cpuMs: middle(({ cpuMs }) => cpuMs),
    cpuRatio: middle((cost, other) => cost.cpuMs / other.cpuMs),
    peakMiB: middle(({ peakMiB }) => peakMiB),
    moreMiB: middle((cost, other) => cost.peakMiB - other.peakMiB),
  };
}

/** Runs Node.js under time(1)'s own counters, those of wait4(2). */
async function measure(name: string, args: readonly string[]): Promise<Cost> {
  const child = spawn("python3", ["-c", WAIT4, process.execPath, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const code = await new Promise((resolve) => child.once("close", resolve));
  const [status, cpuMs, peakKiB] = text.split(" ").map(Number);
  if (code !== 0 || status !== 0 || cpuMs === undefined || peakKiB === undefined)
    throw new Error(`Cannot measure "${name}": it ended with ${status}`);
  return { cpuMs, peakMiB: peakKiB / 1024 };
}

const WAIT4 = `
import os, sys
null = os.open(os.devnull, os.O_WRONLY)
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)])
_, status, used = os.wait4(pid, 0)
print(status, (used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss)
`;
