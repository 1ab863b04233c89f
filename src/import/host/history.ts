/**
 * Looks for earlier SRS domains in the queue and the mail log: an address that our secrets have signed, and that is
 * still valid, must lead back.
 */
import { createReadStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { isDomainName } from "../../mail/names.ts";
import { runPostfix } from "../../postfix/run.ts";
import { errorText } from "../../process/exit.ts";
import { Rewriter } from "../../srs/rewriter.ts";
import { Signer } from "../../srs/signer.ts";
import type { PostfixFacts } from "./postfix.ts";

/** An address stays valid for 21 days after the day of its stamp. */
const MAX_AGE_DAYS = 21;
const DAY_MS = 86_400_000;

/** How much of the log is read, uncompressed, the newest first. */
const MAX_LOG_BYTES = 512 * 1024 * 1024;
/** Longest address that is split between two pieces of a file. */
const OVERLAP = 1024;
const QUEUE_TIMEOUT_MS = 30_000;

const LOGS = /^(?:mail\.log|maillog|mail\.info)(?:[.-].*)?$/;
const ADDRESS = /srs[01][-+=][^\s<>"',;()]{4,400}@[a-z0-9.-]{1,253}/gi;

interface FormerDomain {
  readonly domain: string;
  readonly from: string;
}

export interface History {
  readonly formerDomains: readonly FormerDomain[];
  readonly notes: readonly string[];
}

export interface Signing {
  readonly secrets: readonly Uint8Array[];
  readonly srsDomain: string;
  readonly hashLength: number;
  readonly hashMinLength: number;
  /** Days since 1970. */
  readonly day: number;
}

/**
 * Looks into the queue and the logs.
 *
 * @param logDir the directory of the logs; `undefined` if there is none
 * @param postfix `undefined` if the queue is that of another host
 */
export async function findFormerDomains(
  signing: Signing,
  logDir: string | undefined,
  postfix: PostfixFacts | undefined,
): Promise<History> {
  const search = new Search(signing);
  const notes: string[] = [];
  if (postfix !== undefined) {
    const run = await runPostfix("postqueue", ["-p"], "", { ...postfix.command, timeoutMs: QUEUE_TIMEOUT_MS });
    if (run.status === "ran") search.look(run.stdout, "the queue");
    if (run.status === "failed" || run.exitCode !== 0) {
      notes.push(
        `the queue was not searched for earlier SRS domains: ${run.status === "failed" ? run.reason : run.stderr.trim()}`,
      );
    }
  }
  const logs = logDir === undefined ? [] : recentLogs(logDir, signing.day);
  if (logs.length === 0) {
    notes.push(
      `no mail log${logDir === undefined ? "" : ` in ${logDir}`}: if SRS_DOMAIN was another one in the last 22 days, name it in srs.former_domains`,
    );
  }
  let bytesLeft = MAX_LOG_BYTES;
  for (const path of logs) {
    try {
      bytesLeft -= await search.lookInto(path, bytesLeft);
    } catch (error) {
      notes.push(`${path} was not searched for earlier SRS domains: ${errorText(error)}`);
    }
    if (bytesLeft > 0) continue;
    notes.push(`only the newest ${MAX_LOG_BYTES >> 20} MiB of the mail log were searched for earlier SRS domains`);
    break;
  }
  return { formerDomains: search.found(), notes };
}

/** The logs of the time in which addresses are valid, the newest first. */
function recentLogs(directory: string, day: number): string[] {
  const sinceMs = (day - MAX_AGE_DAYS - 1) * DAY_MS;
  try {
    return readdirSync(directory)
      .filter((name) => LOGS.test(name))
      .map((name) => ({ path: join(directory, name), stat: statSync(join(directory, name)) }))
      .filter(({ stat }) => stat.isFile() && stat.mtimeMs >= sinceMs)
      .sort((one, other) => other.stat.mtimeMs - one.stat.mtimeMs)
      .map(({ path }) => path);
  } catch {
    return [];
  }
}

class Search {
  readonly #rewriter: Rewriter;
  readonly #signing: Signing;
  readonly #domains = new Map<string, string>();
  readonly #seen = new Set<string>();

  constructor(signing: Signing) {
    const { secrets, srsDomain, hashLength, hashMinLength } = signing;
    const signer = new Signer({ secrets, hashLength, hashMinLength, hashAlphabet: "standard" });
    this.#rewriter = new Rewriter({ signer, srsDomain, separator: "=", maxAgeDays: MAX_AGE_DAYS });
    this.#signing = signing;
  }

  look(text: string, from: string): void {
    for (const [address] of text.matchAll(ADDRESS)) {
      const domain = address
        .slice(address.lastIndexOf("@") + 1)
        .toLowerCase()
        .replace(/\.$/, "");
      if (domain === this.#signing.srsDomain.toLowerCase() || this.#domains.has(domain) || this.#seen.has(address))
        continue;
      this.#seen.add(address);
      // Others sign too, and their addresses pass through. Only the hash tells ours.
      if (isDomainName(domain) && this.#rewriter.isOwnValid(address, this.#signing.day))
        this.#domains.set(domain, from);
    }
  }

  /** Reads a log, compressed or not. @returns the number of bytes of its text */
  async lookInto(path: string, maxBytes: number): Promise<number> {
    let bytes = 0;
    let rest = "";
    const read = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of chunks) {
        const text = rest + chunk.toString("latin1");
        this.look(text, path);
        rest = text.slice(-OVERLAP);
        bytes += chunk.length;
        if (bytes > maxBytes) return;
      }
    };
    const file = createReadStream(path);
    if (path.endsWith(".gz")) await pipeline(file, createGunzip(), read);
    else if (/\.(?:xz|bz2|zst)$/.test(path)) throw new Error("it is compressed with another program than gzip");
    else await pipeline(file, read);
    return bytes;
  }

  found(): FormerDomain[] {
    return [...this.#domains].map(([domain, from]) => ({ domain, from: `seen in ${from}` }));
  }
}
