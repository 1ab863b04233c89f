import { describe, expect, test } from "vitest";
import { parseClient } from "../../src/mailauth/spf.ts";
import { readClient } from "../../src/spf/client.ts";

describe("readClient", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1", true],
    ["0.0.0.0", "0.0.0.0", true],
    ["255.255.255.255", "255.255.255.255", true],
    ["::ffff:192.0.2.1", "192.0.2.1", true],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1", false],
    ["fe80::1%eth0", "fe80::1", false],
  ])("reads %s as %s, as mailauth does", (text, canonical, isIPv4) => {
    const client = readClient(text);
    expect(client).toMatchObject({ text: canonical, isIPv4 });
    expect(client?.address?.toString().split("%")[0]).toBe(parseClient(text)?.toString().split("%")[0]);
    expect(client?.address?.kind()).toBe(isIPv4 ? "ipv4" : "ipv6");
    expect(client?.groups).toHaveLength(isIPv4 ? 2 : 8);
  });

  test.each(["unknown", "", "192.0.2", "192.0.2.01", "192.0.2.1 ", "mail.example"])("reads nothing from %j", (text) => {
    expect(readClient(text)).toBeUndefined();
  });
});
