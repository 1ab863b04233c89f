/** Checks of the forward-only set-up: is the second pass taken, and does it change nothing but the sender. */

import { splitItems } from "../../postfix/match-list.ts";
import { BIG_RECEIVERS, domainOfKey, isDefaultRoute, MAX_KEYS } from "../../postfix/transport-map.ts";
import { type Check, error, type Finding, skipped, someOf, warning, withPostfix } from "../check.ts";
import type { Facts, PostfixFacts } from "../facts.ts";
import { differences, parseForwardTransport, parseRecipe, type RecipePart, secondPass } from "../recipe.ts";
import { isForwardOnly } from "../srs-tables.ts";

const NOT_HERE = "this host has no forward-only set-up";
const MEND = "postvouch setup forward-only --apply";

export const FORWARD_ONLY: readonly Check[] = [
  {
    id: "transport-maps",
    right: "no transport map sends foreign mail past the second pass",
    why: "transport_maps come before sender_dependent_default_transport_maps: mail to a domain that they name leaves unrewritten.",
    run: withPostfix(async (postfix) => {
      if (!isForwardOnly(postfix)) return [skipped(NOT_HERE)];
      const findings = await Promise.all(
        splitItems(postfix.value("transport_maps"))
          .filter(Boolean)
          .map((table) => pastSecondPass(table, postfix)),
      );
      return findings.flat();
    }),
  },
  {
    id: "second-pass",
    right: "the second pass of master.cf inherits nothing that would stop or change forwarded mail",
    why: "Its services read main.cf too: TLS, filters, milters, restrictions and header rewriting of the first pass would act twice.",
    run: withPostfix((postfix, facts) =>
      isForwardOnly(postfix) ? secondPassFindings(postfix, facts) : [skipped(NOT_HERE)],
    ),
  },
  {
    id: "second-pass-port",
    right: "the port of the second pass answers",
    why: "If it does not, all forwarded mail waits in the queue.",
    run: withPostfix(async (postfix, { setup, ask }) => {
      if (!isForwardOnly(postfix)) return [skipped(NOT_HERE)];
      const text = setup.config["srs.forward_transport"];
      const wanted = parseForwardTransport(text);
      if (wanted === undefined) return [skipped(`srs.forward_transport names no port: "${text}"`)];
      const answer = await ask.smtp(wanted);
      if (answer.status === "found" && answer.value.startsWith("220")) return [];
      const reason = "reason" in answer ? answer.reason : answer.status === "found" ? answer.value : answer.status;
      return [
        error(
          `port ${wanted.port}, where forwarded mail is rewritten, does not answer: ${reason}`,
          "postfix start; postfix reload",
        ),
      ];
    }),
  },
];

/** Big receivers, for tables that cannot list their keys. */
const PROBES = [...BIG_RECEIVERS, "postvouch.invalid"];

async function pastSecondPass(table: string, postfix: PostfixFacts): Promise<Finding[]> {
  const listed = await postfix.entries(table);
  const found = listed ?? (await probe(table, postfix));
  const foreign: string[] = [];
  for (const [key, value] of [...found].slice(0, MAX_KEYS)) {
    if (isDefaultRoute(value)) continue;
    const domain = domainOfKey(key);
    if (key === "*" || (domain !== undefined && !(await postfix.receives(domain)))) foreign.push(key);
  }
  if (foreign.length === 0) return [];
  // A hash table lists its keys in any order.
  foreign.sort();
  const isAll = foreign.includes("*") || foreign.includes("postvouch.invalid");
  const mail = isAll ? "all mail" : `mail to ${someOf(foreign)}`;
  const relay = isAll ? found.get("*")?.replace(/^(?:smtp|relay)?:/, "") : undefined;
  return [
    error(
      `main.cf: transport_maps (${table}) sends ${mail} past the second pass, so it leaves unrewritten`,
      relay === undefined
        ? `take ${isAll ? "the pattern" : someOf(foreign)} out of ${table}; limits for a receiver belong to its own smtp service after the second pass`
        : `take "*" out of ${table}; relayhost = ${relay} does the same behind the second pass`,
    ),
  ];
}

/** What a table answers for domains that are surely foreign. */
async function probe(table: string, postfix: PostfixFacts): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const key of ["*", ...PROBES, "someone@postvouch.invalid"]) {
    const value = await postfix.lookUp(table, key);
    if (value !== undefined) found.set(key.replace(/^.*@/, ""), value);
  }
  return found;
}

/** Parameters without which forwarded mail is lost, refused or not rewritten; others change or delay it. */
const VITAL: ReadonlySet<string> = new Set([
  "cleanup_service_name",
  "content_filter",
  "mynetworks",
  "receive_override_options",
  "recipient_canonical_maps",
  "sender_canonical_classes",
  "sender_canonical_maps",
  "smtp_bind_address",
  "smtp_fallback_relay",
  "smtpd_proxy_filter",
  "smtpd_recipient_restrictions",
  "smtpd_relay_restrictions",
  "smtpd_upstream_proxy_protocol",
  "virtual_alias_maps",
]);

const PARTS: readonly RecipePart[] = ["smtp", "smtpd", "cleanup"];

function secondPassFindings(postfix: PostfixFacts, { setup, host }: Facts): Finding[] {
  const text = host.read(`${host.packageDir}/deploy/postfix/forward-only.master.cf`);
  const wanted = parseForwardTransport(setup.config["srs.forward_transport"]);
  if (text === undefined || wanted === undefined)
    return [skipped("the recipe of docs/postfix.md is not installed here")];
  const recipe = parseRecipe(text);
  const services = secondPass(postfix.services, wanted);
  const names = {
    smtp: wanted.transport,
    smtpd: `${wanted.host}:${wanted.port}`,
    cleanup: "the cleanup of the second pass",
  };
  return PARTS.flatMap((part) => {
    const service = services[part];
    if (service === undefined) {
      return [error(`master.cf: ${names[part]} is missing, so forwarded mail waits or is not rewritten`, MEND)];
    }
    const different = differences(recipe[part], service, postfix);
    const [vital, other] = [different.filter((name) => VITAL.has(name)), different.filter((name) => !VITAL.has(name))];
    const open = part === "smtpd" && /^(?:\d+|0\.0\.0\.0:|\[::\]:)/.test(service.name) && !/^127\./.test(service.name);
    return [
      ...(open ? [warning(`master.cf: ${service.name} listens on every address, want loopback only`, MEND)] : []),
      ...(vital.length > 0
        ? [
            error(
              `master.cf: ${service.name} has not the recipe's ${someOf(vital, 5)}: forwarded mail is refused, lost or not rewritten`,
              MEND,
            ),
          ]
        : []),
      ...(other.length > 0
        ? [
            warning(
              `master.cf: ${service.name} inherits ${someOf(other, 5)} from main.cf: forwarded mail is delayed or changed`,
              MEND,
            ),
          ]
        : []),
    ];
  });
}
