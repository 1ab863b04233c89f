/** Our own daemon, from the sources, in the namespace of one of the lab's hosts. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { eventually } from "./eventually.ts";
import type { Network } from "./network.ts";
import { NODE, PACKAGE } from "./runtime.ts";

export interface PostvouchOptions {
  readonly network: Network;
  /** The lab's host that it runs on. */
  readonly host: string;
  /** Where its files go. */
  readonly directory: string;
  /** postvouch.toml, without `[metrics]` and `state_dir`. */
  readonly toml: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Run it as this user instead of root. */
  readonly uid?: number;
}

export class Postvouch implements AsyncDisposable {
  readonly configFile: string;
  readonly #options: PostvouchOptions;
  readonly #child: ChildProcess;
  readonly #log: string;

  private constructor(options: PostvouchOptions, child: ChildProcess) {
    const { directory } = options;
    this.#options = options;
    this.#child = child;
    this.configFile = join(directory, "postvouch.toml");
    this.#log = join(directory, "postvouch.log");
  }

  /** Starts it and waits until its ports are open. */
  static async start(options: PostvouchOptions): Promise<Postvouch> {
    const { directory, network, host, uid } = options;
    writeFileSync(join(directory, "postvouch.toml"), configuration(options));
    const argv = [NODE, join(PACKAGE, "src", "main.js"), "serve", "--config", join(directory, "postvouch.toml")];
    const user = uid === undefined ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
    if (uid !== undefined) chownSync(directory, uid, uid);
    const [program = "", ...args] = network.on(host, [...user, ...argv]);
    const log = openSync(join(directory, "postvouch.log"), "w");
    const env = { ...process.env, ...options.env };
    const postvouch = new Postvouch(options, spawn(program, args, { env, stdio: ["ignore", log, log] }));
    await eventually(
      "a running daemon",
      () => postvouch.#isListening(),
      () => postvouch.#lastLines(),
    );
    return postvouch;
  }

  /** Takes over another configuration by SIGHUP. */
  async reload(toml: string): Promise<void> {
    writeFileSync(this.configFile, configuration({ ...this.#options, toml }));
    const before = this.logLines(/ reload /).length;
    this.signal("SIGHUP");
    await eventually(
      "a reload",
      () => this.logLines(/ reload /)[before],
      () => this.logLines(/./).join("\n"),
    );
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Sends SIGTERM. @returns the exit code */
  async stop(): Promise<number | null> {
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    }
    return child.exitCode;
  }

  logLines(pattern: RegExp): string[] {
    return readFileSync(this.#log, "latin1")
      .split("\n")
      .filter((line) => pattern.test(line));
  }

  logged(pattern: RegExp): Promise<string> {
    return eventually(
      `a line like ${pattern} in the daemon's log`,
      () => this.logLines(pattern)[0],
      () => this.#lastLines(),
    );
  }

  #isListening(): true | undefined {
    if (this.#child.exitCode !== null) throw new Error(`Cannot start the daemon:\n${this.#lastLines()}`);
    return this.logLines(/ listening listener=metrics/).length > 0 ? true : undefined;
  }

  #lastLines(): string {
    return this.logLines(/./).slice(-40).join("\n");
  }

  /** GET /metrics: a unix socket is reached from outside the namespace. */
  async scrape(): Promise<string> {
    const asked = request({ socketPath: join(this.#options.directory, "metrics.sock"), path: "/metrics" });
    asked.end();
    const [response] = (await once(asked, "response")) as [NodeJS.ReadableStream];
    return text(response);
  }

  /** The value of one sample of the scrape, 0 when there is none. */
  async metric(sample: string): Promise<number> {
    const line = (await this.scrape()).split("\n").find((each) => each.startsWith(`${sample} `));
    return Number(line?.slice(sample.length + 1) ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function configuration({ directory, toml }: PostvouchOptions): string {
  const metrics = `[metrics]\nlisten = ["127.0.0.1:9797", "unix:${directory}/metrics.sock"]\n`;
  return `state_dir = "${directory}"\n${toml}\n${metrics}`;
}
