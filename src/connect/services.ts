/** What a service of master.cf is for. */
import type { Service } from "./postfix-facts.ts";

/** Submission by its names in services(5) and in how-tos. */
const SUBMISSION_PORT = /^(?:submissions?|smtps|587|465)$/;

/** Tells if a service takes mail of our own users. */
export function isSubmission({ program, port, expanded }: Service): boolean {
  if (program !== "smtpd") return false;
  if (port !== undefined && SUBMISSION_PORT.test(port)) return true;
  const onlyUsers = ["smtpd_client_restrictions", "smtpd_relay_restrictions"].some((name) =>
    /^permit_sasl_authenticated,\s*reject$/.test(expanded.get(name) ?? ""),
  );
  return onlyUsers || expanded.get("milter_macro_daemon_name") === "ORIGINATING";
}

/** Tells if a service takes mail of other hosts. */
export function isFromOutside({ id, program, port }: Service): boolean {
  return program === "smtpd" && (port === "smtp" || port === "25" || id === "smtpd/pass");
}

/** Tells if an inet service listens on loopback, or on every address. */
export function isOnLoopback({ id }: Pick<Service, "id">): boolean {
  return /^(?:(?:localhost|127\.0\.0\.1|\[127\.0\.0\.1\]|\[::1\]):)?[^:]+\/inet$/.test(id);
}

/** Tells if a service listens on loopback alone. */
export function isOnlyOnLoopback({ id }: Pick<Service, "id">): boolean {
  return /^(?:(?:ip6-)?localhost|\[?127\.[\d.]+\]?|\[?::1\]?):[^:]+\/inet$/.test(id);
}
