/** Checks of the way back: do bounces to rewritten addresses reach the original sender. */
import { domainOf, normalizeName } from "../../mail/names.ts";
import { splitItems } from "../../postfix/match-list.ts";
import {
  type AdviceFacts,
  type Check,
  error,
  type Finding,
  postconf,
  shellWord,
  skipped,
  warning,
  withPostfix,
} from "../check.ts";
import type { Facts, PostfixFacts } from "../facts.ts";
import { askTable, distinct, isForwardOnly, PROBE_SENDER, type SrsTable, srsTables } from "../srs-tables.ts";

/** Advice that check-config gives too. */
export const WAY_BACK_ADVICE: readonly Check<AdviceFacts>[] = [
  {
    id: "srs-domain-class",
    right: "the SRS domains are among the domains for which Postfix receives mail",
    why: "Otherwise Postfix refuses bounces with `454 Relay access denied` before it asks any map.",
    run: withPostfix(async (postfix, { setup }) => {
      const isAsked = srsTables(postfix, setup).some(
        ({ parameter, map }) => parameter === "recipient_canonical_maps" && map === "reverse",
      );
      if (!isAsked) return [skipped("recipient_canonical_maps names no map of ours")];
      const domains = [setup.srsDomain, ...setup.config["srs.former_domains"]];
      const received = await Promise.all(domains.map((domain) => postfix.receives(domain)));
      const missing = domains.filter((_domain, index) => received[index] === false);
      const list = postfix.written("virtual_alias_domains") ?? "$virtual_alias_maps";
      return missing.map((domain) =>
        error(
          `main.cf: ${domain} is in no domain class: bounces to it get "454 Relay access denied" (docs/postfix.md)`,
          postconf(`virtual_alias_domains = ${[list, ...missing].filter(Boolean).join(", ")}`),
        ),
      );
    }),
  },
  {
    id: "hash-alphabet",
    right: "postsrsd 1.x could read our addresses as long as it is installed",
    why: "It cannot read the hashes with `-` and `_`, so the way back to it would lose one bounce in eight.",
    run: withPostfix((postfix, { setup, neighbours }) => {
      const isAsked = srsTables(postfix, setup).some(({ map }) => map === "reverse");
      if (!isAsked || setup.config["srs.hash_alphabet"] === "standard") return [];
      if (neighbours.postsrsd === undefined) return [];
      const { path } = neighbours.postsrsd;
      return [
        warning(
          `srs.hash_alphabet: got "url-safe", want "standard" as long as postsrsd 1.x may come back (${path} is there): it cannot read one in eight of our addresses`,
          'in postvouch.toml: [srs] hash_alphabet = "standard"; or, 22 days after the change: apt purge postsrsd',
        ),
      ];
    }),
  },
];

