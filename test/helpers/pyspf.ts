/** Runs pyspf as a process. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";

/** One check for pyspf. The zone is keyed `name|TYPE`; see pyspf_driver.py. */
export interface PyspfCase {
  readonly zone: Readonly<Record<string, readonly unknown[] | "SERVFAIL">>;
  readonly ip: string;
  readonly sender: string;
  readonly helo: string;
  readonly lookups: number;
  readonly voids: number;
}

export interface PyspfAnswer {
  readonly result: string;
  /** Its explanation or problem. */
  readonly text: string;
}

/** Debian's interpreter comes first: a version manager's has no pyspf. */
const INTERPRETERS = ["/usr/bin/python3", "python3"];

/** The Python that has pyspf, or `undefined`. */
export function findPyspf(): string | undefined {
  return INTERPRETERS.find((python) => spawnSync(python, ["-c", "import spf"]).status === 0);
}

/** A Python process that runs pyspf on one case after the other. */
export class Pyspf implements Disposable {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(python: string) {
    this.#process = spawn(python, [new URL("pyspf_driver.py", import.meta.url).pathname]);
    this.#process.stderr.resume();
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async check(cases: readonly PyspfCase[]): Promise<PyspfAnswer[]> {
    for (const each of cases) this.#process.stdin.write(`${JSON.stringify(each)}\n`);
    const answers: PyspfAnswer[] = [];
    for (const _ of cases) {
      const line = await this.#lines.next();
      if (line.done === true) throw new Error("Cannot read from pyspf: it has ended");
      const [result, text] = JSON.parse(line.value) as [string, string];
      answers.push({ result, text });
    }
    return answers;
  }

  [Symbol.dispose](): void {
    this.#process.kill();
  }
}
