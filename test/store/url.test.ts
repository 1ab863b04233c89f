import { expect, test } from "vitest";
import { parseStoreUrl } from "../../src/store/url.ts";

const nobody = { username: undefined, password: undefined, database: 0 };

test.each([
  { url: "sqlite:/var/lib/a.db", address: { kind: "sqlite", path: "/var/lib/a.db" } },
  { url: "sqlite:///var/lib/a.db", address: { kind: "sqlite", path: "/var/lib/a.db" } },
  { url: "sqlite:./state/a.db", address: { kind: "sqlite", path: "./state/a.db" } },
  {
    url: "redis://cache.test",
    address: { kind: "redis", server: { host: "cache.test", port: 6379, tls: false }, ...nobody },
  },
  {
    url: "redis://127.0.0.1:7000/3",
    address: { kind: "redis", server: { host: "127.0.0.1", port: 7000, tls: false }, ...nobody, database: 3 },
  },
  {
    url: "redis://[::1]:7000/",
    address: { kind: "redis", server: { host: "::1", port: 7000, tls: false }, ...nobody },
  },
  {
    url: "rediss://u:p%40ss@cache.test/0",
    address: {
      kind: "redis",
      server: { host: "cache.test", port: 6379, tls: true },
      username: "u",
      password: "p@ss",
      database: 0,
    },
  },
  {
    url: "redis://:50%25off@cache.test",
    address: {
      kind: "redis",
      server: { host: "cache.test", port: 6379, tls: false },
      username: undefined,
      password: "50%off",
      database: 0,
    },
  },
  { url: "redis+unix:/run/redis.sock", address: { kind: "redis", server: { path: "/run/redis.sock" }, ...nobody } },
  {
    url: "redis+unix:///run/redis.sock?db=2",
    address: { kind: "redis", server: { path: "/run/redis.sock" }, ...nobody, database: 2 },
  },
  {
    url: "redis+unix://:secret@/run/redis.sock",
    address: {
      kind: "redis",
      server: { path: "/run/redis.sock" },
      username: undefined,
      password: "secret",
      database: 0,
    },
  },
])("parseStoreUrl reads $url", ({ url, address }) => {
  expect(parseStoreUrl(url)).toEqual(address);
});

test.each([
  "",
  "sqlite:",
  "sqlite:a.db",
  "redis:",
  "redis://",
  "redis:localhost:6379",
  "redis:/run/redis.sock",
  "redis://h:99999",
  "redis://h/x",
  "redis://h/0?x=1",
  "redis+unix:run/redis.sock",
  "redis+unix:/run/redis.sock?db=x",
  "mysql://h",
  "/var/lib/a.db",
])("parseStoreUrl refuses %j and says what it wants", (url) => {
  expect(() => parseStoreUrl(url)).toThrow(
    /^Cannot use store ".*": want "sqlite:\/path", "redis:\/\/host:6379\/0" or /,
  );
});

test("parseStoreUrl does not repeat a password", () => {
  expect(() => parseStoreUrl("redis://u:secret@h/x")).toThrow('Cannot use store "redis://…@h/x"');
});
