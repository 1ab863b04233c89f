import { describe, expect, test } from "vitest";
import { formatServer, parseServer } from "../../src/dns/server-address.ts";

describe("parseServer", () => {
  test.each([
    { text: "127.0.0.1", host: "127.0.0.1", port: 53 },
    { text: "127.0.0.1:5353", host: "127.0.0.1", port: 5353 },
    { text: "::1", host: "::1", port: 53 },
    { text: "[::1]", host: "::1", port: 53 },
    { text: "[::1]:5353", host: "::1", port: 5353 },
    { text: "fe80::1%eth0", host: "fe80::1%eth0", port: 53 },
    { text: "[fe80::1%eth0]:5353", host: "fe80::1%eth0", port: 5353 },
    { text: "2001:db8::1:5353", host: "2001:db8::1:5353", port: 53 },
  ])("reads $text", ({ text, host, port }) => {
    expect(parseServer(text)).toEqual({ host, port });
  });

  test.each([
    "",
    "localhost",
    "dns.example:53",
    "127.0.0.1:",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "127.0.0.1:x",
    "127.0.0",
    "[127.0.0.1]:53",
    "[::1]:",
    "[::1",
    "::1]:53",
    " 127.0.0.1",
    "127.0.0.1:53:53",
  ])("refuses %j", (text) => {
    expect(parseServer(text)).toBeUndefined();
  });
});

test.each(["192.0.2.1:53", "[2001:db8::1]:5353"])("formatServer writes %s as it was read", (text) => {
  expect(formatServer(parseServer(text) ?? { host: "", port: 0 })).toBe(text);
});
