/** What befalls a source of own domains by itself. Each is told once, when it happens, never for each lookup. */
export type OwnDomainsEvent =
  /** A file or the classes have changed and are in force. */
  | { readonly type: "loaded"; readonly source: string; readonly entries: number }
  /** A file or the classes cannot be read or are wrong: what was read last stays in force. */
  | { readonly type: "kept"; readonly source: string; readonly problems: readonly string[] }
  /** A table does not answer: remembered answers go on, other lookups are put off. */
  | { readonly type: "failed"; readonly source: string; readonly reason: string }
  /** It answers again. */
  | { readonly type: "recovered"; readonly source: string };

export interface SourceHooks {
  readonly onEvent: (event: OwnDomainsEvent) => void;
  /** Milliseconds since 1970, on a clock that never runs backwards. */
  readonly nowMs: () => number;
}
