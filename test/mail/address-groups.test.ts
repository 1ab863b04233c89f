import { BlockList, isIP, SocketAddress } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatAddress, inNetwork, ipVersion, isSameAddress, readAddress } from "../../src/mail/address-groups.ts";

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

describe("against node:net", () => {
  const group = fc.oneof(
    fc.constant("0"),
    fc.constant("ffff"),
    fc.integer({ min: 0, max: 0xffff }).map((n) => n.toString(16)),
  );
  const canonical = (text: string) => new SocketAddress({ address: text, family: "ipv6" }).address;

  test("tells addresses from other text, and their versions", () => {
    const part = fc.constantFrom(
      "0",
      "00",
      "01",
      "1",
      "9",
      "25",
      "255",
      "256",
      "a",
      "F",
      "0f00",
      "12345",
      ":",
      "::",
      ".",
      "%",
      "e",
      "-",
      "",
    );
    const text = fc.oneof(
      fc.array(part, { maxLength: 20 }).map((parts) => parts.join("")),
      fc.ipV6(),
      fc.ipV4Extended(),
      fc.tuple(fc.ipV6(), fc.constantFrom("%eth0", "%", "%a_b", "%1-2.3:4")).map((parts) => parts.join("")),
      fc.tuple(fc.ipV6(), part).map((parts) => parts.join("")),
      fc.tuple(fc.ipV4(), part).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (one) => {
        expect(ipVersion(one)).toBe(isIP(one));
        if (!one.includes("%")) expect(readAddress(one) !== undefined).toBe(isIP(one) !== 0);
      }),
      { numRuns: 20_000 },
    );
  });

  test("writes IPv6 addresses alike", () => {
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const text = groups.join(":");
        expect(formatAddress(readAddress(text) ?? [])).toBe(canonical(text));
      }),
      { numRuns: 20_000 },
    );
  });

  test.each([
    "::",
    "::1",
    "::2",
    "::1:0",
    "::ffff:0:0",
    "1::",
    "1:0:0:2:0:0:0:3",
    "1:0:2::",
    "::ffff:1.2.3.4",
    "::1.2.3.4",
  ])("writes %s alike", (text) => {
    expect(formatAddress(readAddress(text) ?? [])).toBe(canonical(text));
  });

  test("writes IPv4 addresses as they are", () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(formatAddress(readAddress(text) ?? [])).toBe(text);
      }),
    );
  });
});
