/**
 * Looks for earlier SRS domains in the queue and the mail log: an address that our secrets have signed, and that is
 * still valid, must lead back.
 */
import { spawn } from "node:child_process";
import { createReadStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
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
/** Longest line, in bytes. Of a longer one the end is searched. */
const MAX_LINE_BYTES = 65_536;
const QUEUE_TIMEOUT_MS = 30_000;
const JOURNAL_TIMEOUT_MS = 120_000;

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
 * Looks into the queue and the log: files, or the journal on a host without them.
 *
 * @param logDir /var/log of the host; `undefined` if it is not among the files
 * @param postfix `undefined` if the queue is that of another host
 */
export async function findFormerDomains(
  signing: Signing,
  logDir: string | undefined,
  postfix: PostfixFacts | undefined,
): Promise<History> {
  const search = new Search(signing);
  const notes: string[] = [];
  if (postfix !== undefined) notes.push(...(await lookIntoQueue(search, postfix)));
  const logs = logDir === undefined ? [] : recentLogs(logDir, signing.day);
  const isSearched = logs.length > 0 || (logDir !== undefined && (await lookIntoJournal(search, logDir, signing.day)));
  if (!isSearched) {
    const wish = "if SRS_DOMAIN was another one in the last 22 days, name it in srs.former_domains";
    notes.push(`no mail log${logDir === undefined ? "" : ` in ${logDir}`}: ${wish}`);
  }
  notes.push(...(await lookIntoLogs(search, logs)));
  return { formerDomains: search.found(), notes };
}

async function lookIntoQueue(search: Search, postfix: PostfixFacts): Promise<string[]> {
  const run = await runPostfix("postqueue", ["-p"], "", { ...postfix.command, timeoutMs: QUEUE_TIMEOUT_MS });
  if (run.status === "ran") search.look(run.stdout, "the queue");
  const problem = run.status === "failed" ? run.reason : run.exitCode === 0 ? "" : run.stderr.trim();
  return problem === "" ? [] : [`the queue was not searched for earlier SRS domains: ${problem}`];
}

async function lookIntoLogs(search: Search, logs: readonly string[]): Promise<string[]> {
  const notes: string[] = [];
  let bytesLeft = MAX_LOG_BYTES;
  for (const path of logs) {
    try {
      bytesLeft -= await search.lookIntoFile(path, bytesLeft);
    } catch (error) {
      notes.push(`${path} was not searched for earlier SRS domains: ${errorText(error)}`);
    }
    if (bytesLeft > 0) continue;
    notes.push(`only the newest ${MAX_LOG_BYTES >> 20} MiB of the mail log were searched for earlier SRS domains`);
    break;
  }
  return notes;
}

/** Reads the entries of the facility mail with journalctl(1). @returns false if it gives none */
async function lookIntoJournal(search: Search, logDir: string, day: number): Promise<boolean> {
  const since = `--since=@${((day - MAX_AGE_DAYS) * DAY_MS) / 1000}`;
  const place = logDir === "/var/log" ? [] : [`--directory=${join(logDir, "journal")}`];
  const args = ["--quiet", "--no-pager", "--output=cat", since, ...place, "SYSLOG_FACILITY=2"];
  const child = spawn("journalctl", args, { stdio: ["ignore", "pipe", "ignore"], timeout: JOURNAL_TIMEOUT_MS });
  // Without journalctl the output ends at once.
  child.on("error", () => {});
  return (await search.lookIntoStream(child.stdout, "the journal", MAX_LOG_BYTES)) > 0;
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
  async lookIntoFile(path: string, maxBytes: number): Promise<number> {
    if (/\.(?:xz|bz2|zst)$/.test(path)) throw new Error("it is compressed with another program than gzip");
    const file = createReadStream(path);
    if (!path.endsWith(".gz")) return this.lookIntoStream(file, path, maxBytes);
    const unzipped = createGunzip();
    // pipe() does not pass errors on.
    file.on("error", (error) => unzipped.destroy(error));
    return this.lookIntoStream(file.pipe(unzipped), path, maxBytes);
  }

  /** Reads a stream to its end, or up to a limit. @returns the number of bytes */
  async lookIntoStream(stream: Readable, from: string, maxBytes: number): Promise<number> {
    let bytes = 0;
    let rest = "";
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const text = rest + chunk.toString("latin1");
      // Only whole lines: a domain that is cut off would be taken for another one, because the hash does not cover it.
      const end = text.lastIndexOf("\n") + 1;
      this.look(text.slice(0, end), from);
      rest = text.slice(end).slice(-MAX_LINE_BYTES);
      bytes += chunk.length;
      if (bytes > maxBytes) return bytes;
    }
    this.look(rest, from);
    return bytes;
  }

  found(): FormerDomain[] {
    return [...this.#domains].map(([domain, from]) => ({ domain, from: `seen in ${from}` }));
  }
}
