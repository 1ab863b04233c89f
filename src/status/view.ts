/** What the status page shows. Text of strangers is as it came: the page escapes it. */
import type { HandledMail, RefusedLookup, RefusedMail } from "./activity.ts";

/** Times are milliseconds since 1970. */
export interface StatusView {
  readonly hostname: string;
  readonly version: string;
  readonly node: string;
  readonly nowMs: number;
  /** The same moment on the clock of performance.now(), for the times of refusals. */
  readonly clockMs: number;
  readonly startedMs: number;
  /** The reason why the daemon cannot serve; `undefined` while it can. */
  readonly notReady: string | undefined;
  /** Who asks us: the service, and when it was last asked; `undefined` if never, `off` if no listener serves it. */
  readonly asked: readonly { readonly name: string; readonly lastMs: number | "off" | undefined }[];
  readonly config: {
    readonly file: string | undefined;
    readonly readMs: number;
    /** False if the last reload failed, so that the configuration is older than the file. */
    readonly isCurrent: boolean;
  };
  readonly srsDomain: string;
  readonly secrets: { readonly count: number; readonly sinceMs: number };
  readonly store: { readonly kind: string; readonly isUp: boolean } | undefined;
  /** Open connections by listener. */
  readonly connections: ReadonlyMap<string, number>;
  readonly traffic: readonly TrafficGroup[];
  readonly refusedMails: readonly RefusedMail[];
  readonly refusedLookups: readonly RefusedLookup[];
  /** `undefined` while the milter is off. */
  readonly milter: MilterView | undefined;
  readonly dns: {
    readonly servers: readonly { readonly name: string; readonly state: "answering" | "silent" | "unasked" }[];
    readonly cacheEntries: number;
    readonly cacheHits: number;
    readonly cacheMisses: number;
  };
  readonly ownDomains: readonly {
    readonly source: string;
    readonly count: number;
    readonly lastMs: number | undefined;
  }[];
}

/** The milter since the start. */
export interface MilterView {
  /** True if it rejects, holds and defers nothing. */
  readonly isReport: boolean;
  /** The results of each method that were counted. */
  readonly results: readonly {
    readonly method: string;
    readonly counts: readonly { readonly result: string; readonly count: number }[];
  }[];
  /** Some of the keys, those with trouble first. */
  readonly keys: readonly KeyView[];
  /** Number of further keys. */
  readonly moreKeys: number;
  /** Problems of keys that cannot be read. */
  readonly brokenKeys: readonly string[];
  /** The last messages, the newest first. */
  readonly messages: readonly HandledMail[];
}

export interface KeyView {
  readonly domain: string;
  readonly selector: string;
  /** `RSA, 2048 bits` */
  readonly type: string;
  /** `spare`: a newer key of the same algorithm signs. */
  readonly state: "signing" | "waiting" | "spare";
}

/** Counts of one kind. */
export interface TrafficGroup {
  readonly title: string;
  readonly rows: readonly {
    readonly name: string;
    /** Events in each of the last 60 minutes, the oldest first. */
    readonly hour: readonly number[];
    /** Events in each minute of the last day. */
    readonly day: readonly number[];
  }[];
}

/** What the form asks. UTF-8. */
export interface SpfQuestion {
  readonly ip: string;
  readonly helo: string;
  readonly sender: string;
}

/** The question of the form with what came of it: lines of an explanation, or what was wrong. */
export interface SpfAnswer {
  readonly asked: SpfQuestion;
  readonly lines?: readonly string[];
  readonly problem?: string;
}
