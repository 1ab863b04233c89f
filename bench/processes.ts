/** Starts servers on their own core, and stops them by process id. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";

/** One server and its DNS on one core, the load on the other; on larger machines the rest stays idle. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

const READY_MS = 10_000;
const STOP_MS = 5_000;

/** Where a server listens: `127.0.0.1:PORT` or `unix:/path`, as mailload takes it. */
export type Target = string;

/** A child process that ends with its block. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #name: string;

  /**
   * @param core `undefined`: wherever the kernel puts it
   * @param stderr a file descriptor; what the child says is dropped without one
   */
  constructor(name: string, core: number | undefined, command: readonly string[], stderr?: number) {
    this.#name = name;
    const pinned = core === undefined ? command : ["taskset", "-c", String(core), ...command];
    this.#process = spawn(pinned[0] ?? "", pinned.slice(1), { stdio: ["ignore", "ignore", stderr ?? "ignore"] });
  }

  /** taskset becomes what it starts. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Waits until the target takes connections. */
  async listening(target: Target): Promise<this> {
    const deadline = performance.now() + READY_MS;
    while (!(await accepts(target))) {
      if (this.#process.exitCode !== null) throw new Error(`Cannot start ${this.#name}: it ended`);
      if (performance.now() > deadline) throw new Error(`Cannot start ${this.#name}: nothing listens on ${target}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), STOP_MS);
    this.#process.kill("SIGTERM");
    await once(this.#process, "exit");
    clearTimeout(timer);
  }
}

function accepts(target: Target): Promise<boolean> {
  return new Promise((resolve) => {
    const [host = "", port = ""] = target.split(":");
    const socket = host === "unix" ? connect(port) : connect(Number(port), host);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Ports of 127.0.0.1 that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  return servers.map((server) => {
    const address = server.address();
    server.close();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
}
