/**
 * The whole test command: `npm test`. Installs what the tests need from Debian (as root on Debian; elsewhere those tests
 * are reported as skipped), then checks types, style and unused code, builds dist/ and runs every test.
 * With arguments (`npm test -- test/srs`) only those tests run, and nothing is installed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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
  "/usr/sbin/opendmarc": "opendmarc",
  "/usr/sbin/opendkim": "opendkim",
  "/usr/bin/redis-server": "redis-server",
  "/usr/sbin/mariadbd": "mariadb-server",
  "/usr/bin/python3": "python3",
  "/usr/bin/sqlite3": "sqlite3",
  "/usr/bin/systemd-analyze": "systemd",
};

/** While this stands, Debian starts no daemon that a package brings along. */
const POLICY_RC = "/usr/sbin/policy-rc.d";

const filters = process.argv.slice(2);
const reports = mkdtempSync(join(tmpdir(), "postvouch-test-"));
const totals = { passed: 0, failed: 0, skipped: 0 };
/** How long each group took, in words. */
const times: string[] = [];
let ok = true;

if (filters.length === 0) {
  installPrograms();
  run("types", "tsc", ["-p", "tsconfig.json"]);
  run("style", "biome", ["check", "--error-on-warnings"]);
  run("unused code", "knip", []);
  run("build", "tsc", ["-p", "tsconfig.build.json"]);
  vitest("unit", ["--exclude", "test/e2e/**"]);
  // Real mail servers in network namespaces: one file at a time.
  vitest("end to end", ["test/e2e", "--no-file-parallelism"]);
} else {
  vitest("chosen", filters);
}
rmSync(reports, { recursive: true, force: true });
process.stdout.write(`\nminutes: ${times.join(", ")}\n`);
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
process.exit(ok ? 0 : 1);

function run(name: string, program: string, args: readonly string[]): void {
  process.stdout.write(`\n== ${name}\n`);
  const startMs = performance.now();
  const { status, error } = spawnSync(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  times.push(`${name} ${((performance.now() - startMs) / 60_000).toFixed(1)}`);
  if (status === 0) return;
  if (error !== undefined) process.stdout.write(`${error.message}\n`);
  process.stdout.write(`${name}: failed\n`);
  ok = false;
}

function vitest(name: string, args: readonly string[]): void {
  const report = join(reports, `${name.replace(" ", "-")}.json`);
  run(name, "vitest", ["run", ...args, "--reporter=default", "--reporter=json", `--outputFile=${report}`]);
  if (!existsSync(report)) return;
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
    readFileSync(report, "utf8"),
  ) as Record<string, number>;
  totals.passed += numPassedTests ?? 0;
  totals.failed += numFailedTests ?? 0;
  totals.skipped += (numPendingTests ?? 0) + (numTodoTests ?? 0);
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
