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
import {
  isOtherSpf,
  isOurs,
  listFor,
  nameOf,
  type PolicyCall,
  policyCalls,
  type RestrictionList,
  restrictionLists,
} from "../restrictions.ts";
import { placeFor } from "../srs-tables.ts";

const MEND = "postvouch setup policy --apply";
const NOT_USED = "Postfix does not ask our policy service";

/** Items of a list that end the way of mail for strangers' domains. */
const RELAY_GUARDS = ["reject_unauth_destination", "defer_unauth_destination"];

export const POLICY_ADVICE: readonly Check<AdviceFacts>[] = [
  {
    id: "policy-default-action",
    right: "mail waits while the policy service is down",
    why: "With `default_action=DUNNO` mail passes unchecked meanwhile, and a DMARC filter that rejects then refuses it for good.",
    run: withPostfix((postfix, { setup, neighbours }) => {
      const report = hasDmarcFilter(postfix, neighbours) && rejectsByDmarc(neighbours) ? error : warning;
      const effect = "lets mail in unchecked while postvouch is down, and a DMARC filter may then refuse it for good";
      const calls = ourCalls(postfix, setup);
      const letIn = calls.filter(({ options }) =>
        options.some((option) => /^default_action\s*=\s*(?:DUNNO|OK)\b/i.test(option)),
      );
      const findings = letIn.map((call) =>
        report(
          `${nameOf(call.list).replace(": ", ": default_action in ")} ${effect}`,
          `leave it out, and the sender tries again: ${replaced(call, withoutOption(call, "default_action"), postfix)}`,
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
    run: withPostfix((postfix, { setup: { config }, neighbours }) => {
      const tags = (["helo", "mail_from"] as const).filter(
        (identity) => config[`policy.${identity}.temperror`].kind === "tag",
      );
      if (config["policy.listen"].length === 0 || tags.length === 0 || !hasDmarcFilter(postfix, neighbours)) return [];
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
      return ourCalls(postfix, setup).length > 0
        ? []
        : [warning("no restriction of Postfix names our policy service: SPF is not checked", MEND)];
    }),
  },
  {
    id: "policy-syntax",
    right: 'no blanks stand around "=" in the braces of check_policy_service',
    why: "They end smtpd with `malformed option` at every connection: no mail comes in.",
    run: withPostfix((postfix) =>
      restrictionLists(postfix).flatMap((list) =>
        policyCalls(list).flatMap((call) => {
          const blanks = call.options.filter((option) => !option.startsWith("{") && / = /.test(option));
          if (blanks.length === 0) return [];
          return error(
            `${nameOf(list)} has blanks around "=" in ${call.text}: smtpd ends at every connection`,
            replaced(call, braces(call.endpoint, call.options.map(tight)), postfix),
          );
        }),
      ),
    ),
  },
  {
    id: "policy-order",
    right: "check_policy_service comes after reject_unauth_destination",
    why: "An `OK` of any policy service before it makes an open relay; and refused recipients need no DNS lookups.",
    run: withPostfix((postfix) =>
      restrictionLists(postfix).flatMap((list) => {
        if (list.name !== "smtpd_recipient_restrictions" && list.name !== "smtpd_relay_restrictions") return [];
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
            movedBehind(call, postfix),
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
        const wanted = `timeout=${Math.ceil(limitSeconds * 1.5)}s`;
        return warning(
          `${nameOf(call.list)} waits ${text} for ${call.endpoint}, not longer than policy.time_limit (${limitSeconds}s)`,
          replaced(call, braces(call.endpoint, [...without(call.options, "timeout"), wanted]), postfix),
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
      const calls = restrictionLists(postfix).flatMap(policyCalls);
      if (!calls.some((call) => isOurs(call, setup, postfix))) return [skipped(NOT_USED)];
      const others = calls.filter((call) => !isOurs(call, setup, postfix) && isOtherSpf(call, postfix));
      return others.map((call) =>
        warning(
          `${nameOf(call.list)} asks ${call.endpoint} beside ours: SPF is checked twice`,
          withoutCall(call, postfix),
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
      const called = restrictionLists(postfix)
        .flatMap(policyCalls)
        .map(({ endpoint }) => endpoint.replace(/^.*[/:]/, ""));
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
    why: "Before 3.8.4, 3.7.9, 3.6.13 and 3.5.23 a milter that edits headers hit the wrong one if a policy service had added one.",
    run: withPostfix((postfix, { setup }) => {
      if (postfix.value("smtpd_milters") === "" || ourCalls(postfix, setup).length === 0) return [];
      const isMended = [
        [3, 9],
        [3, 8, 4],
        [3, 7, 9],
        [3, 6, 13],
        [3, 5, 23],
      ].some((fixed) => hasFix(postfix.version, fixed));
      return isMended
        ? []
        : [
            warning(
              `Postfix ${postfix.version} mixes up headers if a policy service and a milter edit them`,
              "update Postfix",
            ),
          ];
    }),
  },
];

/** The calls of our service in all lists. */
export function ourCalls(postfix: PostfixFacts, setup: Setup): PolicyCall[] {
  return restrictionLists(postfix)
    .flatMap(policyCalls)
    .filter((call) => isOurs(call, setup, postfix));
}

function hasDmarcFilter(postfix: PostfixFacts, neighbours: NeighbourFacts): boolean {
  return postfix.value("smtpd_milters") !== "" && neighbours.opendmarc !== undefined;
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

function isSubmission({ name, program, overrides }: Service): boolean {
  if (program !== "smtpd") return false;
  return overrides.get("smtpd_sasl_auth_enable") === "yes" || /(?:^|:)(?:submissions?|smtps|587|465)$/.test(name);
}

function tight(option: string): string {
  return option.replaceAll(/\s*=\s*/g, "=");
}

function without(options: readonly string[], name: string): string[] {
  return options.filter((option) => !new RegExp(`^${name}\\s*=`).test(option));
}

function withoutOption(call: PolicyCall, name: string): string {
  return braces(call.endpoint, without(call.options, name).map(tight));
}

function braces(endpoint: string, options: readonly string[]): string {
  return options.length === 0 ? endpoint : `{ ${[endpoint, ...options].join(", ")} }`;
}

/** The command that writes a list of main.cf anew. For one in master.cf it is said in words. */
function edited(list: RestrictionList, postfix: PostfixFacts, edit: (items: string[]) => string[]): string {
  const written = postfix.written(list.name);
  if (list.service !== undefined || written === undefined) return `edit ${nameOf(list)}`;
  const items = edit(splitItems(written).filter(Boolean));
  return postconf(`${list.name} = ${joined(items)}`);
}

/** Names that take an argument keep it beside them. */
function joined(items: readonly string[]): string {
  return items.reduce((text, item, index) => {
    if (index === 0) return item;
    return `${text}${/^check_\w+$/.test(items[index - 1] ?? "") ? " " : ", "}${item}`;
  }, "");
}

function replaced(call: PolicyCall, text: string, postfix: PostfixFacts): string {
  return edited(call.list, postfix, (items) => items.map((item) => (item === call.text ? text : item)));
}

function withoutCall(call: PolicyCall, postfix: PostfixFacts): string {
  return edited(call.list, postfix, (items) => {
    const at = items.indexOf(call.text);
    return items.filter((_item, index) => at === -1 || (index !== at && index !== at - 1));
  });
}

function movedBehind(call: PolicyCall, postfix: PostfixFacts): string {
  return edited(call.list, postfix, (items) => {
    const at = items.indexOf(call.text);
    const rest = items.filter((_item, index) => index !== at && index !== at - 1);
    const guard = rest.findIndex((item) => RELAY_GUARDS.includes(item));
    const pair = ["check_policy_service", call.text];
    return guard === -1 ? [...rest, "reject_unauth_destination", ...pair] : rest.toSpliced(guard + 1, 0, ...pair);
  });
}

/** A time of Postfix in seconds: `30`, `30s`, `5m`. */
function postfixSeconds(text: string): number | undefined {
  const [, digits, unit = "s"] = /^(\d+)([smhdw])?$/.exec(text) ?? [];
  const factor = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }[unit];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

function versionOf(text: string): number[] {
  return (/^\d+(?:\.\d+)*/.exec(text)?.[0] ?? "").split(".").map(Number);
}

/** Tells if a version is `wanted` or newer. */
export function isAtLeast(text: string, wanted: readonly number[]): boolean {
  const version = versionOf(text);
  for (const [index, number] of wanted.entries()) {
    const got = version[index] ?? 0;
    if (got !== number) return got > number;
  }
  return true;
}

/** Tells if a version is of the same release as `fixed` and not older; `3.9` stands for all from 3.9 on. */
function hasFix(text: string, fixed: readonly number[]): boolean {
  if (fixed.length === 2) return isAtLeast(text, fixed);
  const [major, minor] = versionOf(text);
  return major === fixed[0] && minor === fixed[1] && isAtLeast(text, fixed);
}
