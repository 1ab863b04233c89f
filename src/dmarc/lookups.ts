/** The DNS queries for one message. Each name is asked for once, however many walks come by. */
import type { DnsAnswer, RecordType, Resolver } from "../dns/types.ts";
import { type DmarcRecord, dmarcRecords, parseDmarcRecord } from "./record.ts";

/** One name that a walk came by, in a form that JSON can hold. */
export interface WalkStep {
  /** The domain. Its record is at `_dmarc.` before it. */
  readonly domain: string;
  /**
   * - record: the domain has one record;
   * - none: it has none;
   * - several: it has several, which count as none (RFC 9989 section 4.10);
   * - broken: it has one that must be ignored;
   * - error: DNS trouble.
   */
  readonly outcome: "record" | "none" | "several" | "broken" | "error";
  readonly record: DmarcRecord | undefined;
  /** The faults of the record, or the kind of trouble. Printable ASCII. */
  readonly faults: readonly string[];
}

/** Says that a query got no answer. */
export class NoAnswer extends Error {
  override name = "NoAnswer";

  /** @param problem one line of printable ASCII */
  constructor(problem: string) {
    // No stack trace: this is daily work, and nobody reads it.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(problem);
    Error.stackTraceLimit = stackTraceLimit;
  }
}

export class DmarcLookups {
  readonly #resolver: Resolver;
  readonly #deadlineMs: number;
  readonly #steps = new Map<string, Promise<WalkStep>>();

  /** @param deadlineMs on the clock of `performance.now()` */
  constructor(resolver: Resolver, deadlineMs: number) {
    this.#resolver = resolver;
    this.#deadlineMs = deadlineMs;
  }

  /** The lookups of one walk, which are noted in `steps`. */
  walk(steps: WalkStep[]): (domain: string) => Promise<DmarcRecord | undefined> {
    return async (domain) => {
      let step = this.#steps.get(domain);
      if (step === undefined) {
        step = this.#step(domain);
        this.#steps.set(domain, step);
      }
      const known = await step;
      steps.push(known);
      if (known.outcome === "error") throw new NoAnswer(known.faults.join("; "));
      return known.record;
    };
  }

  /**
   * Tells if a name exists: only NXDOMAIN says that it does not (RFC 9989 section 3.2.13). An alias of a name that does
   * not exist is itself a name that does.
   *
   * @throws {NoAnswer}
   */
  async exists(domain: string): Promise<boolean> {
    const answer = await this.#ask(domain, "A");
    if (answer.status === "error") throw new NoAnswer(troubleOf(domain, "A", answer));
    return answer.status !== "nxdomain" || answer.canonicalName !== undefined;
  }

  /**
   * The TXT records of a name.
   *
   * @throws {NoAnswer}
   */
  async texts(name: string): Promise<readonly string[]> {
    const answer = await this.#ask(name, "TXT");
    if (answer.status === "error") throw new NoAnswer(troubleOf(name, "TXT", answer));
    return answer.status === "ok" ? answer.records : [];
  }

  async #step(domain: string): Promise<WalkStep> {
    const name = `_dmarc.${domain}`;
    const answer = await this.#ask(name, "TXT");
    const step = (outcome: WalkStep["outcome"], faults: readonly string[] = [], record?: DmarcRecord): WalkStep => ({
      domain,
      outcome,
      record,
      faults,
    });
    if (answer.status === "error") return step("error", [troubleOf(name, "TXT", answer)]);
    const texts = answer.status === "ok" ? dmarcRecords(answer.records) : [];
    const [text] = texts;
    if (text === undefined) return step("none");
    if (texts.length > 1) return step("several", [`"${name}" has ${texts.length} DMARC records, which count as none`]);
    const record = parseDmarcRecord(text);
    if ("broken" in record) return step("broken", [`Cannot use the record of "${name}": ${record.broken}`]);
    return step("record", record.faults, record);
  }

  async #ask<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    return await this.#resolver.resolve(name, type, { deadlineMs: this.#deadlineMs });
  }
}

function troubleOf(name: string, type: RecordType, answer: DnsAnswer<RecordType> & { status: "error" }): string {
  const cause = answer.cause === undefined ? "" : ` (${answer.cause})`;
  return `Cannot look up ${type} of "${name}": ${answer.trouble}${cause}`;
}
