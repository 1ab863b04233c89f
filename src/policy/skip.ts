/** Clients that are ours: they are not checked, and nothing is added to their mail. */
import { AddressSet, type ClientAddress } from "../mail/ip.ts";
import type { PolicyRequest } from "./protocol.ts";
import type { PolicySettings } from "./settings.ts";

/** Why a request is not looked at any further. */
export type SkipReason = "authenticated" | "skip_addresses";

/**
 * Prepares `settings` and returns the question. With a prospective address, authenticated clients are checked: it is
 * their mail that is asked about.
 *
 * Nothing is told in a header, other than for clients of `[policy.allow]`: what users send leaves this host, and
 * their addresses are nobody's business; and a content filter that hands mail back over loopback would put a "none"
 * on top of the true result.
 */
export function createSkip(
  settings: PolicySettings,
): (request: PolicyRequest, client: ClientAddress) => SkipReason | undefined {
  const addresses = new AddressSet(settings.skipAddresses);
  const skipsAuthenticated = settings.skipAuthenticated && settings.prospectiveAddress === "";
  return (request, client) => {
    if (skipsAuthenticated && request.sasl_username !== "") return "authenticated";
    return addresses.has(client) ? "skip_addresses" : undefined;
  };
}
