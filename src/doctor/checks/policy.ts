/** Checks of the SPF policy service in Postfix's restrictions. */
import { splitItems } from "../../postfix/match-list.ts";
import type { Service } from "../../postfix/services.ts";
import type { Setup } from "../../setup/setup.ts";
import {
  type AdviceFacts,
  type Check,
  error,
  type Finding,
  postconf,
  skipped,
  warning,
  withPostfix,
} from "../check.ts";
import type { NeighbourFacts, PostfixFacts } from "../facts.ts";
import { mayAsk } from "../milter-peers.ts";
import { hasOurs, milterLists, ourLists } from "../milters.ts";
import { isSubmission, placeFor } from "../places.ts";
import {
  allCalls,
  isOtherSpf,
  isOurs,
  listFor,
  nameOf,
  type PolicyCall,
  policyCalls,
  restrictionLists,
} from "../restrictions.ts";
import { hasFix, isAtLeast } from "../version.ts";
import { LETS_IN, mendList, postfixSeconds, RELAY_GUARDS, RELAY_LISTS, tight } from "./policy-list.ts";

const MEND = "postvouch setup policy --apply";
const NOT_USED = "Postfix does not ask our policy service";

export const POLICY_ADVICE: readonly Check<AdviceFacts>[] = [
  {
    id: "policy-default-action",
    right: "mail waits while the policy service is down",
    why: "With `default_action=DUNNO` mail passes unchecked meanwhile, and a DMARC filter that rejects then refuses it for good.",
    run: withPostfix((postfix, facts) => {
      const { setup, neighbours } = facts;
      const report = hasDmarcFilter(postfix, facts) && rejectsByDmarc(neighbours) ? error : warning;
      const effect = "lets mail in unchecked while postvouch is down, and a DMARC filter may then refuse it for good";
      const calls = ourCalls(postfix, setup);
      const letIn = calls.filter(({ options }) => options.some((option) => LETS_IN.test(option)));
      const findings = letIn.map((call) =>
        report(
          `${nameOf(call.list).replace(": ", ": default_action in ")} ${effect}`,
          `leave it out, and the sender tries again: ${mendList(call, postfix, setup)}`,
        ),
      );
      const general = postfix.value("smtpd_policy_service_default_action");
      if (calls.length === 0 || !/^(?:DUNNO|OK)\b/i.test(general)) return findings;
      const mend = "postconf -X smtpd_policy_service_default_action && postfix reload";
      return [...findings, report(`main.cf: smtpd_policy_service_default_action = ${general} ${effect}`, mend)];
    }),
  },
  {
    id: "temperror",
    right: "mail waits while DNS does not answer, where a filter rejects by DMARC",
    why: "A header with temperror counts as no pass: OpenDMARC with RejectFailures refuses mail of domains with p=reject for good.",
    run: withPostfix((postfix, facts) => {
      const { neighbours } = facts;
      const { config } = facts.setup;
      const tags = (["helo", "mail_from"] as const).filter(
        (identity) => config[`policy.${identity}.temperror`].kind === "tag",
      );
      if (config["policy.listen"].length === 0 || tags.length === 0 || !hasDmarcFilter(postfix, facts)) return [];
      if (!rejectsByDmarc(neighbours)) return [];
      const keys = tags.map((identity) => `policy.${identity}.temperror`).join(", ");
      return [
        error(
          `${keys}: got "tag", want "defer": ${neighbours.opendmarc?.path} rejects (RejectFailures), and would refuse mail for good while DNS is out of order`,
          `in postvouch.toml: ${tags.map((identity) => `[policy.${identity}] temperror = "defer"`).join(" and ")}`,
        ),
      ];
    }),
  },
];

