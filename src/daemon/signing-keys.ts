/**
 * The DKIM keys of one generation: reads their files, watches their records in DNS, and keeps in state_dir which ones were
 * seen there, so that a start without DNS signs as before. Reads the files again when one of them has changed.
 */
import type { Config } from "../config/parameters.ts";
import { KeyWatch } from "../dkim/key-watch.ts";
import { type ConfiguredKey, type KeyState, SigningKeys } from "../dkim/keys.ts";
import { recordName } from "../dkim/record.ts";
import type { Resolver } from "../dns/types.ts";
import { statSync } from "../process/builtins.ts";
import type { Logger } from "../process/log.ts";
import { type KeyFiles, readKeyFiles } from "../setup/dkim-keys.ts";
import { readSeenKeys, writeSeenKeys } from "../setup/seen-keys.ts";

/** Pause between two looks at the files. */
const FILES_MS = 15_000;

/** The keys one by one, for the status page. */
export interface KeyList {
  readonly keys: readonly (Pick<ConfiguredKey, "domain" | "selector" | "privateKey"> & { readonly state: KeyState })[];
  readonly problems: readonly string[];
}

/** The keys by state. A key that cannot be read is broken. */
export type KeyCounts = ReadonlyMap<"signing" | "waiting" | "broken", number>;

interface Parts {
  readonly config: Config;
  /** The file in state_dir. */
  readonly seenFile: string;
  readonly resolver: Resolver;
  readonly logger: Logger;
}

export class WatchedKeys {
  readonly #parts: Parts;
  #files: KeyFiles;
  #keys: SigningKeys;
  #watch: KeyWatch;
  /** The records of keys that were said to wait. */
  readonly #waiting = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  /** What was logged last. */
  #problems = "";

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#files = readKeyFiles(parts.config);
    const { seen, problem } = readSeenKeys(parts.seenFile);
    if (problem !== undefined) parts.logger.log("error", "dkim_key", { problem });
    this.#keys = this.#make(seen);
    this.#watch = this.#watched();
  }

  choose(local: string, domain: string): readonly ConfiguredKey[] {
    return this.#keys.choose(local, domain);
  }

  candidates(local: string, domain: string): readonly ConfiguredKey[] {
    return this.#keys.candidates(local, domain);
  }

  sealer(domains: readonly string[], selector: string): ConfiguredKey | undefined {
    return this.#keys.sealer(domains, selector);
  }

  sealerCandidates(domains: readonly string[], selector: string): readonly ConfiguredKey[] {
    return this.#keys.sealerCandidates(domains, selector);
  }

  list(): KeyList {
    const { keys, problems } = this.#files;
    return { keys: keys.map((key) => ({ ...key, state: this.#keys.stateOf(key) })), problems };
  }

  counts(): KeyCounts {
    const states = this.#files.keys.map((key) => this.#keys.stateOf(key));
    return new Map([
      ["signing", states.filter((state) => state === "signing").length],
      ["waiting", states.filter((state) => state === "waiting").length],
      ["broken", this.#files.problems.length],
    ]);
  }

  /** Begins to watch, once the generation is in force. */
  start(): void {
    this.#logProblems();
    this.#startWatch();
    this.#timer = setInterval(() => this.#lookAtFiles(), FILES_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watch.close();
  }

  #lookAtFiles(): void {
    const files = readKeyFiles(this.#parts.config);
    if (signatureOf(files) === signatureOf(this.#files)) return;
    const { seen } = this.#keys;
    this.#files = files;
    this.#keys = this.#make(seen);
    this.#watch.close();
    this.#watch = this.#watched();
    this.#logProblems();
    this.#startWatch();
  }

  #startWatch(): void {
    if (this.#parts.config["dkim.sign.require_published"]) void this.#watch.start();
  }

  #make(seen: Iterable<string>): SigningKeys {
    const requirePublished = this.#parts.config["dkim.sign.require_published"];
    return new SigningKeys(this.#files.keys, { requirePublished, seen });
  }

  #watched(): KeyWatch {
    const { resolver, logger, seenFile } = this.#parts;
    const keys = this.#keys;
    const clockMs = (): number => performance.now();
    const onChange = ({ domain, selector }: ConfiguredKey, maySign: boolean): void => {
      this.#waiting[maySign ? "delete" : "add"](recordName(selector, domain));
      if (maySign) logger.log("info", "dkim_key", { domain, selector, state: "published, may sign" });
      else logger.log("warn", "dkim_key", { domain, selector, state: "its record is gone, it signs no longer" });
      const problem = writeSeenKeys(seenFile, keys.seen);
      if (problem !== undefined) logger.log("error", "dkim_key", { problem });
    };
    const onWait = ({ domain, selector }: ConfiguredKey): void => {
      const name = recordName(selector, domain);
      if (this.#waiting.has(name)) return;
      this.#waiting.add(name);
      logger.log("info", "dkim_key", { domain, selector, state: "waits for its record in DNS" });
    };
    return new KeyWatch({ resolver, keys, clockMs, onChange, onWait }, this.#files.keys);
  }

  #logProblems(): void {
    const { problems } = this.#files;
    if (problems.join("\n") === this.#problems) return;
    this.#problems = problems.join("\n");
    for (const problem of problems) this.#parts.logger.log("error", "dkim_key", { problem });
  }
}

/** Changes when a key file is added, removed or written, or can no longer be read. */
function signatureOf({ keys, problems }: KeyFiles): string {
  return [...keys.map(({ file }) => `${file} ${statSync(file, { throwIfNoEntry: false })?.mtimeMs}`), ...problems].join(
    "\n",
  );
}
