import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { srsDomainWarning } from "../../src/setup/srs-domain.ts";
import { type DnsServer, startDnsServer } from "../helpers/dns-server.ts";
import { zoneAuthority } from "../helpers/zone.ts";
import { setupOf } from "./setups.ts";

let dns: DnsServer;
beforeAll(async () => {
  dns = await startDnsServer(
    zoneAuthority({
      "mx.example.net": [{ MX: [10, "mail.example.net"] }],
      "address.example.net": [{ A: "192.0.2.1" }],
      "six.example.net": [{ AAAA: "2001:db8::1" }],
      "text.example.net": [{ TXT: "v=spf1 -all" }],
      "null.example.net": [{ MX: [0, ""] }],
      "down.example.net": ["TIMEOUT"],
    }),
  );
});
afterAll(() => dns[Symbol.asyncDispose]());

function warningFor(srsDomain: string, toml = ""): Promise<string | undefined> {
  const withDns = `${toml}\n[dns]\nservers = ["${dns.address}"]\ntimeout = "100ms"`;
  return srsDomainWarning(setupOf(withDns, { hostname: "mx.example.net", srsDomain }));
}

describe("An SRS domain", () => {
  test.each(["mx.example.net", "address.example.net", "six.example.net", "MX.example.net."])(
    "%s that mail finds is no warning",
    async (name) => expect(await warningFor(name)).toBeUndefined(),
  );

  test.each([
    ["co.uk", "is a public suffix"],
    ["github.io", "is a public suffix"],
    ["com", "is a single label"],
    ["localhost", 'is below "localhost"'],
    ["eu-west-1.compute.internal", 'is below "internal"'],
    ["cluster.local", 'is below "local"'],
    ["home.arpa", 'is below "home.arpa"'],
    ["fritz.box", 'is below "fritz.box"'],
    ["example.invalid", 'is below "invalid"'],
    ["Srs.Example.INVALID.", 'is below "invalid"'],
    ["text.example.net", "has neither MX nor address records"],
    ["missing.example.net", "has neither MX nor address records"],
    ["null.example.net", "has a null MX record"],
    ["down.example.net", "Cannot look up the MX records"],
  ])("%s is warned of: %s", async (name, problem) => {
    expect(await warningFor(name)).toContain(problem);
  });

  test("that is derived is told to be so", async () => {
    expect(await warningFor("co.uk")).toContain("(derived, because srs.domain is not set)");
    expect(await warningFor("co.uk", '[srs]\ndomain = "co.uk"')).not.toContain("derived");
  });

  test("does not matter where nothing rewrites", async () => {
    const none = "[tcptable]\nforward = []\nreverse = []\n[socketmap]\nlisten = []";
    expect(await warningFor("co.uk", none)).toBeUndefined();
  });
});
