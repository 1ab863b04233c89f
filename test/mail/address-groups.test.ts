import { BlockList } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inNetwork, isSameAddress, readAddress } from "../../src/mail/address-groups.ts";

const V4 = [0xc000, 0x0201];
const V6 = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1];

describe("readAddress", () => {
  test.each([
    ["192.0.2.1", V4],
    ["0.0.0.0", [0, 0]],
    ["255.255.255.255", [0xffff, 0xffff]],
    ["2001:db8::1", V6],
    ["2001:DB8:0:0:0:0:0:1", V6],
    ["2001:0db8:0000::0.0.0.1", V6],
    ["::", [0, 0, 0, 0, 0, 0, 0, 0]],
    ["1::", [1, 0, 0, 0, 0, 0, 0, 0]],
    ["::ffff:192.0.2.1", [0, 0, 0, 0, 0, 0xffff, ...V4]],
    ["1:2:3:4:5:6:7:8", [1, 2, 3, 4, 5, 6, 7, 8]],
    ["1:2:3:4:5:6:7::", [1, 2, 3, 4, 5, 6, 7, 0]],
  ])("reads %s", (text, groups) => {
    expect(readAddress(text)).toEqual(groups);
  });

  test.each([
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "1..2.3",
    ".1.2.3",
    "1.2.3.",
    "1.2.3.256",
    "1.2.3.a",
    "1.2.3.4/24",
    "192.01.2.1",
    "00.0.0.0",
    "2001:::1",
    "1:2:::3:4",
    "::1:::",
    "example.com",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "12345::",
    "g::",
    "::1.2.3",
    "1:2:3:4:5:6:7:8::",
  ])("says of %j that it is no address", (text) => {
    expect(readAddress(text)).toBeUndefined();
  });
});

test("inNetwork agrees with node's BlockList", () => {
  const network = fc.oneof(
    fc.record({ family: fc.constant("ipv4" as const), one: fc.ipV4(), other: fc.ipV4(), bits: fc.nat(32) }),
    fc.record({ family: fc.constant("ipv6" as const), one: fc.ipV6(), other: fc.ipV6(), bits: fc.nat(128) }),
  );
  fc.assert(
    fc.property(network, ({ family, one, other, bits }) => {
      const list = new BlockList();
      list.addSubnet(one, bits, family);
      for (const address of [one, other]) {
        expect(inNetwork(readAddress(address) ?? [], readAddress(one) ?? [], bits)).toBe(list.check(address, family));
      }
    }),
  );
  expect(inNetwork(V4, V6, 0)).toBe(false);
});

test("isSameAddress compares whole addresses, in any spelling", () => {
  const same = (one: string, other: string) => isSameAddress(readAddress(one) ?? [], readAddress(other) ?? []);
  expect(same("2001:db8::1", "2001:DB8:0::0:1")).toBe(true);
  expect(same("2001:db8::1", "2001:db8::2")).toBe(false);
  expect(same("0.0.0.0", "::")).toBe(false);
});
