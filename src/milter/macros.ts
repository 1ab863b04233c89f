/** Remembers the macros of an SMTP session. */
import type { Macros } from "./application.ts";
import type { StepByte } from "./wire.ts";

/** The stages from the first to the last. Those from MAIL on belong to a message. */
const STAGES: readonly StepByte[] = ["C", "H", "M", "R", "T", "L", "N", "B", "E"];
const FIRST_OF_MESSAGE = STAGES.indexOf("M");

/** Memory that a kept macro costs beside its bytes: two strings and its place in a map. */
export const MACRO_OVERHEAD_BYTES = 100;

/**
 * The macros by stage. A packet replaces all macros of its stage, so that those of a first HELO or RCPT do not stay. Those
 * for MAIL begin a new message.
 */
export class SessionMacros implements Macros {
  readonly #stages: (ReadonlyMap<string, string> | undefined)[] = STAGES.map(() => undefined);
  /** What each stage was set from. */
  readonly #sources: (object | undefined)[] = STAGES.map(() => undefined);
  /** The memory that each stage holds. */
  readonly #heldBytes = STAGES.map(() => 0);
  /** The stages whose macros came, but could not be read. */
  readonly #lost = new Set<number>();

  set(step: string, macros: readonly (readonly [string, string])[]): void {
    if (this.#has(step, macros)) return;
    const stage = this.#begin(step);
    if (stage === undefined) return;
    this.#sources[stage] = macros;
    this.#stages[stage] = new Map(macros.map(([name, value]) => [bare(name), value]));
    // All of the packet is counted: values are parts of its text, and keep it.
    this.#heldBytes[stage] = macros.reduce(
      (sum, [name, value]) => sum + name.length + value.length + MACRO_OVERHEAD_BYTES,
      0,
    );
  }

  /**
   * Forgets the macros of a stage, because those that replace them cannot be read.
   *
   * @param step undefined or "" if nobody knows which they are: then all are forgotten
   */
  lose(step: string | undefined): void {
    if (step === undefined || step === "") {
      this.clear();
      this.#lost.add(0);
      return;
    }
    const stage = this.#begin(step);
    if (stage !== undefined) this.#lost.add(stage);
  }

  /** True while macros are lost that tell who sends what: whose mail it is can then not be told. */
  get isIncomplete(): boolean {
    return this.#lost.size > 0;
  }

  /** Tells if a stage was set from this very object: the decoder gives the same one for the same bytes. */
  #has(step: string, macros: object): boolean {
    const stage = STAGES.indexOf(step as StepByte);
    return stage !== FIRST_OF_MESSAGE && this.#sources[stage] === macros;
  }

  /** Makes a stage empty. @returns `undefined` for a step without a stage */
  #begin(step: string): number | undefined {
    const stage = STAGES.indexOf(step as StepByte);
    if (stage === -1) return undefined;
    if (stage === FIRST_OF_MESSAGE) this.endMessage();
    this.#stages[stage] = undefined;
    this.#sources[stage] = undefined;
    this.#heldBytes[stage] = 0;
    this.#lost.delete(stage);
    return stage;
  }

  get heldBytes(): number {
    return this.#heldBytes.reduce((sum, bytes) => sum + bytes, 0);
  }

  get(name: string): string | undefined {
    const wanted = bare(name);
    for (let stage = STAGES.length - 1; stage >= 0; stage--) {
      const value = this.#stages[stage]?.get(wanted);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** Forgets those of a message. */
  endMessage(): void {
    this.#stages.fill(undefined, FIRST_OF_MESSAGE);
    this.#sources.fill(undefined, FIRST_OF_MESSAGE);
    this.#heldBytes.fill(0, FIRST_OF_MESSAGE);
    for (const stage of this.#lost) if (stage >= FIRST_OF_MESSAGE) this.#lost.delete(stage);
  }

  /** Forgets all. */
  clear(): void {
    this.#stages.fill(undefined);
    this.#sources.fill(undefined);
    this.#heldBytes.fill(0);
    this.#lost.clear();
  }
}

/** `i` and `{i}` are the same macro, and only longer names must have braces. */
function bare(name: string): string {
  return name.startsWith("{") && name.endsWith("}") ? name.slice(1, -1) : name;
}
