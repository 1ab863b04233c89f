/** One request with all that follows from it before anybody is asked. */

import { type ClientAddress, parseAddress } from "../mail/ip.ts";
import { createSkip, type SkipReason } from "../mail/skip.ts";
import type { SpfQuery } from "../spf/verdict.ts";
import type { Plan } from "./judge.ts";
import { createProfiles, type Profile } from "./overrides.ts";
import type { PolicyRequest } from "./protocol.ts";
import type { HeaderContext } from "./received-spf.ts";
import type { PolicySettings } from "./settings.ts";
import { type Stage, stageOf } from "./stages.ts";

/** Why a request is answered with DUNNO without a look at it: it is one of ours, or there is nothing to check. */
export type Skipped = SkipReason | "stage" | "client_address" | "no_identity";

/** A request that is looked at. */
export interface Session {
  readonly request: PolicyRequest;
  readonly client: ClientAddress;
  readonly profile: Profile;
  readonly plan: Plan;
  /** The request ends here, on the clock of `performance.now()`. */
  readonly deadlineMs: number;
  /** A header can be given to the message. */
  readonly takesHeader: boolean;
  readonly context: HeaderContext;
}

/** Prepares `settings` and returns the function that reads a request. */
export function createSessions(
  settings: PolicySettings,
  hostname: string,
): (request: PolicyRequest, nowMs: number) => Session | Skipped {
  const isProspective = settings.prospectiveAddress !== "";
  const skip = createSkip({
    // A prospective check is about the mail that authenticated clients send.
    authenticated: settings.skipAuthenticated && !isProspective,
    addresses: settings.skipAddresses,
  });
  const profileOf = createProfiles(settings);
  const receiver = settings.hideReceiver ? "unknown" : hostname;
  return (request, nowMs) => {
    const stage = stageOf(request.protocol_state);
    if (!stage.isChecked) return "stage";
    const client = parseAddress(isProspective ? settings.prospectiveAddress : request.client_address);
    if (client === undefined) return "client_address";
    const skipped = skip(client, request.sasl_username !== "");
    if (skipped !== undefined) return skipped;
    const profile = profileOf(request, client);
    const plan = planFor(request, stage, profile);
    if (plan.helo === undefined && plan.mailFrom === undefined) return "no_identity";
    return {
      request,
      client,
      profile,
      plan,
      deadlineMs: nowMs + settings.timeLimitMs,
      takesHeader: stage.takesHeader && !isProspective,
      context: { clientAddress: client.text, heloName: request.helo_name, sender: request.sender, receiver },
    };
  };
}

/**
 * The identities to check. The null sender is postmaster@HELO (RFC 7208 2.4), the same check as HELO's: it is made
 * once and HELO's dispositions count, or MAIL FROM's where HELO is not to be checked.
 */
function planFor(request: PolicyRequest, stage: Stage, profile: Profile): Plan {
  const helo = profile.helo.check ? profile.helo.dispositions : undefined;
  const mailFrom = profile.mailFrom.check ? profile.mailFrom.dispositions : undefined;
  const hasHelo = request.helo_name !== "";
  const isComplete = profile.mode === "report";
  if (stage.hasSender && request.sender === "") {
    return { helo: hasHelo ? (helo ?? mailFrom) : undefined, mailFrom: undefined, isComplete };
  }
  return { helo: hasHelo ? helo : undefined, mailFrom: stage.hasSender ? mailFrom : undefined, isComplete };
}

/** The question to check_host() for one identity. */
export function spfQuery(session: Session, identity: SpfQuery["identity"]): SpfQuery {
  return {
    identity,
    clientAddress: session.client.text,
    heloName: session.request.helo_name,
    sender: session.request.sender,
    deadlineMs: session.deadlineMs,
  };
}
