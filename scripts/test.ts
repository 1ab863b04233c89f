/**
 * The whole test command: `npm test`. Installs what the tests need from Debian (as root on Debian; elsewhere those tests
 * are reported as skipped), then checks types, style and unused code, builds dist/ and runs every test.
 * With arguments (`npm test -- test/srs`) only those tests run, and nothing is installed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

/** Programs that tests look for, and the Debian package each comes from. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "/usr/sbin/postconf": "postfix",
  "/usr/lib/postfix/postfix-mysql.so": "postfix-mysql",
  "/usr/bin/policyd-spf": "postfix-policyd-spf-python",
  "/usr/sbin/unbound": "unbound",
  "/usr/sbin/nsd": "nsd",
  "/sbin/ip": "iproute2",
  "/usr/sbin/postsrsd": "postsrsd",
  "/usr/bin/faketime": "faketime",
  "/usr/bin/promtool": "prometheus",
  "/usr/bin/srs": "srs",
  "/usr/lib/python3/dist-packages/spf.py": "python3-spf",
  "/usr/lib/python3/dist-packages/dkim/__init__.py": "python3-dkim",
  "/usr/sbin/opendmarc": "opendmarc",
  "/usr/sbin/opendkim": "opendkim",
  "/usr/sbin/opendkim-genkey": "opendkim-tools",
  "/usr/bin/redis-server": "redis-server",
  "/usr/sbin/mariadbd": "mariadb-server",
  "/usr/bin/python3": "python3",
  "/usr/share/doc/libconfuse2": "libconfuse2",
  "/usr/bin/sqlite3": "sqlite3",
  "/usr/bin/systemd-analyze": "systemd",
  "/usr/bin/xmllint": "libxml2-utils",
  "/usr/share/perl5/Switch.pm": "libswitch-perl",
  "/usr/share/perl5/JSON.pm": "libjson-perl",
  "/usr/share/doc/libdbd-mysql-perl": "libdbd-mysql-perl",
  "/lib/systemd/systemd-journal-remote": "systemd-journal-remote",
  "/usr/bin/chromium": "chromium",
  "/usr/bin/man": "man-db",
  "/usr/bin/mandoc": "mandoc",
  "/usr/bin/zsh": "zsh",
  "/usr/bin/fish": "fish",
  "/usr/bin/fail2ban-regex": "fail2ban",
  "/usr/bin/lintian": "lintian",
  "/usr/bin/strip": "binutils",
  "/usr/bin/patch": "patch",
};

/** While this stands, Debian starts no daemon that a package brings along. */
const POLICY_RC = "/usr/sbin/policy-rc.d";

/** The most files that are run again alone after they failed. More are no accident. */
const MOST_RUN_AGAIN = 5;

/** Lines of an error that are told at the end. */
const FAILURE_LINES = 12;

const ROOT = join(import.meta.dirname, "..");

const filters = process.argv.slice(2);
const reports = mkdtempSync(join(tmpdir(), "postvouch-test-"));
const totals = { passed: 0, failed: 0, skipped: 0 };
/** How long each group took, in words. */
const times: string[] = [];
/** What failed, in words: for the last lines, which a log that is cut still has. */
const failures: string[] = [];
/** What failed beside others and passed alone: told, because it may be a race of ours as well as a slow machine. */
const passedAlone: string[] = [];

if (filters.length === 0) {
  installPrograms();
  run("types", "tsc", ["-p", "tsconfig.json"]);
  run("style", "biome", ["check", "--error-on-warnings"]);
  run("unused code", "knip", []);
  run("build", "node", ["scripts/build.ts"]);
  vitest("unit", ["--exclude", "test/e2e/**"]);
  // Real mail servers in network namespaces: one file at a time.
  vitest("end to end", ["test/e2e", "--no-file-parallelism"]);
} else {
  vitest("chosen", filters);
}
rmSync(reports, { recursive: true, force: true });
for (const failure of passedAlone) process.stdout.write(`\nfailed, but passed when run again alone: ${failure}\n`);
for (const failure of failures) process.stdout.write(`\nfailed: ${failure}\n`);
process.stdout.write(`\nminutes: ${times.join(", ")}\n`);
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
process.exit(failures.length === 0 ? 0 : 1);

