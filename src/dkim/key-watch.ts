/**
 * Looks up the records of all keys now and again, so that a new key signs some minutes after its record was published,
 * and none signs long after its record has gone.
 */
import type { Eventual } from "../collections/eventual.ts";
import type { DnsAnswer, Resolver } from "../dns/types.ts";
import type { ConfiguredKey, SigningKeys } from "./keys.ts";
import { recordName } from "./record.ts";

export interface KeyWatchSettings {
  readonly resolver: Resolver;
  /** Learns each answer. */
  readonly keys: SigningKeys;
  /** A monotonic clock such as `performance.now()`. */
  readonly clockMs: () => number;
  /** Called when a key may sign from now on, or no longer. */
  readonly onChange: (key: ConfiguredKey, maySign: boolean) => void;
  /** Called at each look at a key whose record has not been seen yet. */
  readonly onWait?: (key: ConfiguredKey) => void;
}

/** Time limit for one answer. */
const ANSWER_MS = 30_000;
/** How often it is seen which keys are due. */
const POLL_MS = 5_000;
/** Most queries at a time: hosts sign for thousands of domains. */
const MAX_ASKED = 32;

/**
 * Bounds for the time to the next look. In between the answer's own lifetime counts: before its end the resolver would
 * only give the same answer again.
 */
const AGAIN_MS = {
  waiting: { least: 15_000, most: 300_000 },
  published: { least: 60_000, most: 900_000 },
} as const;

interface Entry {
  readonly key: ConfiguredKey;
  dueMs: number;
}

export class KeyWatch {
  readonly #settings: KeyWatchSettings;
  readonly #entries: readonly Entry[];
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(settings: KeyWatchSettings, keys: readonly ConfiguredKey[]) {
    this.#settings = settings;
    this.#entries = keys.map((key) => ({ key, dueMs: Number.NEGATIVE_INFINITY }));
  }

  /** Looks at every key once, and goes on until `close`. Resolves when all have been looked at. */
  async start(): Promise<void> {
    await this.#look();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const nowMs = this.#settings.clockMs();
    const due = this.#entries.filter(({ dueMs }) => dueMs <= nowMs);
    // Each of these takes the next entry as soon as its answer is there.
    const next = due.values();
    await Promise.all(Array.from({ length: Math.min(MAX_ASKED, due.length) }, () => this.#askAll(next)));
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#look(), POLL_MS);
    this.#timer.unref();
  }

  async #askAll(entries: Iterable<Entry>): Promise<void> {
    for (const entry of entries) {
      if (this.#isClosed) return;
      const { selector, domain } = entry.key;
      const deadlineMs = this.#settings.clockMs() + ANSWER_MS;
      const answer: Eventual<DnsAnswer<"TXT">> = this.#settings.resolver.resolve(recordName(selector, domain), "TXT", {
        deadlineMs,
      });
      this.#take(entry, await answer);
    }
  }

  #take(entry: Entry, answer: DnsAnswer<"TXT">): void {
    if (this.#isClosed) return;
    const { keys, clockMs, onChange, onWait } = this.#settings;
    const hasChanged = keys.learn(entry.key, answer);
    const maySign = keys.stateOf(entry.key) !== "waiting";
    const { least, most } = AGAIN_MS[maySign ? "published" : "waiting"];
    const lifetimeMs = answer.status === "error" ? least : answer.expiresAtMs - clockMs();
    entry.dueMs = clockMs() + Math.min(most, Math.max(least, lifetimeMs));
    if (hasChanged) onChange(entry.key, maySign);
    else if (!maySign) onWait?.(entry.key);
  }
}
