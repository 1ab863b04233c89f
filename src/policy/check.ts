/** From a request to what is to be checked, before anything is looked up. */
import { type ClientAddress, parseAddress } from "../mail/ip.ts";
import { createSkip, type SkipReason } from "../mail/skip.ts";
import type { Plan } from "./judge.ts";
import { createProfiles, type Profile } from "./overrides.ts";
import type { PolicyRequest } from "./protocol.ts";
import type { PolicySettings } from "./settings.ts";

/** What headers and replies tell of the SMTP transaction. */
export interface Transaction {
  readonly client: ClientAddress;
  readonly heloName: string;
  /** MAIL FROM without brackets; empty for the null sender. */
  readonly sender: string;
  /** The name of the checking host, or `unknown`. */
  readonly receiver: string;
}

/** What is to be checked, and by which rules. */
export interface Check extends Transaction {
  readonly profile: Profile;
  readonly plan: Plan;
  /** When the request must be answered, on the clock of `performance.now()`. */
  readonly deadlineMs: number;
  /** A header can be added to the message. */
  readonly takesHeader: boolean;
}

/** Why a request is answered with DUNNO without a check: the client is ours, or there is nothing to check. */
export type NoCheck = SkipReason | "stage" | "client_address" | "no_identity";

/** What a request can know and can do, by the SMTP stage at which Postfix makes it (SMTPD_POLICY_README). */
interface Stage {
  /** The stage belongs to a message, or to a client that is about to send one. */
  readonly isChecked: boolean;
  /** The sender is known: an empty one is the null sender. */
  readonly hasSender: boolean;
  /** Postfix heeds PREPEND here. */
  readonly takesHeader: boolean;
}

const UNCHECKED: Stage = { isChecked: false, hasSender: false, takesHeader: false };
const GREETING: Stage = { isChecked: true, hasSender: false, takesHeader: false };
const ENVELOPE: Stage = { isChecked: true, hasSender: true, takesHeader: true };

/**
 * By `protocol_state`; one that is missing or new is taken for RCPT. With smtpd_delay_reject = yes, the default, the
 * restriction lists before RCPT are evaluated at RCPT.
 */
const STAGES: ReadonlyMap<string, Stage> = new Map([
  ["CONNECT", UNCHECKED],
  // A proxy has passed on the client's address: Postfix 3.7 evaluates the client restrictions once more.
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

/** Prepares `settings` and returns a function that says what to check for a request, or why nothing. */
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
 * The identities to check; `undefined` when there is none. The null sender is postmaster@HELO (RFC 7208 section 2.4),
 * the same check as HELO's: it is made once, and HELO's dispositions apply, or MAIL FROM's where HELO is not checked.
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
