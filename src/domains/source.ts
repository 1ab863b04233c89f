/** The interface of a source of own domains, and its events. */
import type { LookupName } from "./name.ts";

/** A source of own domains. */
export interface Source {
  /** Tells if the source has the domain. Rejects if it does not answer and there is no cached answer. */
  has(name: LookupName): boolean | Promise<boolean>;
}

/** A change in a source. Each is reported once, when it happens, not for each lookup. */
export type OwnDomainsEvent =
  /** A file or the classes have changed, and the new content is in use. */
  | { readonly type: "loaded"; readonly source: string; readonly entries: number }
  /** A file or the classes cannot be read or are wrong. The last good content stays in use. */
  | { readonly type: "kept"; readonly source: string; readonly problems: readonly string[] }
  /** A table does not answer. Cached answers are still used, other lookups get a temporary failure. */
  | { readonly type: "failed"; readonly source: string; readonly reason: string }
  /** The table answers again. */
  | { readonly type: "recovered"; readonly source: string };

export interface SourceHooks {
  readonly onEvent: (event: OwnDomainsEvent) => void;
  /** Milliseconds since 1970, on a clock that never runs backwards. */
  readonly timeMs: () => number;
}

/**
 * Tells if one of the sources has the domain. Sources are asked in order, without a promise if they answer without one.
 * A source that does not answer is skipped. Its error is thrown only if no other source has the domain.
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
