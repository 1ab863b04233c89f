/**
 * Does what the Containerfile says, step by step and without a container engine, on a Debian of its own, and runs the
 * result as an engine would: `npm run test:deb`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildDeb } from "../../scripts/deb.ts";
import { DebianRoot, missingMachine } from "./machine.ts";

const isAsked = process.env.POSTVOUCH_TEST_DEB === "1";
const missing = isAsked ? missingMachine() : "npm run test:deb";

const MINUTES = 60_000;
const FILE = join(import.meta.dirname, "../../deploy/container/Containerfile");

/** The instructions of the Containerfile, each in one line. */
const steps = readFileSync(FILE, "utf8")
  .replaceAll(/^#.*\n/gm, "")
  .replaceAll("\\\n", " ")
  .split("\n")
  .map((line) => /^(\S+)\s+(.*)$/.exec(line)?.slice(1) ?? [])
  .filter((step) => step.length > 0) as [name: string, rest: string][];

function step(name: string): string {
  return steps.find(([one]) => one === name)?.[1] ?? "";
}

const CONFIG = `hostname = "mx.home.test"
srs.domain = "srs.home.arpa"
srs.secrets_file = "/etc/postvouch/srs.secrets"
dns.servers = ["127.0.0.1:9"]
`;

describe.skipIf(missing !== undefined)(`the Containerfile (${missing ?? "without an engine"})`, () => {
  const folder = mkdtempSync(join(tmpdir(), "postvouch-image-"));
  let root: DebianRoot;
  beforeAll(() => {
    root = new DebianRoot([]);
    const [, from = "", to = ""] = /^(\S+) (\S+)$/.exec(step("COPY")) ?? [];
    expect(from).toBe("build/postvouch_*.deb");
    cpSync(buildDeb(folder, { quick: true }), join(root.path, to));
    expect(root.sh(step("RUN"))).toMatchObject({ status: 0 });
    root.write("etc/postvouch/postvouch.toml", CONFIG);
    root.write("etc/postvouch/srs.secrets", "tops3cr3t\n");
  }, 10 * MINUTES);
  afterAll(() => {
    root?.[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test("leaves no list of packages and no package behind", () => {
    expect(root.sh("ls /tmp /var/lib/apt/lists").stdout.trim().split(/\s+/)).toEqual(["/tmp:", "/var/lib/apt/lists:"]);
    expect(root.sh("dpkg -s systemd").status).not.toBe(0);
  });

  test("serves as process 1 on a system that it cannot write, is healthy, and ends in time", {
    timeout: 2 * MINUTES,
  }, async () => {
    const user = step("USER");
    const [volume] = [step("VOLUME")];
    const command = [...JSON.parse(step("ENTRYPOINT")), ...JSON.parse(step("CMD"))] as string[];
    const setUp = `ip link set lo up; mount --bind "$1" "$1"; mount -t proc proc "$1/proc"; mount -t tmpfs tmpfs "$1${volume}"
mount -o remount,ro,bind "$1"; root=$1; shift; exec chroot --userspec=${user} "$root" "$@"`;
    const namespaces = ["--mount", "--pid", "--fork", "--net", "--kill-child"];
    const front = spawn("unshare", [...namespaces, "sh", "-c", setUp, "sh", root.path, ...command]);
    let output = "";
    front.stderr.on("data", (bytes: Buffer) => (output += String(bytes)));
    try {
      await expect.poll(() => output, { timeout: MINUTES }).toContain("info listening");
      const [, health = ""] = /CMD (\[.*\])$/.exec(step("HEALTHCHECK")) ?? [];
      expect(await inside(front, root, JSON.parse(health) as string[])).toMatchObject({ status: 0 });
      const ask = ["/usr/bin/postvouch", "srs", "forward", "a@elsewhere.example"];
      expect(await inside(front, root, ask)).toMatchObject({
        stdout: expect.stringMatching(/^SRS0=.*@srs\.home\.arpa\n$/),
      });
      const nobodyHome = [
        "/usr/lib/postvouch/node",
        "-e",
        (JSON.parse(health) as string[])[2]?.replace("9797", "9798") ?? "",
      ];
      expect((await inside(front, root, nobodyHome)).status).toBe(1);
      const startMs = performance.now();
      process.kill(childOf(front), step("STOPSIGNAL") as NodeJS.Signals);
      const status = await new Promise((resolve) => front.once("exit", resolve));
      expect({ status, isQuick: performance.now() - startMs < 10_000 }).toEqual({ status: 0, isQuick: true });
      expect(output).toContain("info stopping signal=SIGTERM");
    } finally {
      front.kill("SIGKILL");
    }
  });
});

/** The process that `unshare` has started. */
function childOf(front: ChildProcess): number {
  const pid = front.pid ?? 0;
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0]);
}

/** Runs a command in the namespaces of the container, as `podman exec` would. */
async function inside(front: ChildProcess, root: DebianRoot, command: readonly string[]) {
  const where = ["-t", String(childOf(front)), "--net", "--mount", "--pid", "--root", "--wd"];
  const child = spawn("nsenter", [...where, ...command], { cwd: root.path });
  let stdout = "";
  child.stdout.on("data", (bytes: Buffer) => (stdout += String(bytes)));
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { status, stdout };
}
