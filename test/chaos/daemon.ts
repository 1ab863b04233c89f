/** The daemon as systemd would run it, and what can be done to it: killed, misled about the time, its log not read. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { eventually } from "../e2e/lab/eventually.ts";
import type { Lab } from "../e2e/lab/lab.ts";
import { NODE, PACKAGE } from "../e2e/lab/runtime.ts";

const FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/** Whether the daemon's clock can be stepped on this machine. */
export const canStepClock = existsSync(FAKETIME);

/** What is kept of the log: its end. */
const MAX_LOG_CHARS = 20_000;

export class ChaosDaemon implements AsyncDisposable {
  readonly configFile: string;
  /** Times that it ended without being told to. */
  deaths = 0;
  /** The end of its log. */
  log = "";
  /** How often it said what: `error store`, `warn dns`. */
  readonly said = new Map<string, number>();
  readonly #lab: Lab;
  readonly #clockFile: string;
  #child: ChildProcess | undefined;

  constructor(lab: Lab, directory: string) {
    this.#lab = lab;
    this.configFile = join(directory, "postvouch.toml");
    this.#clockFile = join(directory, "clock");
  }

  /** Starts it and waits until it takes connections. */
  async start(): Promise<void> {
    this.stepClock("+0");
    const fake = { LD_PRELOAD: FAKETIME, FAKETIME_TIMESTAMP_FILE: this.#clockFile, FAKETIME_NO_CACHE: "1" };
    const env = canStepClock ? { ...fake, FAKETIME_DONT_FAKE_MONOTONIC: "1" } : {};
    const mailConfig = { MAIL_CONFIG: this.#lab.host("fwd").configDir };
    const settings = Object.entries({ ...env, ...mailConfig }).map(([name, value]) => `${name}=${value}`);
    const program = [NODE, join(PACKAGE, "src/main.js"), "serve", "--config", this.configFile];
    const [command = "", ...args] = this.#lab.on("fwd", ["env", ...settings, ...program]);
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    let began = "";
    this.#output(child).on("data", (bytes: Buffer) => {
      const text = bytes.toString("latin1");
      if (began.length < MAX_LOG_CHARS) began += text;
      this.log = (this.log + text).slice(-MAX_LOG_CHARS);
      for (const [, what = ""] of text.matchAll(/^((?:warn|error) \w+|info spf.* mailfrom_result=temperror)/gm)) {
        const key = what.replace(/^info spf.*=/, "info spf ");
        this.said.set(key, (this.said.get(key) ?? 0) + 1);
      }
    });
    child.on("exit", (code) => {
      if (code !== null && code !== 0) this.deaths++;
    });
    const isUp = (): true | undefined => (began.includes(" listening listener=metrics") ? true : undefined);
    await eventually("a running daemon", isUp, () => this.log);
  }

  /** Nobody reads its log any more, or somebody does again. */
  blockLog(isBlocked: boolean): void {
    if (this.#child === undefined) return;
    if (isBlocked) this.#output(this.#child).pause();
    else this.#output(this.#child).resume();
  }

  /** As libfaketime takes it: `+1d`, `-1h`. */
  stepClock(offset: string): void {
    writeFileSync(this.#clockFile, `${offset}\n`);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Ends it. @returns its exit code, `null` after a signal that it could not catch */
  async end(name: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, "exit");
    this.#output(child).resume();
    child.kill(name);
    await exited;
    return child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }

  #output({ stderr }: ChildProcess): Readable {
    if (stderr === null) throw new Error("Cannot read the log: the daemon was started without a pipe");
    return stderr;
  }
}
