/** Opens the place where results of DMARC are kept, and loads only the code of its kind. */
import type { History, HistoryHooks } from "./history.ts";
import type { HistoryPlace } from "./place.ts";

/** A place that cannot be used is told through `hooks`, and tried again: mail does not wait for statistics. */
export async function openHistory({ kind, path }: HistoryPlace, hooks: HistoryHooks): Promise<History> {
  switch (kind) {
    case "sqlite":
      return await (await import("./history-sqlite.ts")).openSqliteHistory(path, hooks);
    case "opendmarc":
      return (await import("./history-file.ts")).openHistoryFile(path, hooks);
  }
}
