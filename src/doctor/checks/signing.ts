/** Checks of what signs: our DKIM keys, their files, the domains that have none, and what would break a signature. */
import { type ConfiguredKey, SigningKeys } from "../../dkim/keys.ts";
import { splitItems } from "../../postfix/match-list.ts";
import {
  type Check,
  error,
  type Finding,
  postconf,
  shellWord,
  skipped,
  someOf,
  warning,
  withPostfix,
} from "../check.ts";
import type { Facts, HostFacts } from "../facts.ts";
import { isOff, OFF, ourLists } from "../milters.ts";
import { ownMailDomains } from "../names.ts";
import { barrierFor, modeText } from "../service-user.ts";
import { ourKeyFindings } from "./dkim-keys.ts";

export const SIGNING: readonly Check[] = [
  {
    id: "dkim-keys",
    right: "our DKIM keys are published, alone at their names, and long enough",
    why: "A key signs only once its record is seen; a signature whose record is missing, revoked or another's fails at every receiver.",
    run: async (facts) => (isOff(facts.setup) ? [skipped(OFF)] : await ourKeyFindings(facts)),
  },
  {
    id: "dkim-key-files",
    right: "the service's user, and no other, can read the keys",
    why: "As root `dkim check` sees all keys. One that the service cannot read signs nothing, and one that others can write is theirs.",
    run: ({ setup, dkim, host }) => {
      if (isOff(setup)) return [skipped(OFF)];
      if (dkim.keys.length === 0) return [skipped("no key is configured")];
      return [
        ...openDirectories(setup.config["dkim.sign.key_directory"], dkim.keys, host),
        ...dkim.keys.flatMap(({ file }) => unreadable(file, host)),
      ];
    },
  },
  {
    id: "dkim-domains",
    right: "every own domain that has an MX record has a key",
    why: "Gmail wants a signature of bulk senders, and forwarded mail passes DMARC by its signature alone.",
    run: async (facts) => {
      if (isOff(facts.setup)) return [skipped(OFF)];
      const { keys, problems } = facts.dkim;
      const domains = ownMailDomains(facts);
      if (domains.length === 0) return [skipped("no own domain is known by name")];
      // What is configured and cannot be read has its own line.
      if (keys.length === 0 && problems.length > 0) return [skipped("no key can be read: see dkim-keys")];
      const known = new SigningKeys(keys, { requirePublished: false, seen: [] });
      const keyless = domains.filter((domain) => known.candidates("any", domain).length === 0);
      const missing = await withMx(keyless, facts);
      if (missing.length === 0) return [];
      return [
        warning(
          `${someOf(missing)} ${missing.length === 1 ? "has" : "have"} no DKIM key: mail of ${missing.length === 1 ? "it" : "them"} goes unsigned`,
          `postvouch dkim keygen ${missing[0]}`,
        ),
      ];
    },
  },
  {
    id: "signed-unchanged",
    right: "nothing changes mail after the milter has signed it",
    why: "smtp_header_checks, smtp_body_checks and smtp_generic_maps act when mail leaves: what they change breaks the signature.",
    run: withPostfix((postfix, { setup, dkim }) => {
      if (isOff(setup)) return [skipped(OFF)];
      if (dkim.keys.length === 0 || ourLists(postfix, setup).length === 0) return [skipped("our milter signs nothing")];
      return CHANGES.flatMap((name) => {
        const tables = splitItems(postfix.value(name)).filter(Boolean);
        if (tables.length === 0) return [];
        return warning(
          `main.cf: ${name} (${someOf(tables)}) changes mail after it was signed: DKIM of what it changes fails`,
          `see that it changes no signed field, or make the change before: ${postconf(`${name} =`)}`,
        );
      });
    }),
  },
];

/** Those that take mail, and so send it too: not the names of hosts that mydestination has. */
async function withMx(domains: readonly string[], { dns }: Facts): Promise<string[]> {
  const answers = await Promise.all(
    domains.map((domain) => dns.resolver.resolve(domain, "MX", { deadlineMs: dns.deadlineMs })),
  );
  return domains.filter((_domain, at) => answers[at]?.status === "ok");
}

/** Parameters of smtp(8) that change what leaves. */
const CHANGES = ["smtp_header_checks", "smtp_mime_header_checks", "smtp_body_checks", "smtp_generic_maps"];

function unreadable(file: string, host: HostFacts): Finding[] {
  const barrier = barrierFor(file, host);
  if (barrier === undefined) return [];
  const owner = barrier.user;
  const mend = barrier.isDirectory
    ? `chmod o+x ${shellWord(barrier.step)}`
    : owner === undefined
      ? `keep it where the service may read it: /var/lib/postvouch/dkim (docs/keys.md)`
      : `chown ${owner} ${shellWord(file)}`;
  return [error(`${barrier.who} cannot read the key ${file}: ${barrier.step} has mode ${barrier.mode}`, mend)];
}

/** Anybody can put a key of theirs into a directory that anybody may write. */
function openDirectories(
  directory: string,
  keys: readonly (ConfiguredKey & { file: string })[],
  host: HostFacts,
): Finding[] {
  const parents = keys.map(({ file }) => file.replace(/\/[^/]*$/, ""));
  return [...new Set([directory, ...parents])].filter(Boolean).flatMap((path) => {
    const found = host.file(path);
    if (found === undefined || (found.mode & 0o002) === 0) return [];
    return error(
      `${path} has mode ${modeText(found.mode)}: every user of this machine can put a key there and sign as you`,
      `chmod o-w ${shellWord(path)}`,
    );
  });
}
