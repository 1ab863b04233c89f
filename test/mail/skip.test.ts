import { expect, test } from "vitest";
import { parseAddress, parseCidr } from "../../src/mail/ip.ts";
import { createSkip } from "../../src/mail/skip.ts";

test.each([
  { client: "192.0.2.1", isAuthenticated: false, authenticated: true, reason: "skip_addresses" },
  { client: "::ffff:192.0.2.1", isAuthenticated: false, authenticated: true, reason: "skip_addresses" },
  { client: "192.0.2.1", isAuthenticated: true, authenticated: false, reason: "skip_addresses" },
  { client: "198.51.100.1", isAuthenticated: true, authenticated: true, reason: "authenticated" },
  { client: "198.51.100.1", isAuthenticated: true, authenticated: false, reason: undefined },
  { client: "198.51.100.1", isAuthenticated: false, authenticated: true, reason: undefined },
])(
  "$client, authenticated: $isAuthenticated, is skipped because of $reason",
  ({ client, isAuthenticated, authenticated, reason }) => {
    const [address, range] = [parseAddress(client), parseCidr("192.0.2.0/24")];
    if (address === undefined || range === undefined) throw new Error("bad row");
    expect(createSkip({ authenticated, addresses: [range] })(address, isAuthenticated)).toBe(reason);
  },
);
