import fc from "fast-check";
import { expect, test } from "vitest";
import { networkText, readNetwork, without } from "../../../src/import/readers/networks.ts";
import { AddressSet, parseAddress, parseCidr } from "../../../src/mail/ip.ts";

test.each([
  ["192.0.2.0/24", "192.0.2.0/24", true],
  ["192.0.2.1/24", "192.0.2.0/24", false],
  ["192.0.2.1", "192.0.2.1", true],
  ["2001:DB8:0::/32", "2001:db8::/32", true],
  ["::ffff:192.0.2.1", "192.0.2.1", true],
  ["0.0.0.0/0", "0.0.0.0/0", true],
])("%s is %s", (text, shown, isBase) => {
  const network = readNetwork(text);
  expect([network && networkText(network), network?.isBase]).toEqual([shown, isBase]);
});

test("other text is no network", () => {
  expect(["", "a.example", "192.0.2.0/33", "192.0.2.0/255.255.255.0", "10/8"].map(readNetwork)).toEqual(
    Array(5).fill(undefined),
  );
});

test("what is left has exactly the addresses outside the holes", () => {
  // Few bits, so that networks meet.
  const address = fc.tuple(fc.constantFrom("192.0.2.", "2001:db8::"), fc.integer({ min: 0, max: 9 }));
  const text = address.map(([start, last]) => start + last);
  const network = fc.tuple(address, fc.integer({ min: 0, max: 4 })).map(([[start, last], bits]) => {
    const width = start.includes(":") ? 128 : 32;
    return networkText(readNetwork(`${start}${last}/${width - bits}`) ?? { base: 0n, prefixBits: 0, width });
  });
  fc.assert(
    fc.property(network, fc.array(network, { maxLength: 5 }), text, (whole, holes, one) => {
      const read = [whole, ...holes].flatMap((each) => readNetwork(each) ?? []);
      const left = read.slice(0, 1).flatMap((first) => without(first, read.slice(1)));
      const has = (texts: readonly string[]): boolean => {
        const client = parseAddress(one);
        return client !== undefined && new AddressSet(texts.flatMap((each) => parseCidr(each) ?? [])).has(client);
      };
      expect(has(left.map(networkText))).toBe(has([whole]) && !has(holes));
    }),
    { numRuns: 2000 },
  );
});
