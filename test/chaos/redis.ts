/** A Redis server that keeps what it has acknowledged, and what can be done to it: frozen, killed. */
import { join } from "node:path";
import { runProgram } from "../helpers/requires.ts";
import { type ServerProcess, startServer } from "../helpers/server-process.ts";

export class ChaosRedis implements AsyncDisposable {
  readonly url: string;
  readonly #directory: string;
  readonly #socket: string;
  #server: ServerProcess | undefined;

  constructor(directory: string) {
    this.#directory = directory;
    this.#socket = join(directory, "redis.sock");
    this.url = `redis+unix:${this.#socket}`;
  }

  async start(): Promise<void> {
    const files = ["--dir", this.#directory, "--appendonly", "yes", "--appendfsync", "always", "--save", ""];
    const args = ["--port", "0", "--unixsocket", this.#socket, ...files];
    this.#server = await startServer("redis-server", args, { isReady: () => this.#answers() });
  }

  /** It takes connections and requests, and answers none. */
  freeze(isFrozen: boolean): void {
    this.#server?.signal(isFrozen ? "SIGSTOP" : "SIGCONT");
  }

  async kill(): Promise<void> {
    await this.#server?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.freeze(false);
    await this.kill();
  }

  #answers(): boolean {
    try {
      return runProgram("redis-cli", ["-s", this.#socket, "PING"]).includes("PONG");
    } catch {
      return false;
    }
  }
}