export const POLICY: readonly Check[] = [
  {
    id: "policy-use",
    right: "Postfix asks our policy service",
    why: "A service that nobody asks checks nothing.",
    run: withPostfix((postfix, { setup }) => {
      if (setup.config["policy.listen"].length === 0) return [skipped("policy.listen is empty: SPF is not checked")];
      if (ourCalls(postfix, setup).length > 0) return [];
      if (ourLists(postfix, setup).some(({ name }) => name === "smtpd_milters")) {
        return [skipped("our milter checks SPF")];
      }
      const isChecked = allCalls(postfix).some((call) => isOtherSpf(call, postfix));
      const effect = `SPF is not checked${isChecked ? " by postvouch" : ""}`;
      return [warning(`no restriction of Postfix names our policy service: ${effect}`, MEND)];
    }),
  },
  {
    id: "policy-syntax",
    right: 'no blanks stand around "=" in the braces of check_policy_service',
    why: "They end smtpd with `malformed option` at every connection: no mail comes in.",
    run: withPostfix((postfix, { setup }) =>
      restrictionLists(postfix).flatMap((list) =>
        policyCalls(list).flatMap((call) => {
          const blanks = call.options.filter((option) => !option.startsWith("{") && / = /.test(option));
          if (blanks.length === 0) return [];
          return error(
            `${nameOf(list)} has blanks around "=" in ${call.text}: smtpd ends at every connection`,
            mendList(call, postfix, setup),
          );
        }),
      ),
    ),
  },
  {
    id: "policy-order",
    right: "check_policy_service comes after reject_unauth_destination",
    why: "An `OK` of any policy service before it makes an open relay; and refused recipients need no DNS lookups.",
    run: withPostfix((postfix, { setup }) =>
      restrictionLists(postfix).flatMap((list) => {
        if (!RELAY_LISTS.has(list.name)) return [];
        const guard = list.items.findIndex((item) => RELAY_GUARDS.includes(item));
        return policyCalls(list).flatMap((call) => {
          if (guard !== -1 && guard < call.index) return [];
          const isGuarded = list.name === "smtpd_recipient_restrictions" && guardsRelay(list.service, postfix);
          const effect = isGuarded
            ? "recipients that are refused anyway cost DNS lookups"
            : "an OK from it would make this host an open relay";
          const report = isGuarded ? warning : error;
          return report(
            `${nameOf(list)} asks ${call.endpoint} before reject_unauth_destination: ${effect}`,
            mendList(call, postfix, setup),
          );
        });
      }),
    ),
  },
  {
    id: "policy-submission",
    right: "authenticated users are not checked by SPF",
    why: "A user's address at home is in no SPF record: with the check on a submission port their mail is refused.",
    run: withPostfix((postfix, { setup }) => {
      const services = postfix.services.filter(isSubmission);
      if (services.length === 0) return [skipped("master.cf has no submission service")];
      return services.flatMap((service) => {
        const list = listFor("smtpd_recipient_restrictions", service, postfix);
        const call = policyCalls(list).find((one) => isOurs(one, setup, postfix) || isOtherSpf(one, postfix));
        if (call === undefined || list.items.slice(0, call.index).includes("permit_sasl_authenticated")) return [];
        const isSkipped = setup.config["policy.skip_authenticated"] && isOurs(call, setup, postfix);
        const report = isSkipped ? warning : error;
        const parameter = `${service.name}/${service.type}/smtpd_recipient_restrictions=permit_sasl_authenticated,reject`;
        return report(
          `master.cf: ${service.name} inherits the check by ${call.endpoint}, and does not let users pass before it`,
          `postconf -P ${parameter} && postfix reload`,
        );
      });
    }),
  },
  {
    id: "policy-endpoint",
    right: "our policy service answers where Postfix asks for it, also out of a chroot",
    why: "Without an answer mail is deferred with 451.",
    run: withPostfix(async (postfix, { setup, ask, host }) => {
      const calls = ourCalls(postfix, setup);
      if (calls.length === 0) return [skipped(NOT_USED)];
      const start = host.unit === undefined ? "postvouch serve" : "systemctl start postvouch";
      const findings = await Promise.all(
        calls.map(async (call): Promise<Finding[]> => {
          if (call.where === undefined) return [];
          const answer = await ask.policy(placeFor(call.where, postfix, "smtpd", call.list.service));
          if (answer.status === "found") return [];
          const reason = "reason" in answer ? answer.reason : answer.status;
          if (reason === "no permission to connect") return [skipped(`${call.endpoint}: ${reason}`)];
          return [error(`${nameOf(call.list)}: ${call.endpoint} does not answer: ${reason}`, start)];
        }),
      );
      return findings.flat();
    }),
  },
  {
    id: "policy-timeout",
    right: "Postfix waits longer for an answer than a check may take",
    why: "An answer that comes too late is lost, and the mail is deferred.",
    run: withPostfix((postfix, { setup }) => {
      const limitSeconds = setup.config["policy.time_limit"] / 1000;
      return ourCalls(postfix, setup).flatMap((call) => {
        const own = call.options.map(tight).find((option) => option.startsWith("timeout="));
        const text = own?.slice("timeout=".length) ?? postfix.value("smtpd_policy_service_timeout");
        const seconds = postfixSeconds(text);
        if (seconds === undefined || seconds > limitSeconds) return [];
        return warning(
          `${nameOf(call.list)} waits ${text} for ${call.endpoint}, not longer than policy.time_limit (${limitSeconds}s)`,
          mendList(call, postfix, setup),
        );
      });
    }),
  },
  {
    id: "policy-headers",
    right: "the policy service is asked once for each header",
    why: "A reply carries one header: with two in `policy.headers` the second comes with a second call, at smtpd_data_restrictions.",
    run: withPostfix((postfix, { setup }) => {
      const wanted = new Set(setup.config["policy.headers"]).size;
      const count = ourCalls(postfix, setup).filter(({ list }) => list.service === undefined).length;
      if (count === 0) return [skipped(NOT_USED)];
      if (count >= wanted) return [];
      const [call] = ourCalls(postfix, setup);
      const data = [postfix.written("smtpd_data_restrictions") ?? "", `check_policy_service ${call?.text ?? ""}`];
      return [
        warning(
          `policy.headers has ${wanted} headers, and main.cf asks ${count === 1 ? "once" : `${count} times`}: the last header is never added`,
          postconf(`smtpd_data_restrictions = ${data.filter(Boolean).join(", ")}`),
        ),
      ];
    }),
  },
  {
    id: "two-spf",
    right: "one program checks SPF",
    why: "Two checkers add two headers that may differ, ask DNS twice, and the stricter one decides.",
    run: withPostfix((postfix, { setup }) => {
      const calls = allCalls(postfix);
      const hasMilter = ourLists(postfix, setup).some(({ name }) => name === "smtpd_milters");
      if (!hasMilter && !calls.some((call) => isOurs(call, setup, postfix))) return [skipped(NOT_USED)];
      const others = calls.filter((call) => !isOurs(call, setup, postfix) && isOtherSpf(call, postfix));
      return others.map((call) =>
        warning(
          `${nameOf(call.list)} asks ${call.endpoint} beside ours: SPF is checked twice`,
          mendList(call, postfix, setup, call),
        ),
      );
    }),
  },
  {
    id: "policyd-spf",
    right: "nothing of policyd-spf is left in master.cf, or it has its time limit",
    why: "From Postfix 3.10 on, spawn(8) ends a process after `command_time_limit` if NAME_time_limit is not set.",
    run: withPostfix((postfix) => {
      const spawned = postfix.services.filter(({ program, args }) => program === "spawn" && /spf/i.test(args));
      const called = allCalls(postfix).map(({ endpoint }) => endpoint.replace(/^.*[/:]/, ""));
      return spawned.flatMap(({ name, type }) => {
        if (!called.includes(name)) {
          return warning(
            `master.cf: ${name} is left over, no restriction asks it`,
            `postconf -MX ${name}/${type} && postfix reload`,
          );
        }
        const limit = `${name}_time_limit`;
        if (postfix.written(limit) !== undefined || !isAtLeast(postfix.version, [3, 10])) return [];
        return error(
          `main.cf: ${limit} is not set, so this Postfix ends ${name} in the middle of a session`,
          postconf(`${limit} = 3600`),
        );
      });
    }),
  },
  {
    id: "prepend-bug",
    right: "this Postfix lets milters and policy services add headers together",
    why: "Before 3.8.6, 3.7.11, 3.6.15 and 3.5.25 a milter that removes or changes a header hit the wrong one, or none, if a policy service had added one.",
    run: withPostfix((postfix, { setup }) => {
      const adds = ourCalls(postfix, setup).length > 0 && setup.config["policy.headers"].length > 0;
      const milters = milterLists(postfix).filter(({ name }) => name === "smtpd_milters");
      if (milters.length === 0 || !adds || PREPEND_FIXED.some((fixed) => hasFix(postfix.version, fixed))) return [];
      // What our milter could not remove would be believed by whoever reads results.
      const isOurMilter = milters.some((list) => hasOurs(list, setup, postfix));
      const effect = isOurMilter ? ": results that a stranger has forged may stay" : "";
      return [
        (isOurMilter ? error : warning)(
          `Postfix ${postfix.version} mixes up headers if a policy service and a milter edit them${effect}`,
          isOurMilter
            ? "in postvouch.toml: [policy] headers = [], because the milter adds the results; or update Postfix"
            : "update Postfix",
        ),
      ];
    }),
  },
];

