/**
 * Finds the role of this host for a message. The first that fits:
 *
 *     skip        comes from a service or a client that the admin has excluded
 *     forward     the second pass of forward-only, from this host itself
 *     submitted   a client that has logged in, a service for submission, or an internal client that is no trusted relay
 *     incoming    all else
 */
import { AddressSet, type Cidr, type ClientAddress, LOOPBACK, parseAddress } from "../mail/ip.ts";
import type { SmtpSession } from "../milter/application.ts";
import type { Relays } from "./relay.ts";

export const ROLES = ["incoming", "submitted", "forward", "skip"] as const;

export type Role = (typeof ROLES)[number];

export interface RoleSettings {
  /** Clients whose mail is ours. */
  readonly internal: readonly Cidr[];
  readonly skip: readonly Cidr[];
  /** Values of the macro {daemon_name}: `milter_macro_daemon_name` of a service in master.cf. */
  readonly submissionDaemons: readonly string[];
  readonly forwardDaemons: readonly string[];
  readonly skipDaemons: readonly string[];
}

/** Where a message comes from. */
export interface Origin {
  readonly role: Role;
  /** `undefined` if Postfix does not know it. */
  readonly client: ClientAddress | undefined;
  /** True for a client on this host: sendmail(1), a content filter, a webmail. */
  readonly isLoopback: boolean;
}

/** Prepares `settings` and returns a function that tells where the messages of a session come from. */
export function createRoles(settings: RoleSettings, relays: Relays): (smtp: SmtpSession) => Origin {
  const [internal, skip] = [new AddressSet(settings.internal), new AddressSet(settings.skip)];
  return ({ client: { family, address }, macros }) => {
    const client = parseAddress(address);
    const isLoopback = family === "unix" || (client !== undefined && LOOPBACK.has(client));
    // A relay in a network of ours still hands on what strangers send, and that must not be signed.
    const isInternal = isLoopback || (client !== undefined && internal.has(client) && !relays.has(client));
    const daemon = macros.get("{daemon_name}") ?? "";
    const isSubmission = (macros.get("{auth_type}") ?? "") !== "" || settings.submissionDaemons.includes(daemon);
    const role = ((): Role => {
      if (settings.skipDaemons.includes(daemon) || (client !== undefined && skip.has(client))) return "skip";
      if (settings.forwardDaemons.includes(daemon) && isInternal) return "forward";
      return isSubmission || isInternal ? "submitted" : "incoming";
    })();
    return { role, client, isLoopback };
  };
}
