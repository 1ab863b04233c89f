import { describe, expect, test } from "vitest";
import { isOurHost } from "../../src/status/host.ts";

describe("The Host of a request for the page", () => {
  test.each([
    [undefined, true],
    ["127.0.0.1", true],
    ["127.0.0.1:9797", true],
    ["192.0.2.10:9797", true],
    ["[::1]:9797", true],
    ["[2001:db8::1]", true],
    ["localhost", true],
    ["LOCALHOST:9797", true],
    ["mx.example.org", true],
    ["MX.Example.org.:9797", true],
    ["", false],
    ["evil.example", false],
    ["evil.example:9797", false],
    ["localhost.evil.example", false],
    ["127.0.0.1.evil.example", false],
    ["127.0.0.1@evil.example", false],
    ["evil.example#127.0.0.1", false],
    ["x.mx.example.org", false],
    ["[::1", false],
    ["[evil.example]", false],
    ["0x7f000001", false],
    ["2130706433", false],
    ["127.0.0.1:99999999", false],
    ["127.0.0.1, evil.example", false],
  ])("%s: %s", (host, isOurs) => {
    expect(isOurHost(host, "mx.example.org")).toBe(isOurs);
  });
});