export const WAY_BACK: readonly Check[] = [
  {
    id: "domain-twice",
    right: "no domain is listed twice in Postfix",
    why: "Postfix warns at each message, and one of the two lists has no effect.",
    run: withPostfix(async (postfix) => {
      const lists = [...(await postfix.domains())];
      const places = new Map<string, string[]>();
      for (const [list, domains] of lists) {
        for (const domain of domains) places.set(domain, [...(places.get(domain) ?? []), list]);
      }
      // mydestination often repeats a name, and relay_domains was "$mydestination" by default. Neither does harm.
      const isWrong = (names: readonly string[]): boolean => {
        const others = names.filter((name) => name !== "mydestination");
        const isOldDefault = others.every((name) => name === "relay_domains") && names.includes("mydestination");
        return others.length > 1 ? !isOldDefault : others.length === 1 && names.length > 1 && !isOldDefault;
      };
      return [...places]
        .filter(([, names]) => isWrong(names))
        .map(([domain, names]) => {
          const isSame = new Set(names).size === 1;
          return warning(
            isSame
              ? `main.cf: ${domain} stands twice in ${names[0]}`
              : `main.cf: ${domain} stands in ${names.join(" and ")}`,
            `take it out of one: postconf -n ${[...new Set(names)].join(" ")}`,
          );
        });
    }),
  },
  {
    id: "bounce-path",
    right: "a bounce to a rewritten address finds the original sender through main.cf's maps",
    why: "If not, every bounce of forwarded mail is refused or lost, and nobody is told.",
    run: withPostfix(async (postfix, facts) => {
      const maps = srsTables(postfix, facts.setup).filter(({ map }) => map === "reverse");
      if (maps.length === 0) return [skipped("main.cf names no map of ours")];
      if (maps.every(({ parameter }) => parameter !== "recipient_canonical_maps")) {
        return [skipped("the way back does not go through recipient_canonical_maps")];
      }
      const signed = facts.daemon.sign?.(PROBE_SENDER);
      if (signed === undefined) return [skipped("this command has no secret to sign an address with")];
      const trouble = await silentTable(maps, postfix, facts);
      if (trouble !== undefined) return [skipped(trouble)];
      const restored = await throughMaps(signed, postfix);
      if (restored?.toLowerCase() === PROBE_SENDER) return [];
      const result = restored === undefined ? "no map restores it" : `the maps make it ${restored}`;
      return [
        error(
          `main.cf: ${signed} does not find its way back: ${result}`,
          `postvouch setup ${isForwardOnly(postfix) ? "forward-only" : "classic"} --apply`,
        ),
      ];
    }),
  },
  {
    id: "former-domains",
    right: "addresses that were signed for an earlier SRS domain still lead back",
    why: "Mail that is under way has the old domain. Without `srs.former_domains`, and Postfix's domain list, its bounces get `550 5.1.1`.",
    run: withPostfix(async (postfix, facts) => {
      const { setup, daemon, mailLog } = facts;
      const restore = daemon.restore;
      if (restore === undefined) return [skipped("this command has no secret to tell our addresses")];
      const queued = ((await postfix.queuedSenders()) ?? []).filter((sender) => /^srs[01][-+=]/i.test(sender));
      const logged = "known" in mailLog ? mailLog.known.srsAddresses : [];
      const current = new Set([setup.srsDomain, ...setup.config["srs.former_domains"]].map(normalizeName));
      const strangers = new Map<string, string>();
      for (const address of [...logged, ...queued]) {
        const domain = normalizeName(domainOf(address));
        if (!current.has(domain) && restore(address) !== undefined) strangers.set(domain, address);
      }
      const maps = srsTables(postfix, setup).filter(({ map }) => map === "reverse");
      const trouble = await silentTable(maps, postfix, facts);
      if (strangers.size > 0 && trouble !== undefined) return [skipped(trouble)];
      const findings: Finding[] = [];
      for (const [domain, address] of strangers) {
        if ((await postfix.receives(domain)) && (await throughMaps(address, postfix)) !== undefined) continue;
        const count = queued.filter((one) => normalizeName(domainOf(one)) === domain).length;
        findings.push(
          error(
            `${domain} signed mail that is under way (${count} in the queue), and bounces to it are refused`,
            `in postvouch.toml: [srs] former_domains = ["${domain}"]; then: postvouch setup ${isForwardOnly(postfix) ? "forward-only" : "classic"} --apply`,
          ),
        );
      }
      return findings;
    }),
  },
  {
    id: "signed-addresses",
    right: "the addresses of the SRS domain in the log are ours",
    why: "What another secret has signed, of postsrsd or of another host, does not lead back: its bounces are refused.",
    run: ({ setup, daemon: { restore }, mailLog }) => {
      if (restore === undefined) return [skipped("this command has no secret to tell our addresses")];
      if ("unknown" in mailLog) return [skipped(mailLog.unknown)];
      const domains = new Set([setup.srsDomain, ...setup.config["srs.former_domains"]].map(normalizeName));
      const ours = mailLog.known.srsAddresses.filter((address) => domains.has(normalizeName(domainOf(address))));
      const strange = ours.filter((address) => restore(address) === undefined);
      if (strange.length === 0) return [];
      return [
        warning(
          `${strange.length} of ${ours.length} SRS addresses in ${mailLog.known.path} cannot be restored, such as ${strange[0]}: another secret has signed them, or they are older than srs.max_age, or forged`,
          `postvouch srs reverse ${shellWord(strange[0] ?? "")}; if postsrsd signed them, add its secret to ${setup.secretsFile}`,
        ),
      ];
    },
  },
];

/** The first of the tables that does not answer, in words. Postfix's own client would wait for it for ten seconds. */
async function silentTable(
  tables: readonly SrsTable[],
  postfix: PostfixFacts,
  facts: Facts,
): Promise<string | undefined> {
  for (const table of distinct(tables)) {
    const answer = await askTable(table, postfix, facts.ask);
    if (answer.status === "unreachable") return `${table.text} does not answer`;
  }
  return undefined;
}

/** What recipient_canonical_maps make of an address. */
async function throughMaps(address: string, postfix: PostfixFacts): Promise<string | undefined> {
  for (const table of splitItems(postfix.value("recipient_canonical_maps")).filter(Boolean)) {
    const found = await postfix.lookUp(table, address);
    if (found !== undefined) return found;
  }
  return undefined;
}
