/** Skip rules: our own clients, whose mail is not checked and gets no header. */
import { AddressSet, type Cidr, type ClientAddress } from "./ip.ts";

/** The clients that are ours. */
export interface SkipSettings {
  /** True for clients that have authenticated (SASL). */
  readonly authenticated: boolean;
  readonly addresses: readonly Cidr[];
}

/** The reason to skip a client, as the configuration names it. */
export type SkipReason = "authenticated" | "skip_addresses";

/**
 * Prepares the rules and returns a function that gives the reason to skip a client, if there is one.
 *
 * No header says that nothing was checked, unlike for clients of an allow list. Mail of users leaves this host, and
 * their addresses are private. And mail that a content filter returns over loopback would get a "none" above the true
 * result.
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
