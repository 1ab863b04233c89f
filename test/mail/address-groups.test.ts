import { BlockList } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inNetwork, isSameAddress, readAddress } from "../../src/mail/address-groups.ts";

test.each([
  { text: "192.0.2.1", groups: [0xc000, 0x0201] },
  { text: "255.255.255.255", groups: [0xffff, 0xffff] },
  { text: "2001:DB8::1", groups: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1] },
  { text: "::ffff:192.0.2.1", groups: [0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201] },
  { text: "192.0.2", groups: undefined },
  { text: "192.0.2.256", groups: undefined },
  { text: "1::2::3", groups: undefined },
  { text: "mail.example", groups: undefined },
])("readAddress reads $text", ({ text, groups }) => {
  expect(readAddress(text)).toEqual(groups);
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
});

test("isSameAddress compares whole addresses, in any spelling", () => {
  const same = (one: string, other: string) => isSameAddress(readAddress(one) ?? [], readAddress(other) ?? []);
  expect(same("2001:db8::1", "2001:DB8:0::0:1")).toBe(true);
  expect(same("2001:db8::1", "2001:db8::2")).toBe(false);
  expect(same("0.0.0.0", "::")).toBe(false);
});
