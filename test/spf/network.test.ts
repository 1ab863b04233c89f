import { BlockList, isIPv6 } from "node:net";
import { expect, test } from "vitest";
import { readAddress } from "../../src/mail/address-groups.ts";
import { decidingAddresses, inWrittenNetwork } from "../../src/spf/network.ts";
import { Random } from "./random-policies.ts";

const V4 = [0xc000, 0x0201];
const V6 = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1];

test("inWrittenNetwork agrees with node's BlockList on random addresses and prefixes", () => {
  const random = new Random(4);
  for (let i = 0; i < 4000; i++) {
    const family = random.onceIn(2) ? "ipv4" : "ipv6";
    const network = randomAddress(random, family);
    const bits = random.below((family === "ipv4" ? 32 : 128) + 1);
    const client = random.onceIn(2) ? randomAddress(random, family) : nearby(random, network);
    const list = new BlockList();
    list.addSubnet(network, bits, family);
    expect(inWrittenNetwork(groupsOf(client), `${network}/${bits}`), `${client} in ${network}/${bits}`).toBe(
      list.check(client, family),
    );
  }
});

test("inWrittenNetwork takes an address without a prefix as that address alone, and never mixes families", () => {
  expect(inWrittenNetwork(V4, "192.0.2.1")).toBe(true);
  expect(inWrittenNetwork(V4, "192.0.2.0")).toBe(false);
  expect(inWrittenNetwork(V6, "2001:db8::1")).toBe(true);
  expect(inWrittenNetwork(V4, "::/0")).toBe(false);
  expect(inWrittenNetwork(V6, "0.0.0.0/0")).toBe(false);
});

test.each<[string, string[], number, string[]]>([
  ["the first in the network", ["198.51.100.1", "192.0.2.9", "192.0.2.8"], 24, ["192.0.2.9"]],
  ["the client itself too", ["192.0.2.9", "192.0.2.8", "192.0.2.1", "192.0.2.1"], 24, ["192.0.2.9", "192.0.2.1"]],
  ["nothing where none is near", ["198.51.100.1", "2001:db8::1"], 24, []],
  ["what it cannot read", ["198.51.100.1", "x"], 24, ["x"]],
  ["the first of all for /0", ["198.51.100.1", "198.51.100.2"], 0, ["198.51.100.1"]],
])("decidingAddresses keeps %s", (_name, addresses, bits, wanted) => {
  expect(decidingAddresses(V4, addresses, bits)).toEqual(wanted);
});

function randomAddress(random: Random, family: "ipv4" | "ipv6"): string {
  if (family === "ipv4") return Array.from({ length: 4 }, () => random.below(256)).join(".");
  const groups = Array.from({ length: 8 }, () => (random.onceIn(2) ? "0" : random.below(65536).toString(16)));
  return random.onceIn(2) ? groups.join(":").replace(/(^|:)0(:0)+(:|$)/, "::") : groups.join(":");
}

/** The same address with one bit changed. */
function nearby(random: Random, address: string): string {
  const groups = [...groupsOf(address)];
  const at = random.below(groups.length);
  groups[at] = (groups[at] ?? 0) ^ (1 << random.below(16));
  if (isIPv6(address)) return groups.map((group) => group.toString(16)).join(":");
  return groups.flatMap((group) => [group >> 8, group & 255]).join(".");
}

function groupsOf(address: string): readonly number[] {
  return readAddress(address) ?? [];
}
