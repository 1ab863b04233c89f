/** Tells which services of master.cf take mail back from a content filter. */
import type { Ground } from "./ground.ts";
import type { Service } from "./postfix-facts.ts";
import { isFromOutside, isOnlyOnLoopback, isSubmission } from "./services.ts";

/** A list of restrictions that lets hosts of mynetworks in, and nobody else. */
const ONLY_MYNETWORKS = /^permit_mynetworks[\s,]+reject$/;

const RESTRICTIONS = ["client", "helo", "sender", "relay", "recipient"].map((name) => `smtpd_${name}_restrictions`);

/**
 * Tells if a service takes mail back from a content filter. Whose mail that is cannot be told there, as it comes from
 * the filter: a stranger's would be signed. So any port of loopback without a login is taken for one.
 *
 * @returns `unknown` where nothing tells
 */
export function takesBack(service: Service, { facts, wiring }: Ground): "yes" | "no" | "unknown" {
  const { expanded } = service;
  const hasFilter = facts.contentFilters.length > 0;
  const isWithoutFilter = expanded.get("content_filter") === "";
  const isLoopback = isOnlyOnLoopback(service);
  if (takesXclient(service)) return "no";
  if (isLoopback && isWithoutFilter && hasFilter) return "yes";
  if (isSubmission(service) || expanded.get("smtpd_sasl_auth_enable") === "yes") return "no";
  if (expanded.get("milter_macro_daemon_name") === wiring.milter.daemonNames.submission) return "no";
  if (isFromOutside(service)) return isLoopback && hasFilter ? "unknown" : "no";
  if (isLoopback) return "yes";
  if (!RESTRICTIONS.some((name) => ONLY_MYNETWORKS.test(expanded.get(name) ?? ""))) {
    return isWithoutFilter ? "unknown" : "no";
  }
  const inherits = !expanded.has("content_filter") && (facts.expanded.get("content_filter") ?? "") !== "";
  return isWithoutFilter || (hasFilter && !inherits) ? "yes" : "unknown";
}

/** Tells if a service lets the filter say who its client was (XCLIENT): then milters are told the same. */
export function takesXclient({ expanded }: Service): boolean {
  return (expanded.get("smtpd_authorized_xclient_hosts") ?? "") !== "";
}
