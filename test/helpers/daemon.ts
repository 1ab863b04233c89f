/** Runs postvouch as a separate process. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settle } from "./postfix-config.ts";

const MAIN = join(import.meta.dirname, "../../src/main.js");

/** A folder for one test, gone with `using`. */
export function scratch(): Disposable & {
  readonly path: string;
  write(name: string, text: string, mode?: number): string;
} {
  const path = mkdtempSync(join(tmpdir(), "postvouch-"));
  return {
    path,
    write(name, text, mode = 0o600) {
      writeFileSync(join(path, name), text, { mode });
      if (name.endsWith(".cf")) settle(join(path, name));
      return join(path, name);
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export function postvouch(
  args: readonly string[],
  options: { input?: string; env?: Record<string, string>; uid?: number; timeoutMs?: number } = {},
): Ran {
  const env = { ...process.env, ...options.env };
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    input: options.input ?? "",
    env,
    encoding: "utf8",
    timeout: options.timeoutMs ?? 20_000,
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  return { status, stdout, stderr };
}

/** As `postvouch`, while this process goes on: for commands that talk to a server in it. */
export async function postvouchAsync(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { status, ...output };
}

/** Ports that nobody listened on a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A running daemon. */
export class RunningDaemon implements AsyncDisposable {
  readonly child: ChildProcess;
  output = "";
  readonly exited: Promise<number | null>;

  constructor(args: readonly string[], env: Record<string, string> = {}, main = MAIN, node = process.execPath) {
    this.child = spawn(node, [main, "serve", ...args], { env: { ...process.env, ...env } });
    this.child.stdout?.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    this.child.stderr?.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    this.exited = new Promise((resolve) => this.child.once("close", (code) => resolve(code)));
  }

  /** Waits until the output holds `text` so many times. */
  async said(text: string, times = 1): Promise<void> {
    const deadline = Date.now() + 15_000;
    while (this.output.split(text).length <= times) {
      if (Date.now() > deadline || this.child.exitCode !== null) {
        throw new Error(`Cannot find "${text}" ${times} times in what the daemon said:\n${this.output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}

/** A connection that sends text and collects what comes back (latin1). */
export class Peer implements Disposable {
  readonly socket: Socket;
  received = "";
  readonly closed: Promise<void>;

  constructor(where: number | string) {
    this.socket = typeof where === "number" ? connect(where, "127.0.0.1") : connect(where);
    this.socket.on("data", (chunk: Buffer) => (this.received += chunk.toString("latin1")));
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve()));
  }

  /** Sends `text` and waits for an answer that ends with `end`. */
  async ask(text: string, end = "\n"): Promise<string> {
    this.received = "";
    this.socket.write(text, "latin1");
    const deadline = Date.now() + 10_000;
    while (!this.received.endsWith(end)) {
      if (Date.now() > deadline || this.socket.destroyed) throw new Error(`no answer to ${JSON.stringify(text)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.received;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
