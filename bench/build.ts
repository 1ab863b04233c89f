/** Compiles the servers and the load generator into node_modules/.cache, so that a dist/ in use stays unchanged. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

const BENCH_DIR = import.meta.dirname;
const ROOT = join(BENCH_DIR, "..");
const CACHE = join(ROOT, "node_modules", ".cache", "postvouch-bench");

/** Paths of the compiled programs. */
export interface Built {
  readonly mailload: string;
  readonly milterload: string;
  readonly cEcho: string;
  readonly nodeEcho: string;
  readonly nodeRelay: string;
  readonly cMilterEcho: string;
  readonly nodeMilterEcho: string;
  readonly dnsResponder: string;
  /** The daemon, as `npm run build` makes it. */
  readonly daemon: string;
}

/** @throws when a compiler is missing or fails; what it said is on stderr */
export function build(): Built {
  mkdirSync(CACHE, { recursive: true });
  copyFileSync(join(ROOT, "package.json"), join(CACHE, "package.json"));
  const outDir = join(CACHE, "dist");
  run(process.execPath, [join(ROOT, "scripts", "build.ts"), outDir]);
  return {
    mailload: compile("mailload"),
    milterload: compile("milterload"),
    cEcho: compile("echo"),
    nodeEcho: join(BENCH_DIR, "echo.cjs"),
    nodeRelay: join(BENCH_DIR, "relay.cjs"),
    cMilterEcho: compile("milter-echo"),
    nodeMilterEcho: join(BENCH_DIR, "milter-echo.cjs"),
    dnsResponder: compile("dns-responder"),
    daemon: join(outDir, "main.js"),
  };
}

function compile(name: string): string {
  const source = join(BENCH_DIR, `${name}.c`);
  const program = join(CACHE, name);
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  run(process.env.CC ?? "cc", ["-O2", "-o", program, source, "-lm"]);
  return program;
}

function run(command: string, args: readonly string[]): void {
  execFileSync(command, args, { cwd: ROOT, stdio: ["ignore", 2, 2] });
}