function run(name: string, program: string, args: readonly string[]): void {
  if (!timed(name, program, args)) failures.push(name);
}

/** Runs a program under a heading, and tells whether it ended with 0. */
function timed(name: string, program: string, args: readonly string[]): boolean {
  process.stdout.write(`\n== ${name}\n`);
  const startMs = performance.now();
  const { status, error } = spawnSync(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  times.push(`${name} ${((performance.now() - startMs) / 60_000).toFixed(1)}`);
  if (error !== undefined) process.stdout.write(`${error.message}\n`);
  return status === 0;
}

/** The parts of vitest's JSON report that are read. */
interface Report {
  readonly numTotalTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

function vitest(name: string, args: readonly string[]): void {
  const report = reported(name, args);
  if (report === undefined) return;
  totals.skipped += report.numPendingTests + report.numTodoTests;
  const files = report.testResults.filter((file) => failuresOf(file).length > 0);
  const few = files.length > 0 && files.length <= MOST_RUN_AGAIN;
  const again = few
    ? reported(`${name}, again`, [...files.map((file) => file.name), "--no-file-parallelism"])
    : undefined;
  const failed = (again ?? report).testResults.flatMap(failuresOf);
  failures.push(...failed);
  if (again !== undefined && failed.length === 0) passedAlone.push(...files.flatMap(failuresOf));
  totals.failed += failed.length;
  totals.passed += report.numTotalTests - report.numPendingTests - report.numTodoTests - failed.length;
}

/** Runs tests. A run without a report, or one that fails outside of its tests, is a failure of its own. */
function reported(name: string, args: readonly string[]): Report | undefined {
  const file = join(reports, `${name.replaceAll(/\W+/g, "-")}.json`);
  const output = ["--reporter=default", "--reporter=json", `--outputFile=${file}`];
  const passed = timed(name, "vitest", ["run", ...args, ...output]);
  const report = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Report) : undefined;
  if (!passed && (report === undefined || report.testResults.flatMap(failuresOf).length === 0))
    failures.push(`${name}, outside of its tests`);
  return report;
}

function failuresOf({ name, status, message, assertionResults }: Report["testResults"][number]): string[] {
  const tests = assertionResults
    .filter((test) => test.status === "failed")
    .map((test) => `${test.fullName}\n${head(test.failureMessages.join("\n"))}`);
  const all = tests.length === 0 && status === "failed" ? [head(message)] : tests;
  return all.map((text) => `${relative(ROOT, name)}: ${text}`);
}

function head(text: string): string {
  const lines = text.split("\n").filter((line) => !line.includes("/node_modules/"));
  return lines.slice(0, FAILURE_LINES).join("\n");
}

function installPrograms(): void {
  const missing = [...new Set(Object.entries(PROGRAMS).flatMap(([path, name]) => (existsSync(path) ? [] : [name])))];
  if (missing.length === 0) return;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !existsSync("/etc/debian_version")) {
    const why = isRoot ? "this is not Debian" : "not root";
    process.stdout.write(`Not installed: ${missing.join(", ")} (${why}); tests that need them are skipped\n`);
    return;
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const blocksStart = !existsSync(POLICY_RC);
  if (blocksStart) writeFileSync(POLICY_RC, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    process.stdout.write(`== installing from Debian: ${missing.join(", ")}\n`);
    const options = { env, stdio: ["ignore", "ignore", "inherit"] as ["ignore", "ignore", "inherit"] };
    spawnSync("apt-get", ["update", "-q"], options);
    spawnSync("apt-get", ["install", "-yq", "--no-install-recommends", ...missing], options);
  } finally {
    if (blocksStart) rmSync(POLICY_RC);
  }
}
