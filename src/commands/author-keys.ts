/** The keys that sign for an author, for commands that sign without the daemon. */
import type { ConfiguredKey } from "../dkim/keys.ts";
import { SigningKeys } from "../dkim/keys.ts";
import { recordName } from "../dkim/record.ts";
import type { Resolver } from "../dns/types.ts";
import { join } from "../process/builtins.ts";
import { readKeyFiles } from "../setup/dkim-keys.ts";
import { readSeenKeys, SEEN_KEYS_FILE } from "../setup/seen-keys.ts";
import type { Setup } from "../setup/setup.ts";

/** Longest time for all lookups. */
const TIME_LIMIT_MS = 25_000;

export interface AuthorKeys {
  /** The keys that sign; none, with the reason for it. */
  readonly chosen: readonly ConfiguredKey[];
  readonly refusal: string;
  /** Key files that cannot be used, one line each. */
  readonly problems: readonly string[];
}

/** Asks DNS for the keys of this author alone: there may be thousands. */
export async function authorKeys(
  { config, stateDir }: Setup,
  resolver: Resolver,
  author: { readonly local: string; readonly domain: string },
): Promise<AuthorKeys> {
  const { keys, problems } = readKeyFiles(config);
  const { seen } = readSeenKeys(join(stateDir, SEEN_KEYS_FILE));
  const signing = new SigningKeys(keys, { requirePublished: config["dkim.sign.require_published"], seen });
  const candidates = signing.candidates(author.local, author.domain);
  if (candidates.length === 0) return { chosen: [], refusal: `no key for ${author.local}@${author.domain}`, problems };
  const deadlineMs = performance.now() + TIME_LIMIT_MS;
  for (const key of candidates) {
    signing.learn(key, await resolver.resolve(recordName(key.selector, key.domain), "TXT", { deadlineMs }));
  }
  const chosen = signing.choose(author.local, author.domain);
  const refusal = `no record in DNS for the key of ${author.domain}; "postvouch dkim check" says more`;
  return { chosen, refusal, problems };
}
