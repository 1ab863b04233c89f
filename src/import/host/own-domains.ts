/** Compares the peer's list of own domains with Postfix's own lists, by asking them as the daemon would. */
import { createOwnDomainSources, type OwnDomainSources } from "../../domains/sources.ts";
import { parseMatchList } from "../../postfix/match-list.ts";
import type { PostfixDomains } from "../plan.ts";
import type { PostfixFacts } from "./postfix.ts";

const CLASSES = ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"] as const;

/** Most names in a sentence. */
const MAX_SHOWN = 5;

const UNUSABLE: PostfixDomains = { isUsable: false, covered: new Set() };

/**
 * Asks Postfix's lists for each domain.
 *
 * @param own the peer's list
 * @param always domains that are own in any case
 * @returns also sentences for the admin
 */
export async function comparePostfixDomains(
  postfix: PostfixFacts | undefined,
  own: readonly string[],
  always: readonly string[],
): Promise<{ readonly domains: PostfixDomains; readonly notes: readonly string[] }> {
  if (postfix === undefined) return { domains: UNUSABLE, notes: [] };
  const sources = createOwnDomainSources({ onEvent: () => {}, postfix: postfix.command });
  try {
    const settings = { domains: [], files: [], postfixTables: [], postfixClasses: true, always: [] };
    const { report, commit } = await sources.prepare(settings);
    const problems = [...report.errors, ...report.warnings];
    if (problems.length > 0) {
      const note = `own domains: Postfix's lists cannot be used now, so that the domains are named: ${problems.join("; ")}`;
      return { domains: UNUSABLE, notes: [note] };
    }
    commit();
    const names = own.filter((domain) => !domain.startsWith("."));
    // All at once, so that one process of postmap answers many.
    const answers = await Promise.all(names.map((domain) => isOwn(sources, domain)));
    const covered = new Set(names.filter((_, index) => answers[index]));
    return { domains: { isUsable: true, covered }, notes: newlyOwn(postfix, [...own, ...always]) };
  } finally {
    sources.close();
  }
}

/** Asks for a domain. One that no table answers for stays in the list. */
async function isOwn(sources: OwnDomainSources, domain: string): Promise<boolean> {
  try {
    return await sources.has(domain);
  } catch {
    return false;
  }
}

/** Says whose senders were rewritten and are no longer, because Postfix's lists have more than the peer's. */
function newlyOwn(postfix: PostfixFacts, known: readonly string[]): string[] {
  const items = CLASSES.flatMap((name) => parseMatchList(postfix.expanded.get(name) ?? "")).filter(
    (item) => !item.negated,
  );
  const whole = new Set(known);
  const suffixes = known.filter((one) => one.startsWith("."));
  const isKnown = (name: string): boolean => whole.has(name) || suffixes.some((suffix) => name.endsWith(suffix));
  const names = items.filter(
    ({ kind, text }) => kind === "name" && /^(?!localhost\.)[^[].*\./.test(text) && !isKnown(text.toLowerCase()),
  );
  const others = [...new Set(names.map(({ text }) => text))];
  const tables = [...new Set(items.filter(({ kind }) => kind !== "name").map(({ text }) => text))];
  if (others.length + tables.length === 0) return [];
  const shown = [
    ...others.slice(0, MAX_SHOWN),
    ...(others.length > MAX_SHOWN ? [`${others.length - MAX_SHOWN} more`] : []),
  ];
  const asked = tables.length === 0 ? [] : [`what ${tables.join(" and ")} has`];
  return [
    `own domains: Postfix's lists have domains that postsrsd's list may not have, whose senders are not rewritten here: ${[...shown, ...asked].join(", ")} (srs.own_domains.postfix_classes)`,
  ];
}