/** The first releases with the fix of 20231213: 3.7.11 by Debian's changelog, and the others of that day, 4 March 2024. */
const PREPEND_FIXED = [
  [3, 9],
  [3, 8, 6],
  [3, 7, 11],
  [3, 6, 15],
  [3, 5, 25],
] as const;

/** The calls of our service. */
export function ourCalls(postfix: PostfixFacts, setup: Setup): PolicyCall[] {
  return allCalls(postfix).filter((call) => isOurs(call, setup, postfix));
}

function hasDmarcFilter(postfix: PostfixFacts, facts: AdviceFacts): boolean {
  return facts.neighbours.opendmarc !== undefined && mayAsk("opendmarc", postfix, facts);
}

/** Tells if OpenDMARC refuses mail. */
export function rejectsByDmarc({ opendmarc }: NeighbourFacts): boolean {
  return /^\s*RejectFailures\s+(?:true|yes|1)\b/im.test(opendmarc?.text ?? "");
}

/** Tells if the relay restrictions of a service guard it, whatever its recipient restrictions do. */
function guardsRelay(service: Service | undefined, postfix: PostfixFacts): boolean {
  const relay = service?.overrides.get("smtpd_relay_restrictions") ?? postfix.value("smtpd_relay_restrictions");
  const items = splitItems(relay);
  const guard = items.findIndex((item) => RELAY_GUARDS.includes(item) || item === "reject");
  return guard !== -1 && !items.slice(0, guard).includes("check_policy_service");
}
