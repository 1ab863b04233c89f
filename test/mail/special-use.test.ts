import { expect, test } from "vitest";
import { parseAddress } from "../../src/mail/ip.ts";
import { hiddenClientText, specialUse } from "../../src/mail/special-use.ts";

test.each([
  ["127.0.0.1", "a loopback address"],
  ["::1", "a loopback address"],
  ["10.1.2.3", "a private address (RFC 1918)"],
  ["172.16.0.1", "a private address (RFC 1918)"],
  ["172.31.255.255", "a private address (RFC 1918)"],
  ["192.168.1.1", "a private address (RFC 1918)"],
  ["::ffff:192.168.1.1", "a private address (RFC 1918)"],
  ["100.64.0.1", "an address of carrier-grade NAT (RFC 6598)"],
  ["100.127.255.255", "an address of carrier-grade NAT (RFC 6598)"],
  ["169.254.1.1", "a link-local address"],
  ["fe80::1%eth0", "a link-local address"],
  ["fd00::1", "a unique local address (RFC 4193)"],
  ["64:ff9b::192.0.2.33", "an address of NAT64 (RFC 6052, RFC 8215)"],
  ["64:ff9b:1:2::3", "an address of NAT64 (RFC 6052, RFC 8215)"],
  ["192.0.2.1", undefined],
  ["172.32.0.1", undefined],
  ["100.128.0.1", undefined],
  ["2001:db8::1", undefined],
  ["64:ff9a::1", undefined],
])("specialUse says of %s: %s", (address, wanted) => {
  const client = parseAddress(address);
  if (client === undefined) throw new Error("bad row");
  expect(specialUse(client)).toBe(wanted);
});

test("hiddenClientText names the address and what to do", () => {
  expect(hiddenClientText("10.1.2.3", "a private address (RFC 1918)")).toMatch(
    /^10\.1\.2\.3 is a private address \(RFC 1918\), so .*policy\.skip_addresses$/,
  );
});
