/** What every source of own domains is, and what it reports. */
import type { LookupName } from "./name.ts";

/** One place that knows own domains. */
export interface Source {
  /** Rejects when the place does not answer and nothing is remembered. */
  has(name: LookupName): boolean | Promise<boolean>;
}

/** A change in a source that nobody asked for. Each is reported once, when it happens, never for each lookup. */
export type OwnDomainsEvent =
  /** A file or the classes have changed and are in force. */
  | { readonly type: "loaded"; readonly source: string; readonly entries: number }
  /** A file or the classes cannot be read or are wrong: what was read last stays in force. */
  | { readonly type: "kept"; readonly source: string; readonly problems: readonly string[] }
  /** A table does not answer: remembered answers go on, other lookups are put off. */
  | { readonly type: "failed"; readonly source: string; readonly reason: string }
  /** The table answers again. */
  | { readonly type: "recovered"; readonly source: string };

export interface SourceHooks {
  readonly onEvent: (event: OwnDomainsEvent) => void;
  /** Milliseconds since 1970, on a clock that never runs backwards. */
  readonly timeMs: () => number;
}

/**
 * Whether one of the sources knows the domain. They are asked in their order, at once as far as they answer at once. A
 * source that does not answer is passed over; its error is the answer only when no other source knows the domain.
 */
export function anyHas(sources: readonly Source[], name: LookupName): boolean | Promise<boolean> {
  for (const [index, source] of sources.entries()) {
    const answer = source.has(name);
    if (answer === true) return true;
    if (answer !== false) return waitForAny(answer, sources.slice(index + 1), name);
  }
  return false;
}

async function waitForAny(first: Promise<boolean>, others: readonly Source[], name: LookupName): Promise<boolean> {
  const [answer] = await Promise.allSettled([first]);
  if (answer.status === "fulfilled" && answer.value) return true;
  const other = await anyHas(others, name);
  if (!other && answer.status === "rejected") throw answer.reason;
  return other;
}
