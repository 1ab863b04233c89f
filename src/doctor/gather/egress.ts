/** Finds the addresses from which mail leaves this host. */
import { createSocket } from "node:dgram";
import { networkInterfaces } from "node:os";
import { parseAddress } from "../../mail/ip.ts";
import { specialUse } from "../../mail/special-use.ts";
import { splitItems } from "../../postfix/match-list.ts";
import type { Egress, PostfixFacts } from "../facts.ts";

/** What is looked at of Postfix. */
type Sending = Pick<PostfixFacts, "value" | "services">;

/** An address of this host, and the interface that has it. */
export interface HostAddress {
  readonly address: string;
  readonly device: string;
}

/** Addresses of the Internet (the root server a.root-servers.net). Nothing is sent to them. */
const FAR_AWAY = { ipv4: "198.41.0.4", ipv6: "2001:503:ba3e::2:30" } as const;

/** Stands for every address of a host, or for none. */
const UNSPECIFIED = { ipv4: "0.0.0.0", ipv6: "::" } as const;

type Family = keyof typeof FAR_AWAY;

/** The addresses of this host without loopback, and the one that the route to the Internet has, for each family. */
export async function hostAddresses(): Promise<{
  readonly addresses: readonly HostAddress[];
  readonly routed: readonly string[];
}> {
  const addresses = Object.entries(networkInterfaces()).flatMap(([device, list = []]) =>
    list.filter(({ internal }) => !internal).map(({ address }) => ({ address, device })),
  );
  const routed = await Promise.all((["ipv4", "ipv6"] as const).map(routedAddress));
  return { addresses, routed: routed.flatMap((address) => address ?? []) };
}

/** The source address that the kernel chooses: it does so when a datagram socket is connected, and sends nothing. */
function routedAddress(family: Family): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = createSocket(family === "ipv4" ? "udp4" : "udp6");
  const end = (address: string | undefined): void => {
    resolve(address);
    socket.close();
  };
  socket.once("error", () => end(undefined));
  // Without a route the callback gets the error, and the address is 0.0.0.0 or ::. The types do not know of it.
  socket.connect(53, FAR_AWAY[family], (failed?: Error) => end(failed ? undefined : socket.address().address));
  return promise;
}

/**
 * The addresses from which Postfix sends, by postconf(5): smtp_bind_address, else inet_interfaces with a single address,
 * else what the kernel chooses. With proxy_interfaces, hosts outside see those.
 */
export function egressOf(
  postfix: Sending | undefined,
  host: { readonly addresses: readonly HostAddress[]; readonly routed: readonly string[] },
): Egress[] {
  const protocols = splitItems(postfix?.value("inet_protocols") ?? "all");
  return (["ipv4", "ipv6"] as const).flatMap((family) =>
    protocols.includes("all") || protocols.includes(family) ? egressOfFamily(family, postfix, host) : [],
  );
}

function egressOfFamily(
  family: Family,
  postfix: Sending | undefined,
  { addresses, routed }: { readonly addresses: readonly HostAddress[]; readonly routed: readonly string[] },
): Egress[] {
  const inFamily = (list: readonly string[], source: string, isUsed: boolean): Egress[] =>
    [...new Set(list)].flatMap((text) => {
      const address = parseAddress(text.replace(/^\[(.*)\]$/, "$1"));
      const hidden = address === undefined ? undefined : specialUse(address);
      const isLocal = hidden !== undefined && /loopback|link-local/.test(hidden);
      const isUnspecified = address?.text === UNSPECIFIED[family];
      return address?.family !== family || isLocal || isUnspecified
        ? []
        : [{ address: address.text, family, source, isUsed, hidden }];
    });
  const behindProxy = inFamily(splitItems(postfix?.value("proxy_interfaces") ?? ""), "proxy_interfaces", true);
  if (behindProxy.length > 0) return behindProxy;
  const bound = postfix === undefined ? [] : inFamily(bindAddresses(postfix, family), "smtp_bind_address", true);
  if (bound.length > 0) return bound;
  const interfaces = inFamily(splitItems(postfix?.value("inet_interfaces") ?? ""), "inet_interfaces", true);
  if (interfaces.length === 1) return interfaces;
  const chosen = inFamily(routed, "the route", true);
  const there = addresses.flatMap(({ address, device }) => inFamily([address], device, chosen.length === 0));
  return [...chosen, ...there.filter(({ address }) => chosen.every((one) => one.address !== address))];
}

/** The addresses that main.cf, or a client in master.cf, binds to. Loopback addresses are of second passes. */
function bindAddresses(postfix: Sending, family: Family): string[] {
  const name = family === "ipv4" ? "smtp_bind_address" : "smtp_bind_address6";
  const clients = postfix.services.filter(({ program }) => program === "smtp");
  return [postfix.value(name), ...clients.flatMap(({ overrides }) => overrides.get(name) ?? [])].filter(Boolean);
}
