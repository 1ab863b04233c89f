/**
 * Finds settings of Postfix and other programs on this host that are valid but do not fit this configuration: mail
 * would be lost, or would leave without rewriting.
 */
import { existsSync, readFileSync } from "node:fs";
import { LISTENER_KEYS, LISTENERS, type Listener, type MainCfParameter } from "../config/listeners.ts";
import { createOwnDomainSources } from "../domains/sources.ts";
import { readParameters } from "../postfix/postconf.ts";
import type { PostfixCommand } from "../postfix/run.ts";
import type { Setup } from "./setup.ts";

/** Lists of restrictions that may name a policy service. */
const RESTRICTIONS = [
  "smtpd_client_restrictions",
  "smtpd_helo_restrictions",
  "smtpd_sender_restrictions",
  "smtpd_relay_restrictions",
  "smtpd_recipient_restrictions",
  "smtpd_data_restrictions",
  "smtpd_end_of_data_restrictions",
] as const;

const PARAMETERS = [
  ...RESTRICTIONS,
  "sender_canonical_maps",
  "recipient_canonical_maps",
  "sender_dependent_default_transport_maps",
  "smtpd_milters",
] as const;

type MainCf = ReadonlyMap<(typeof PARAMETERS)[number], string>;

/** Paths of files. The defaults are those of Debian. */
interface Places {
  readonly postfix?: PostfixCommand;
  readonly opendmarcConf?: string;
  readonly postsrsdDefaults?: string;
}

/** One sentence for each problem; none without Postfix. */
export async function neighbourAdvice(setup: Setup, places: Places = {}): Promise<string[]> {
  const { postfix = {}, opendmarcConf = "/etc/opendmarc.conf", postsrsdDefaults = "/etc/default/postsrsd" } = places;
  const mainCf: MainCf = await readMainCf(postfix);
  return [
    ...mixedSetUps(setup, mainCf),
    ...uncheckedMail(setup, mainCf),
    ...refusedMail(setup, mainCf, opendmarcConf),
    ...wayBack(setup, mainCf, postsrsdDefaults),
    ...(await unroutedDomains(setup, mainCf, postfix)),
  ];
}

/** Reads the parameters, with `localhost` as our listeners write it. Empty without Postfix. */
async function readMainCf(postfix: PostfixCommand): Promise<MainCf> {
  const written: MainCf = await readParameters(PARAMETERS, postfix).catch(() => new Map());
  const loopback = /\b(tcp|inet):(?:localhost|\[127\.0\.0\.1\]):/g;
  return new Map([...written].map(([name, value]) => [name, value.replaceAll(loopback, "$1:127.0.0.1:")]));
}

/** The forms in which a parameter of main.cf may name our listeners. */
function ourWords({ config }: Setup, parameter: MainCfParameter): string[] {
  return LISTENER_KEYS.flatMap((key) => {
    const { mainCf }: Listener = LISTENERS[key];
    return config[key].flatMap((endpoint) => mainCf[parameter]?.(endpoint) ?? []);
  });
}

function mixedSetUps(setup: Setup, mainCf: MainCf): string[] {
  const isClassic = ourWords(setup, "sender_canonical_maps").some((map) =>
    names(mainCf.get("sender_canonical_maps"), map),
  );
  const isForwardOnly = (mainCf.get("sender_dependent_default_transport_maps") ?? "").includes(":forward-transport");
  if (!isClassic || !isForwardOnly) return [];
  return [
    "main.cf: sender_canonical_maps rewrites every sender, so that sender_dependent_default_transport_maps has nothing left to do; take our map out of sender_canonical_maps (docs/postfix.md)",
  ];
}

function uncheckedMail(setup: Setup, mainCf: MainCf): string[] {
  const services = ourWords(setup, "smtpd_recipient_restrictions").map(
    (call) => /\{\s*([^\s,]+)/.exec(call)?.[1] ?? call,
  );
  return RESTRICTIONS.flatMap((name) => {
    const calls = [...(mainCf.get(name) ?? "").matchAll(/check_policy_service\s*\{([^}]*)\}/g)].map(
      ([, call = ""]) => call,
    );
    const letsIn = calls.some(
      (call) => services.some((service) => names(call, service)) && /default_action\s*=\s*(?:DUNNO|OK)/i.test(call),
    );
    const advice = "lets mail in unchecked while postvouch is down, and a DMARC filter may then refuse it for good";
    return letsIn ? [`main.cf: default_action in ${name} ${advice}; leave it out, and the sender tries again`] : [];
  });
}

function refusedMail({ config }: Setup, mainCf: MainCf, opendmarcConf: string): string[] {
  const tags = (["helo", "mail_from"] as const).filter(
    (identity) => config[`policy.${identity}.temperror`].kind === "tag",
  );
  if (config["policy.listen"].length === 0 || tags.length === 0 || (mainCf.get("smtpd_milters") ?? "") === "")
    return [];
  if (!rejectsByDmarc(opendmarcConf)) return [];
  const keys = tags.map((identity) => `policy.${identity}.temperror`).join(", ");
  return [
    `${keys}: got "tag", want "defer": ${opendmarcConf} rejects (RejectFailures), and would refuse mail for good while DNS is out of order`,
  ];
}

/** Warns of an alphabet that postsrsd 1.x cannot read. It may have to take over again as long as it is installed. */
function wayBack(setup: Setup, mainCf: MainCf, postsrsdDefaults: string): string[] {
  const maps = mainCf.get("recipient_canonical_maps");
  const isAsked = ourWords(setup, "recipient_canonical_maps").some((map) => names(maps, map));
  if (!isAsked || setup.config["srs.hash_alphabet"] === "standard" || !existsSync(postsrsdDefaults)) return [];
  return [
    `srs.hash_alphabet: got "url-safe", want "standard" as long as postsrsd 1.x may come back (${postsrsdDefaults} is there): it cannot read one in eight of our addresses`,
  ];
}

/** Warns of SRS domains in no domain class of Postfix: Postfix refuses mail for them before it asks a map. */
async function unroutedDomains(setup: Setup, mainCf: MainCf, postfix: PostfixCommand): Promise<string[]> {
  const maps = mainCf.get("recipient_canonical_maps");
  if (!ourWords(setup, "recipient_canonical_maps").some((map) => names(maps, map))) return [];
  const classes = createOwnDomainSources({ onEvent: () => {}, postfix });
  try {
    const settings = { domains: [], files: [], postfixTables: [], postfixClasses: true, always: [] };
    const reading = await classes.prepare(settings);
    if (reading.report.errors.length > 0) return [];
    reading.commit();
    const domains = [setup.srsDomain, ...setup.config["srs.former_domains"]];
    const known = await Promise.all(domains.map((domain) => classes.has(domain)));
    return domains
      .filter((_, index) => known[index] === false)
      .map(
        (domain) =>
          `main.cf: ${domain} is in no domain class: bounces to it get "454 Relay access denied" (docs/postfix.md)`,
      );
  } catch {
    // A table did not answer, so the domains are unknown.
    return [];
  } finally {
    classes.close();
  }
}

function rejectsByDmarc(opendmarcConf: string): boolean {
  try {
    return /^\s*RejectFailures\s+(?:true|yes|1)\b/im.test(readFileSync(opendmarcConf, "latin1"));
  } catch {
    return false;
  }
}

/** Tells if a value contains `word` as a whole word. */
function names(value: string | undefined, word: string): boolean {
  const behind = (value ?? "").split(word).slice(1);
  return behind.some((rest) => !/^[\w.:-]/.test(rest));
}
