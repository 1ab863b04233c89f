/**
 * A network of the benchmark's own: loopback only, every port free, and a resolv.conf that names the benchmark's DNS
 * server, because the peers can be given no other one. Nothing outside sees it and nothing has to be cleaned up.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Set in the process that runs inside. */
const INSIDE = "POSTVOUCH_BENCH_NAMESPACE";

const SETUP = 'ip link set lo up && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';

/** Whether this process is inside already. */
export function isInside(): boolean {
  return process.env[INSIDE] === "1";
}

/**
 * Runs this program again inside a new namespace.
 *
 * @returns its exit code; `undefined` where the system allows no namespaces: then the parts that need port 53 are left out
 */
export function rerunInside(argv: readonly string[]): number | undefined {
  const flags = ["--net", "--mount", ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"])];
  if (spawnSync("unshare", [...flags, "ip", "link", "set", "lo", "up"]).status !== 0) return undefined;
  const resolvConf = join(tmpdir(), `postvouch-bench-${process.pid}.resolv.conf`);
  writeFileSync(resolvConf, "nameserver 127.0.0.1\n");
  const { status } = spawnSync("unshare", [...flags, "sh", "-c", SETUP, "sh", resolvConf, process.execPath, ...argv], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: "1" },
  });
  return status ?? 1;
}
