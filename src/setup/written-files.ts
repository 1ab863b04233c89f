/** The files that `serve` writes where the configuration says. */
import { LISTENER_KEYS } from "../config/listeners.ts";
import type { Config } from "../config/parameters.ts";
import { parseHistoryPlace } from "../history/place.ts";
import { parseStoreUrl } from "../store/url.ts";

export interface WrittenFile {
  /** The key of the configuration. */
  readonly key: "state_dir" | "dmarc.history" | "srs.store.url" | (typeof LISTENER_KEYS)[number];
  /** Absolute, or relative to the working directory. */
  readonly path: string;
  readonly kind: "directory" | "file" | "socket";
}

/** @throws {TypeError} for a wrong `srs.store.url` */
export function writtenFiles(config: Config): WrittenFile[] {
  const url = config["srs.store.url"];
  const store = url === "" ? undefined : parseStoreUrl(url);
  const history = parseHistoryPlace(config["dmarc.history"]);
  return [
    { key: "state_dir", path: config.state_dir, kind: "directory" },
    ...(store?.kind === "sqlite" ? [{ key: "srs.store.url", path: store.path, kind: "file" } as const] : []),
    ...(history === undefined ? [] : [{ key: "dmarc.history", path: history.path, kind: "file" } as const]),
    ...LISTENER_KEYS.flatMap((key) =>
      config[key].flatMap((endpoint) =>
        endpoint.type === "unix" ? [{ key, path: endpoint.path, kind: "socket" } as const] : [],
      ),
    ),
  ];
}
