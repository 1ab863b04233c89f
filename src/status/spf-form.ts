/** Answers the form of the status page, within bounds: a check may make dozens of DNS queries. */
import { errorText } from "../process/exit.ts";
import type { SpfAnswer, SpfQuestion } from "./view.ts";

/** Number of checks that may run at once. */
const MAX_RUNNING = 2;

/** Longest wait for a check, in milliseconds: below the time in which the server ends a request. */
const LIMIT_MS = 8_000;

/** Longest values of the fields, as the page has them. */
const MAX_CHARS = { ip: 45, helo: 255, sender: 320 } as const;

/**
 * Explains a check in lines.
 *
 * @throws {RangeError} when the address is none
 */
export type ExplainSpf = (question: SpfQuestion, limitMs: number) => Promise<readonly string[]>;

/** What the form asks; `undefined` for a page that was opened without it. */
export function readQuestion(query: string): SpfQuestion | undefined {
  const fields = new URLSearchParams(query);
  if (!fields.has("ip")) return undefined;
  const field = (name: keyof SpfQuestion): string => (fields.get(name) ?? "").trim();
  return { ip: field("ip"), helo: field("helo"), sender: field("sender").replace(/^<(.*)>$/s, "$1") };
}

export class SpfForm {
  readonly #explain: ExplainSpf;
  #running = 0;

  constructor(explain: ExplainSpf) {
    this.#explain = explain;
  }

  /** Never rejects: what goes wrong is the problem of the answer. */
  async answer(asked: SpfQuestion): Promise<SpfAnswer> {
    const problem = problemOf(asked) ?? (this.#running < MAX_RUNNING ? undefined : BUSY);
    if (problem !== undefined) return { asked, problem };
    let timer: NodeJS.Timeout | undefined;
    // The check has the same limit. This one holds if it does not keep it, and then the check still counts as running.
    const late = new Promise<readonly string[]>((_, reject) => {
      timer = setTimeout(() => reject(new Error(LATE)), LIMIT_MS + 500);
    });
    try {
      return { asked, lines: await Promise.race([this.#run(asked), late]) };
    } catch (error) {
      return { asked, problem: errorText(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  async #run(asked: SpfQuestion): Promise<readonly string[]> {
    this.#running++;
    try {
      return await this.#explain(asked, LIMIT_MS);
    } finally {
      this.#running--;
    }
  }
}

const BUSY = "Other checks are running: try again in a moment";
const LATE = "The check took too long: DNS is slow or does not answer";

function problemOf(asked: SpfQuestion): string | undefined {
  const names = { ip: "the client address", helo: "the HELO name", sender: "the sender" } as const;
  for (const key of ["ip", "helo", "sender"] as const) {
    if (asked[key].length > MAX_CHARS[key])
      return `Cannot check ${names[key]}: want at most ${MAX_CHARS[key]} characters`;
  }
  return undefined;
}
