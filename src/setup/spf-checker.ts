/** Creates the SPF checker of a setup, for the policy service and `postvouch spf`. */
import type { Resolver } from "../dns/types.ts";
import { createSpfChecker, type SpfChecker } from "../spf/checker.ts";
import type { Setup } from "./setup.ts";

export function createChecker(setup: Setup, resolver: Resolver): SpfChecker {
  return createSpfChecker({
    resolver,
    receiver: setup.hostname,
    maxDnsLookups: setup.config["policy.max_dns_lookups"],
    maxVoidLookups: setup.config["policy.max_void_lookups"],
    clockMs: () => performance.now(),
  });
}
