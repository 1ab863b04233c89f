/** Runs the suites again, with all queries sent through our resolver to a DNS server on the loopback interface. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createResolver, type StubResolver } from "../../src/dns/resolver.ts";
import { createSpfChecker } from "../../src/spf/checker.ts";
import { requireServer } from "../dns/resolving.ts";
import { type DnsServer, type Quirk, startDnsServer } from "../helpers/dns-server.ts";
import { expectSuiteVerdict, readSuite, type Scenario, SUITES, suiteQuery } from "../helpers/suites.ts";
import { zoneAuthority } from "../helpers/zone.ts";

const clockMs = () => performance.now();
const SETTINGS = { timeoutMs: 400, tries: 2, cacheSize: 1000, maxTtlMs: 86_400_000, negativeTtlMs: 300_000 };

const TRANSPORTS: readonly { transport: "udp" | "tcp"; quirk: () => Quirk | undefined }[] = [
  { transport: "udp", quirk: () => undefined },
  { transport: "tcp", quirk: () => "truncate" },
];

for (const { transport, quirk } of TRANSPORTS) {
  for (const suite of SUITES) {
    describe(`Over ${transport}, the suite ${suite}`, () => {
      describe.each(readSuite(suite))("$description", ({ tests, zonedata }: Scenario) => {
        let server: DnsServer;
        let resolver: StubResolver;

        beforeAll(async () => {
          server = await startDnsServer(zoneAuthority(zonedata), { quirk });
          resolver = createResolver({ ...SETTINGS, servers: [requireServer(server.address)] });
        });

        afterAll(async () => {
          await resolver.close();
          await server[Symbol.asyncDispose]();
          const asked = new Set(server.queries.map((query) => query.transport));
          expect(asked).toContain(transport);
        });

        test.concurrent.each(Object.entries(tests))("%s", async (name, wanted) => {
          const limits = { maxDnsLookups: 10, maxVoidLookups: 2 };
          const checker = createSpfChecker({
            resolver,
            ...limits,
            receiver: "mx.example.net",
            clockMs,
            verdictCacheSize: 0,
          });
          expectSuiteVerdict(name, wanted, await checker.checkHost(suiteQuery(wanted, clockMs() + 20_000)));
        });
      });
    });
  }
}
