import { describe, expect, test } from "vitest";
import { formatEndpoint, parseEndpoint } from "../../src/net/endpoint.ts";

describe("parseEndpoint", () => {
  test.each([
    { text: "127.0.0.1:10001", endpoint: { type: "inet", host: "127.0.0.1", port: 10_001 } },
    { text: "0.0.0.0:0", endpoint: { type: "inet", host: "0.0.0.0", port: 0 } },
    { text: "[::1]:65535", endpoint: { type: "inet", host: "::1", port: 65_535 } },
    { text: "[2001:db8::1]:1", endpoint: { type: "inet", host: "2001:db8::1", port: 1 } },
    { text: "unix:/run/postvouch/a b", endpoint: { type: "unix", path: "/run/postvouch/a b" } },
  ])("reads $text, and formatEndpoint writes it back", ({ text, endpoint }) => {
    expect(parseEndpoint(text)).toEqual(endpoint);
    expect(formatEndpoint(endpoint as NonNullable<ReturnType<typeof parseEndpoint>>)).toBe(text);
  });

  test.each([
    "",
    "10001",
    ":10001",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:65536",
    "127.0.0.1:-1",
    "127.0.0.1:1x",
    "127.0.0.1:000001",
    "127.0.0.256:1",
    "localhost:1",
    "::1:1",
    "[127.0.0.1]:1",
    "[::1]",
    "[]:1",
    "unix:",
    "unix:relative",
    "unix:/a\0b",
    "inet:127.0.0.1:1",
    " 127.0.0.1:1",
  ])("does not take %j", (text) => {
    expect(parseEndpoint(text)).toBeUndefined();
  });
});
