import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/parse.ts";
import { dkimPolicy, signSettings } from "../../src/config/settings.ts";

const KEY = 'domain = "example.net"\nselector = "s2026"\nfile = "/etc/key"';
const keys = (table: string): string => `[[dkim.sign.keys]]\n${table}\n`;

describe("[dkim] refuses", () => {
  test.each<[toml: string, says: string]>([
    ["[dkim]\nmin_key_bits = 512", "dkim.min_key_bits: got 512, want a whole number from 1024 to 4096"],
    ["[dkim]\nmax_signatures = 0", "dkim.max_signatures: got 0, want a whole number from 1 to 100"],
    ['[dkim]\nbody_length = "reject"', 'dkim.body_length: got "reject", want one of "policy", "accept"'],
    [
      '[dkim.sign]\ncanonicalization = "relaxed"',
      'dkim.sign.canonicalization: got "relaxed", want one of "relaxed/relaxed"',
    ],
    ['[dkim.sign]\nheaders = ["Received"]', 'dkim.sign.headers[0]: got "Received", want the name of a header field'],
    ['[dkim.sign]\noversign = ["a b"]', 'dkim.sign.oversign[0]: got "a b", want the name of a header field'],
    ['[dkim.sign]\noversign = ["ARC-Seal"]', 'dkim.sign.oversign[0]: got "ARC-Seal", want'],
    ['[dkim.sign]\nexpire = "5m"', 'dkim.sign.expire: got "5m", want "" or a duration from "1h" to "1000d"'],
    ['[dkim.sign]\nkey_directory = "keys"', 'dkim.sign.key_directory: got "keys", want an absolute path'],
    [
      keys(KEY.replace("example.net", "net")),
      'dkim.sign.keys[0].domain: got "net", want a domain name of several labels',
    ],
    [keys(KEY.replace("s2026", "a b")), 'dkim.sign.keys[0].selector: got "a b", want a selector such as "s2026"'],
    [
      keys(KEY.replace("/etc/key", "key.pem")),
      'dkim.sign.keys[0].file: got "key.pem", want the absolute path of a private key',
    ],
    [keys(KEY.replace(/\nfile.*/, "")), "dkim.sign.keys[0].file: got nothing, want it beside domain and selector"],
    [keys(`${KEY}\nfrom = ["*@example.net"]`), 'dkim.sign.keys[0].from[0]: got "*@example.net", want "example.net"'],
    [
      keys(`${KEY}\nfrom = ["*"]`),
      'dkim.sign.keys[0].from[0]: got "*", want "example.net", ".example.net" for every name',
    ],
    [keys(`${KEY}\nidentity = "x"`), 'dkim.sign.keys[0].identity: got "x", want no such key'],
  ])("%j", (toml, says) => {
    const { problems } = parseConfig(toml, "p.toml");
    expect(problems.join("\n")).toContain(says);
  });
});

test("[dkim] becomes settings", () => {
  const { config, problems } = parseConfig(
    `[dkim]\nmin_key_bits = 2048\nmax_signatures = 3\nbody_length = "accept"\n
    [dkim.sign]\ncanonicalization = "simple/relaxed"\nheaders = ["From", "List-Id"]\noversign = ["from"]\nexpire = "7d"\n
    ${keys(`${KEY}\nfrom = [".example.net", "ann@example.net"]`)}`,
    "p.toml",
  );
  expect(problems).toEqual([]);
  expect(dkimPolicy(config)).toEqual({ minKeyBits: 2048, maxSignatures: 3, bodyLength: "accept" });
  expect(signSettings(config)).toEqual({
    headerForm: "simple",
    bodyForm: "relaxed",
    headers: ["From", "List-Id"],
    oversign: ["from"],
    expireSeconds: 604_800,
  });
  expect(config["dkim.sign.keys"]).toEqual([
    { domain: "example.net", selector: "s2026", file: "/etc/key", from: [".example.net", "ann@example.net"] },
  ]);
});
