/** Clients that are ours: their mail is not checked, and nothing is added to it. */
import { AddressSet, type Cidr, type ClientAddress } from "./ip.ts";

/** Who is ours. */
export interface SkipSettings {
  /** Clients that have authenticated themselves (SASL). */
  readonly authenticated: boolean;
  readonly addresses: readonly Cidr[];
}

/** Why a client is skipped, as the configuration names it. */
export type SkipReason = "authenticated" | "skip_addresses";

/**
 * Prepares the rules and returns a function that gives the reason to skip a client, if there is one.
 *
 * Unlike for clients of an allow list, no header says that nothing was checked: what users send leaves this host, and
 * their addresses are private; and a content filter that hands mail back over loopback would put a "none" on top of
 * the true result.
 */
export function createSkip(
  settings: SkipSettings,
): (client: ClientAddress, isAuthenticated: boolean) => SkipReason | undefined {
  const addresses = new AddressSet(settings.addresses);
  return (client, isAuthenticated) => {
    if (settings.authenticated && isAuthenticated) return "authenticated";
    return addresses.has(client) ? "skip_addresses" : undefined;
  };
}
