/** Decides which checks a request needs, before any DNS lookup. */
import { type ClientAddress, parseAddress } from "../mail/ip.ts";
import { createSkip, type SkipReason } from "../mail/skip.ts";
import type { Plan } from "./judge.ts";
import { createProfiles, type Profile } from "./overrides.ts";
import type { PolicyRequest } from "./protocol.ts";
import type { PolicySettings } from "./settings.ts";

/** The facts of the SMTP transaction that headers and replies contain. */
export interface Transaction {
  readonly client: ClientAddress;
  readonly heloName: string;
  /** MAIL FROM without brackets; empty for the null sender. */
  readonly sender: string;
  /** The name of the checking host, or `unknown`. */
  readonly receiver: string;
}

/** The checks of one request, and the rules that apply. */
export interface Check extends Transaction {
  readonly profile: Profile;
  readonly plan: Plan;
  /** The time by which the request must be answered, on the clock of `performance.now()`. */
  readonly deadlineMs: number;
  /** True if a header can be added to the message. */
  readonly takesHeader: boolean;
}

/** The reason to answer DUNNO without a check: the client is ours, or there is nothing to check. */
export type NoCheck = SkipReason | "stage" | "client_address" | "no_identity";

/** The abilities of a request, which depend on the SMTP stage at which Postfix sends it (SMTPD_POLICY_README). */
interface Stage {
  /** True if the stage belongs to a message, or to a client that is about to send one. */
  readonly isChecked: boolean;
  /** True if the sender is known: then an empty sender is the null sender. */
  readonly hasSender: boolean;
  /** True if Postfix accepts PREPEND here. */
  readonly takesHeader: boolean;
}

const UNCHECKED: Stage = { isChecked: false, hasSender: false, takesHeader: false };
const GREETING: Stage = { isChecked: true, hasSender: false, takesHeader: false };
const ENVELOPE: Stage = { isChecked: true, hasSender: true, takesHeader: true };

/**
 * Stages by `protocol_state`. A state that is missing or unknown counts as RCPT: with smtpd_delay_reject = yes, the
 * default, Postfix evaluates the earlier restriction lists at RCPT.
 */
const STAGES: ReadonlyMap<string, Stage> = new Map([
  ["CONNECT", UNCHECKED],
  // Postfix 3.7 evaluates the client restrictions again when a proxy has passed on the client's address.
  ["XCLIENT", UNCHECKED],
  ["EHLO", GREETING],
  ["HELO", GREETING],
  ["MAIL", ENVELOPE],
  ["RCPT", ENVELOPE],
  ["DATA", ENVELOPE],
  // Postfix warns about a PREPEND that comes after the header has been written.
  ["END-OF-MESSAGE", { ...ENVELOPE, takesHeader: false }],
  ["VRFY", UNCHECKED],
  ["ETRN", UNCHECKED],
]);

/** Prepares `settings` and returns a function that gives the checks of a request, or the reason for making none. */
export function createChecks(
  settings: PolicySettings,
  hostname: string,
): (request: PolicyRequest, clockMs: number) => Check | NoCheck {
  const isProspective = settings.prospectiveAddress !== "";
  const skip = createSkip({
    // A prospective check is about the mail that authenticated clients send.
    authenticated: settings.skipAuthenticated && !isProspective,
    addresses: settings.skipAddresses,
  });
  const profileOf = createProfiles(settings);
  const receiver = settings.hideReceiver ? "unknown" : hostname;
  return (request, clockMs) => {
    const stage = STAGES.get(request.protocol_state) ?? ENVELOPE;
    if (!stage.isChecked) return "stage";
    const client = parseAddress(isProspective ? settings.prospectiveAddress : request.client_address);
    if (client === undefined) return "client_address";
    const skipped = skip(client, request.sasl_username !== "");
    if (skipped !== undefined) return skipped;
    const profile = profileOf(request, client);
    const plan = planFor(request, stage, profile);
    if (plan === undefined) return "no_identity";
    return {
      client,
      heloName: request.helo_name,
      sender: request.sender,
      receiver,
      profile,
      plan,
      deadlineMs: clockMs + settings.timeLimitMs,
      takesHeader: stage.takesHeader && !isProspective,
    };
  };
}

/**
 * Selects the identities to check; `undefined` when there is none. The null sender is checked as postmaster@HELO (RFC
 * 7208 section 2.4), which is the same as the HELO check. So it is made once. HELO's dispositions apply, or MAIL FROM's
 * if HELO is not checked.
 */
function planFor(request: PolicyRequest, stage: Stage, profile: Profile): Plan | undefined {
  const isNullSender = stage.hasSender && request.sender === "";
  const forMailFrom = profile.mailFrom.check ? profile.mailFrom.dispositions : undefined;
  const forHelo = profile.helo.check ? profile.helo.dispositions : isNullSender ? forMailFrom : undefined;
  const helo = request.helo_name === "" ? undefined : forHelo;
  const mailFrom = stage.hasSender && !isNullSender ? forMailFrom : undefined;
  const isComplete = profile.mode === "report";
  if (helo !== undefined) return { helo, mailFrom, isComplete };
  return mailFrom === undefined ? undefined : { helo, mailFrom, isComplete };
}
