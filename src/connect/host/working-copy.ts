/** A copy of Postfix's files in a temporary directory, where postconf edits and reads them. */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PostfixRun, runPostfix } from "../../postfix/run.ts";
import { EXIT, Failure } from "../../process/exit.ts";
import type { Edit, Plan } from "../plan.ts";
import { type Snapshot, unplannedChanges } from "../unplanned.ts";
import { type Files, fileFailure, readFile, readFiles } from "./files.ts";

/** A time long ago, in seconds since 1970: Postfix waits two seconds before it believes a file of the last second. */
const LONG_AGO_S = 1_000_000_000;

export class WorkingCopy implements Disposable {
  readonly path: string;
  /** Where the files belong, for values that contain $config_directory. */
  readonly configDir: string;
  readonly #files: Files;

  /** @throws {Failure} when it cannot be written */
  constructor(files: Files, configDir: string) {
    this.configDir = configDir;
    this.#files = files;
    try {
      this.path = mkdtempSync(join(tmpdir(), "postvouch-setup-"));
    } catch (error) {
      throw fileFailure("write", tmpdir(), error);
    }
    try {
      // postconf writes behind what the file ends with: a remark without a line end swallows a parameter or a service.
      this.#write("main.cf", endingItsLine(files["main.cf"] ?? ""));
      this.#write("master.cf", endingItsLine(files["master.cf"] ?? ""));
      if (files["srs-recipients.regexp"] !== undefined)
        this.#write("srs-recipients.regexp", files["srs-recipients.regexp"]);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #write(name: string, text: string): void {
    const path = join(this.path, name);
    try {
      writeFileSync(path, text, { encoding: "latin1", mode: 0o600 });
      utimesSync(path, LONG_AGO_S, LONG_AGO_S);
    } catch (error) {
      throw fileFailure("write", path, error);
    }
  }

  /**
   * Runs postconf on the copy.
   *
   * @throws {Failure} with Postfix's message, when it does not succeed
   */
  async postconf(...args: readonly string[]): Promise<string> {
    const run = await runPostfix("postconf", args, "", { configDir: this.path });
    if (run.status === "ran" && run.exitCode === 0) return run.stdout;
    throw postconfFailure(run, this.path, this.configDir);
  }

  /**
   * Makes the changes of a plan.
   *
   * @returns the files with them
   * @throws {Failure} when postconf refuses, has changed anything else, or cannot read the result
   */
  async make(plan: Plan): Promise<Files> {
    const { edits, services, recipientTable } = plan;
    const before = await this.#snapshot();
    await this.#edit(edits);
    if (services !== "") this.#write("master.cf", endingItsLine(this.#read("master.cf")) + services);
    if (recipientTable !== undefined) this.#write("srs-recipients.regexp", recipientTable);
    await Promise.all(["-n", "-P"].map((view) => this.postconf(view)));
    const unplanned = unplannedChanges(before, await this.#snapshot(), plan);
    if (unplanned.length > 0) {
      const what = unplanned.join("; ");
      const line = `Cannot change the files in "${this.configDir}": postconf would change more than was planned: ${what}; nothing was changed`;
      throw new Failure(EXIT.notDone, [line]);
    }
    return this.#result();
  }

  /** Makes changes. @throws {Failure} when postconf refuses */
  async edit(edits: readonly Edit[]): Promise<Files> {
    await this.#edit(edits);
    return this.#result();
  }

  async #edit(edits: readonly Edit[]): Promise<void> {
    for (const edit of edits) {
      await this.postconf(...argumentsFor(edit));
      this.#age();
    }
  }

  async #snapshot(): Promise<Snapshot> {
    return { mainCf: this.#read("main.cf"), services: await this.postconf("-M") };
  }

  #read(name: string): string {
    return readFile(join(this.path, name)) ?? "";
  }

  /** The files. One where nothing but the end of its last line was added is as it was. */
  #result(): Files {
    const files = readFiles(this.path);
    const asWas = (name: "main.cf" | "master.cf"): string | undefined =>
      files[name] === endingItsLine(this.#files[name] ?? "") ? this.#files[name] : files[name];
    return { ...files, "main.cf": asWas("main.cf"), "master.cf": asWas("master.cf") };
  }

  #age(): void {
    for (const name of ["main.cf", "master.cf"]) utimesSync(join(this.path, name), LONG_AGO_S, LONG_AGO_S);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function endingItsLine(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

function argumentsFor(edit: Edit): string[] {
  switch (edit.type) {
    case "set":
      return ["-e", `${edit.name} = ${edit.value}`];
    case "unset":
      return ["-X", edit.name];
    case "remove service":
      return ["-MX", edit.service];
    case "override":
      return ["-P", `${edit.service}/${edit.name}=${edit.value}`];
  }
}

function postconfFailure(run: PostfixRun, path: string, configDir: string): Failure {
  if (run.status === "failed") return new Failure(EXIT.config, [run.reason]);
  const lines = run.stderr
    .replaceAll(path, configDir)
    .split("\n")
    .filter((line) => line !== "" && !/: warning: .*(?:unused|overriding earlier)/.test(line));
  const why = lines.slice(-5).join("; ") || `exit code ${run.exitCode}`;
  return new Failure(EXIT.config, [`Cannot read the configuration in "${configDir}": ${why}`]);
}
