/**
 * `npm run bench [-- PART… OPTIONS]`: measures postvouch beside the programs it replaces and beside what the machine
 * could do at most, prints the tables and keeps those of a whole run in bench/results/. See README.md.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "./build.ts";
import { describeMachine } from "./machine.ts";
import { isInside, rerunInside } from "./namespace.ts";
import { commandsPart } from "./parts/commands.ts";
import { coresPart } from "./parts/cores.ts";
import { deadDnsPart } from "./parts/dead-dns.ts";
import { dkimPart } from "./parts/dkim.ts";
import { hostilePart } from "./parts/hostile.ts";
import { memoryPart } from "./parts/memory.ts";
import { microPart } from "./parts/micro.ts";
import { milterPart } from "./parts/milter.ts";
import { openLoopPart } from "./parts/open-loop.ts";
import { ownDomainsPart } from "./parts/own-domains.ts";
import { spfPart } from "./parts/spf.ts";
import { srsPart } from "./parts/srs.ts";
import { startPart } from "./parts/start.ts";
import { type PartResult, toMarkdown } from "./results.ts";
import type { Bench, Effort } from "./subjects.ts";
import { positiveNumber, UsageError } from "./usage-error.ts";

const PARTS: Readonly<Record<string, (bench: Bench) => Promise<PartResult>>> = {
  srs: srsPart,
  "own-domains": ownDomainsPart,
  "open-loop": openLoopPart,
  spf: spfPart,
  "dead-dns": deadDnsPart,
  hostile: hostilePart,
  memory: memoryPart,
  start: startPart,
  commands: commandsPart,
  cores: coresPart,
  dkim: dkimPart,
  milter: milterPart,
  micro: microPart,
};

const WHOLE: Effort = { rounds: 5, seconds: 3, warmupSeconds: 1 };
const QUICK: Effort = { rounds: 3, seconds: 1, warmupSeconds: 0.5 };

const OPTIONS = {
  quick: { type: "boolean" },
  rounds: { type: "string" },
  seconds: { type: "string" },
  also: { type: "string", multiple: true },
  store: { type: "boolean" },
  "only-builds": { type: "boolean" },
  only: { type: "string" },
} as const;

const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
const unknown = positionals.find((name) => PARTS[name] === undefined);
if (unknown !== undefined) {
  console.error(`Cannot measure "${unknown}": want ${Object.keys(PARTS).join(", ")}`);
  process.exit(64);
}
const exitCode = isInside() ? undefined : rerunInside(process.argv.slice(1));
if (exitCode === undefined) await run().catch(explain);
else process.exitCode = exitCode;

/** Prints what was wrong with the arguments. @throws any other error */
function explain(error: unknown): void {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 64;
}

async function run(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "postvouch-bench-"));
  try {
    const machine = describeMachine();
    const bench = createBench(directory);
    const results = new Map<string, PartResult>();
    for (const name of positionals.length === 0 ? Object.keys(PARTS) : positionals) {
      const part = PARTS[name];
      if (part !== undefined) results.set(name, await part(bench));
    }
    const text = toMarkdown(machine, results);
    console.log(text);
    if (values.store === true || (positionals.length === 0 && values.quick !== true)) store(positionals, text);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function createBench(directory: string): Bench {
  const effort = values.quick === true ? QUICK : WHOLE;
  return {
    built: build(),
    directory,
    hasNamespace: isInside(),
    onlyBuilds: values["only-builds"] === true,
    only: values.only ?? "",
    also: new Map((values.also ?? []).map((entry) => splitAt(entry, "="))),
    effort: {
      ...effort,
      ...(values.rounds === undefined ? {} : { rounds: positiveNumber("rounds", values.rounds) }),
      ...(values.seconds === undefined ? {} : { seconds: positiveNumber("seconds", values.seconds) }),
    },
    say: (line) => console.error(line),
  };
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + 1)];
}

function store(parts: readonly string[], text: string): void {
  const name = parts.length === 0 ? "whole" : parts.join("-");
  writeFileSync(join(import.meta.dirname, "results", `${name}.md`), `# npm run bench\n\n${text}`);
}
