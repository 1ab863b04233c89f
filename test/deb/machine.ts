/**
 * A clean Debian that boots its own systemd in namespaces. It needs root, debootstrap and cgroups version 2. The system
 * that debootstrap makes is kept in the folder for temporary files, for the next run.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { requirePrograms, skipReason } from "../helpers/requires.ts";

const SUITE = "bookworm";
const MIRROR = "http://deb.debian.org/debian";

/** Beside the base system: an init, a Postfix, and the rival. */
const PACKAGES = ["systemd-sysv", "dbus", "postfix", "postsrsd"];

/** Time for a boot, and for a script to succeed, in milliseconds. */
const BOOT_MS = 90_000;
const UNTIL_MS = 40_000;

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder with a Debian in it, without any process. */
export class DebianRoot implements Disposable {
  readonly path: string;

  /** @param packages what is installed beside the base system  @throws {Error} with debootstrap's last lines */
  constructor(packages: readonly string[] = PACKAGES) {
    const archive = join(tmpdir(), `postvouch-${SUITE}-${packages.join("-")}.tar`);
    this.path = mkdtempSync(join(tmpdir(), "postvouch-debian-"));
    // Anybody can put a file there.
    if (statSync(archive, { throwIfNoEntry: false })?.uid !== process.getuid?.()) {
      const include = packages.length === 0 ? [] : [`--include=${packages.join(",")}`];
      const args = ["--variant=minbase", ...include, SUITE, this.path, MIRROR];
      must("debootstrap", args);
      must("tar", ["-C", this.path, "-cf", `${archive}.new`, "."]);
      renameSync(`${archive}.new`, archive);
    } else must("tar", ["-C", this.path, "-xf", archive]);
    // Else none but root could use it.
    chmodSync(this.path, 0o755);
  }

  /** Runs a script of sh in it, without systemd. */
  sh(script: string): Ran {
    const mount = `mount -t proc proc "$1/proc"; exec chroot "$1" sh -c "$2"`;
    const args = ["--mount", "--pid", "--fork", "sh", "-c", mount, "sh", this.path, script];
    return ran("unshare", args);
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.path, path), text);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A Debian whose systemd runs. Its network is a loopback interface alone. */
export class Machine implements AsyncDisposable {
  readonly #root: DebianRoot;
  readonly #cgroup: string;
  readonly #front: ChildProcess;

  private constructor(root: DebianRoot, cgroup: string) {
    this.#root = root;
    this.#cgroup = cgroup;
    mkdirSync(cgroup);
    // The shell goes into the cgroup before the namespaces are made.
    const enter = `echo $$ >"$1/cgroup.procs"; shift; exec "$@"`;
    const namespaces = ["unshare", "--mount", "--pid", "--fork", "--ipc", "--uts", "--net"];
    const boot = [...namespaces, "sh", join(import.meta.dirname, "boot.sh"), root.path];
    this.#front = spawn("sh", ["-c", enter, "sh", cgroup, ...boot], { stdio: ["ignore", "ignore", "inherit"] });
  }

  /** @throws {Error} if it is not up in time */
  static async boot(root: DebianRoot): Promise<Machine> {
    const machine = new Machine(root, join(cgroupRoot() ?? "", `postvouch-test-${process.pid}`));
    const deadline = Date.now() + BOOT_MS;
    for (;;) {
      const { stdout } = machine.sh("systemctl is-system-running");
      if (/^(?:running|degraded)$/m.test(stdout)) return machine;
      if (Date.now() > deadline || machine.#front.exitCode !== null) {
        await machine[Symbol.asyncDispose]();
        throw new Error(`Cannot boot "${root.path}": it is ${stdout.trim() || "not there"}`);
      }
      await delay(300);
    }
  }

  /** Runs a script of sh in it. */
  sh(script: string): Ran {
    const init = this.#init();
    if (init === undefined) return { status: null, stdout: "", stderr: "" };
    const where = ["-t", String(init), "--mount", "--pid", "--ipc", "--uts", "--net", "--cgroup", "--root", "--wd"];
    const env = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"];
    return ran("nsenter", [...where, ...env, "sh", "-c", script]);
  }

  /** Waits until the script succeeds. @returns what it printed */
  async until(script: string): Promise<string> {
    for (const deadline = Date.now() + UNTIL_MS; ; await delay(200)) {
      const { status, stdout, stderr } = this.sh(script);
      if (status === 0) return stdout;
      if (Date.now() > deadline) throw new Error(`Cannot see the success of "${script}": ${stdout}${stderr}`);
    }
  }

  write(path: string, text: string): void {
    this.#root.write(path, text);
  }

  #init(): number | undefined {
    const pid = this.#front.pid ?? 0;
    const children = `/proc/${pid}/task/${pid}/children`;
    const [child] = existsSync(children) ? readFileSync(children, "utf8").split(" ").filter(Boolean) : [];
    return child === undefined ? undefined : Number(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const init = this.#init();
    const ended = new Promise((resolve) => this.#front.once("exit", resolve));
    // The end of its first process ends all.
    if (init !== undefined) process.kill(init, "SIGKILL");
    if (this.#front.exitCode === null) await ended;
    removeCgroup(this.#cgroup);
  }
}

/** Why no Debian can be made and booted here, or `undefined`. @throws {Error} when `CI=true` */
export function missingMachine(): string | undefined {
  if (process.getuid?.() !== 0) return skipReason("Cannot run: not root");
  if (cgroupRoot() === undefined) return skipReason("Cannot run: no cgroups version 2");
  return requirePrograms("debootstrap", "dpkg-deb", "strip", "unshare", "nsenter");
}

function cgroupRoot(): string | undefined {
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  return mounts.map((line) => line.split(" ")).find(([, , type]) => type === "cgroup2")?.[1];
}

function removeCgroup(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeCgroup(join(path, entry.name));
  rmdirSync(path);
}

function ran(program: string, args: readonly string[]): Ran {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", timeout: 240_000 });
  return { status, stdout, stderr };
}

function must(program: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`Cannot run "${program}": ${(stdout + stderr).slice(-2000)}`);
}
