/** Which maps of main.cf are those of SRS: ours, postsrsd's, or another's. */
import { entriesOf, joined } from "./entries.ts";
import type { Ground } from "./ground.ts";
import type { Planning } from "./plan.ts";
import type { ReadParameter } from "./postfix-facts.ts";
import { parametersOf, type SnippetName } from "./snippets.ts";
import { exampleAddress } from "./wiring.ts";

/** Names of the sender map: at postsrsd's ports, and of its socketmap and ours. */
const SENDER_MAP = /^(?:tcp:.*:10001|socketmap:.*:forward)$/;
const RECIPIENT_MAP = /^(?:tcp:.*:10002|socketmap:.*:reverse|pipemap:.*srs-recipients\.regexp.*)$/;

/** A map that other maps are in, and that is not taken apart. */
const NESTED = /^[a-z]+map:\{.*(?:tcp|socketmap):/;

interface SrsMaps {
  /** What stays. */
  readonly others: readonly string[];
  readonly srs: readonly string[];
}

/**
 * Tells the SRS maps in a list from the others. A `$name` stays one, unless there is an SRS map behind it.
 */
export function splitMaps(
  name: ReadParameter & ("sender_canonical_maps" | "recipient_canonical_maps"),
  { facts, wiring }: Ground,
): SrsMaps {
  const isSender = name === "sender_canonical_maps";
  const key = isSender ? "tcptable.forward" : "tcptable.reverse";
  const table = `tcp:${(wiring.addresses.get(key) ?? exampleAddress(key)).replace(/^inet:/, "")}`;
  const isSrs = (entry: string): boolean => {
    const map = entry.replace(/^(?:proxy:)+/, "");
    if ((isSender ? SENDER_MAP : RECIPIENT_MAP).test(map) || map === table) return true;
    return isSender && facts.srsMaps.has(map);
  };
  const written = entriesOf(facts.written.get(name) ?? "");
  // A "$" that is left after expansion was written "$$".
  const expanded = entriesOf((facts.expanded.get(name) ?? "").replaceAll("$", "$$$$"));
  const entries = written.filter(isSrs).length === expanded.filter(isSrs).length ? written : expanded;
  return { others: entries.filter((entry) => !isSrs(entry)), srs: entries.filter(isSrs) };
}

/** Tells of maps with others inside, which may rewrite senders and are not taken apart. */
export function noteNested(planning: Planning, entries: readonly string[]): void {
  for (const entry of entries.filter((one) => NESTED.test(one))) {
    planning.note(
      `sender_canonical_maps: ${entry} stays. If there is an SRS map in it, take it out: it rewrites local mail too`,
    );
  }
}

/** The SRS domains in use: ours, and those that another program has signed with until now. */
export function srsDomains(planning: Planning, { facts, wiring }: Ground): string[] {
  const own = [wiring.srsDomain, ...wiring.formerDomains];
  const found = [...facts.srsMaps.values()].filter((domain) => domain !== "" && !own.includes(domain));
  const strangers = [...new Set(found)];
  if (strangers.length > 0) {
    const names = joined(strangers);
    planning.note(
      `srs.former_domains: ${names} signed mail until now; bounces to it are let in, and for 22 days it belongs in srs.former_domains`,
    );
  }
  return [...new Set([...own, ...strangers])];
}

/** Has Postfix accept mail for the SRS domains, to which bounces come back. */
export function routeDomains(planning: Planning, { facts }: Ground, domains: readonly string[]): void {
  const missing = domains.filter((domain) => !facts.routed.has(domain));
  if (missing.length === 0) return;
  const present = entriesOf(facts.written.get("virtual_alias_domains") ?? "");
  planning.note(`virtual_alias_domains: adds ${joined(missing)}`);
  planning.set("virtual_alias_domains", joined([...present, ...missing]));
}

/** The parameters of the classic set-up, over socketmap if it is on. */
export function classicParameters({ wiring, snippets, facts }: Ground): ReadonlyMap<string, string> {
  const name: SnippetName = wiring.addresses.has("socketmap.listen")
    ? "canonical-socketmap.main.cf"
    : "canonical-tcp.main.cf";
  return parametersOf(snippets[name], wiring, facts.configDir);
}

/** The parameters of the set-up forward-only. */
export function forwardOnlyParameters({ wiring, snippets, facts }: Ground): ReadonlyMap<string, string> {
  return parametersOf(snippets["forward-only.main.cf"], wiring, facts.configDir);
}
