/**
 * Who does on a host what a page says. The shell runs each command as it stands; what only systemd as the first process
 * could do is played here: systemctl starts and stops processes, and heeds Conflicts= of our unit; systemd-run runs a
 * command as another user, who owns the directory of the state.
 */
import { chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "./lab.ts";
import { commandsOf } from "./pages.ts";
import type { Postfix } from "./postfix.ts";
import { NODE, PACKAGE } from "./runtime.ts";

/** A service of the host, as systemctl knows it. */
export interface Unit {
  start(): Promise<AsyncDisposable>;
  reload?(): Promise<void>;
}

/** nobody and nogroup, for the user that DynamicUser= would make. */
const NOBODY = 65_534;

export class Admin {
  /** Stands for /etc: `postvouch/`, `default/postsrsd`, `postsrsd.secret`. */
  readonly etc: string;
  /** What a unit's `Conflicts=` names is stopped when it is started, and the other way round. */
  conflicts = conflictsOfUnit();
  readonly #host: Postfix;
  readonly #units = new Map<string, Unit>();
  readonly #running = new Map<string, AsyncDisposable>();

  constructor(lab: Lab, host: Postfix) {
    this.#host = host;
    this.etc = join(lab.directory, "etc");
    const folders = ["default", "bin", "systemd/system", "postfix-policyd-spf-python"];
    for (const folder of folders) mkdirSync(join(this.etc, folder), { recursive: true });
    // The files that an import finds are not those of this machine.
    const found = `[ "$1" = import ] && set -- "$@" ${this.etc} ${host.configDir}\n`;
    const script = `#!/bin/sh\n${found}exec ${NODE} ${PACKAGE}/src/main.js "$@" --config ${this.etc}/postvouch/postvouch.toml\n`;
    writeFileSync(join(this.etc, "bin/postvouch"), script, { mode: 0o755 });
  }

  addUnit(name: string, unit: Unit): void {
    this.#units.set(name, unit);
  }

  /** Writes a file below /etc. */
  write(name: string, text: string): void {
    writeFileSync(join(this.etc, name), text);
  }

  /** Does what a block of a page says. @returns what was printed */
  async does(block: string): Promise<string> {
    const printed: string[] = [];
    for (const command of commandsOf(block)) printed.push(await this.#run(command));
    return printed.join("");
  }

  async #run(command: string): Promise<string> {
    const words = command.replace(/ #.*$/, "").split(/\s+/).filter(Boolean);
    if (words[0] === "systemctl") return this.#systemctl(words.slice(1));
    if (words[0] === "systemd-run") return this.#systemdRun(words.slice(1));
    if (command === "postfix reload") {
      await this.#host.reload();
      return "";
    }
    const run = (): Promise<string> => this.#host.run(["sh", "-euc", command], { env: this.#environment() });
    return /^postvouch setup .*--(?:apply|undo)/.test(command) ? this.#host.reloadBy(run) : run();
  }

  #environment(): Record<string, string> {
    return { MAIL_CONFIG: this.#host.configDir, PATH: `${this.etc}/bin:/usr/sbin:/usr/bin:/sbin:/bin` };
  }

  async #systemctl(words: readonly string[]): Promise<string> {
    const [verb = "", ...names] = words.filter((word) => word !== "--now");
    const isNow = words.includes("--now");
    for (const name of names) {
      if (verb === "disable" ? isNow : verb === "stop" || verb === "restart") await this.#stop(name);
      if (verb === "enable" ? isNow : verb === "start" || verb === "restart") await this.#start(name);
      if (verb === "reload") await this.#unit(name).reload?.();
    }
    return "";
  }

  #unit(name: string): Unit {
    const unit = this.#units.get(name);
    if (unit === undefined) throw new Error(`Cannot find unit "${name}": not on this host`);
    return unit;
  }

  async #start(name: string): Promise<void> {
    const unit = this.#unit(name);
    for (const pair of this.conflicts) {
      if (pair.includes(name)) for (const other of pair) if (other !== name) await this.#stop(other);
    }
    if (!this.#running.has(name)) this.#running.set(name, await unit.start());
  }

  async #stop(name: string): Promise<void> {
    await this.#running.get(name)?.[Symbol.asyncDispose]();
    this.#running.delete(name);
  }

  /**
   * As nobody, to whom the directory of the state is given with all that is in it (systemd.exec(5), "StateDirectory=").
   * Here it is that of the configuration.
   */
  async #systemdRun(words: readonly string[]): Promise<string> {
    const state = words.includes("StateDirectory=postvouch") ? [join(this.etc, "postvouch/srs.secrets")] : [];
    for (const path of state) chownSync(path, NOBODY, NOBODY);
    const start = words.findIndex((word, index) => !word.startsWith("-") && words[index - 1] !== "-p");
    const identity = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
    return this.#host.run([...identity, ...words.slice(start)], { env: this.#environment() });
  }
}

function conflictsOfUnit(): readonly (readonly string[])[] {
  const unit = readFileSync(join(PACKAGE, "deploy/systemd/postvouch.service"), "utf8");
  const names = [...unit.matchAll(/^Conflicts=(.*)$/gm)].flatMap((match) => (match[1] ?? "").split(" "));
  return names.map((name) => ["postvouch", name.replace(/\.service$/, "")]);
}
