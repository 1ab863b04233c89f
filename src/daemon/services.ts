/** What is served, built from one reading of the configuration. SIGHUP builds it anew; connections stay. */
import { policySettings } from "../config/settings.ts";
import type { StubResolver } from "../dns/resolver.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Service } from "../net/session.ts";
import type { Messages } from "../policy/messages.ts";
import type { PolicyRequest } from "../policy/protocol.ts";
import { createPolicyService } from "../policy/service.ts";
import type { Logger } from "../process/log.ts";
import type { Setup } from "../setup/setup.ts";
import { socketmapService } from "../socketmap/service.ts";
import { createSpfChecker, type SpfChecker } from "../spf/checker.ts";
import type { OwnDomains } from "../srs/own-domains.ts";
import { Rewriter } from "../srs/rewriter.ts";
import { Signer } from "../srs/signer.ts";
import type { AddressStore } from "../srs/store.ts";
import { forwardTable, forwardTransportTable, reverseTable, type SrsTables } from "../srs/table.ts";
import { tcpTableService } from "../tcptable/service.ts";
import { lookupObserver } from "./lookup-observer.ts";
import { policyObserver } from "./policy-observer.ts";

const DAY_MS = 86_400_000;

/** What outlives a reload. */
export interface Parts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly resolver: StubResolver;
  readonly ownDomains: OwnDomains;
  readonly store: AddressStore | undefined;
  /** Mail under way, so that a reload gives no header twice. */
  readonly messages: Messages;
  /** The clock that SRS reads, in milliseconds since 1970. */
  readonly now: () => number;
}

/** One service for each kind of listener. */
export interface Services {
  readonly forward: Service<unknown>;
  readonly reverse: Service<unknown>;
  readonly socketmap: Service<unknown>;
  readonly policy: Service<unknown>;
}

export function createServices(setup: Setup, parts: Parts): Services {
  const srs = createSrsTables(setup, parts);
  const { metrics, logger } = parts;
  const tcp = lookupObserver("tcp_table", metrics, logger);
  const forward = forwardTable(srs);
  const reverse = reverseTable(srs);
  return {
    forward: erase(tcpTableService(forward, tcp)),
    reverse: erase(tcpTableService(reverse, tcp)),
    socketmap: erase(
      socketmapService([forward, reverse, forwardTransportTable(srs)], lookupObserver("socketmap", metrics, logger)),
    ),
    policy: erase(createPolicy(setup, parts)),
  };
}

/** The maps' rules, for the daemon and for `postvouch srs` alike. */
export function createSrsTables(setup: Setup, parts: Pick<Parts, "ownDomains" | "store" | "now">): SrsTables {
  const { config } = setup;
  const maxAgeDays = Math.floor(config["srs.max_age"] / DAY_MS);
  const signer = new Signer({
    secrets: setup.secrets,
    hashLength: config["srs.hash_length"],
    hashMinLength: config["srs.hash_min_length"],
    hashAlphabet: config["srs.hash_alphabet"],
  });
  const rewriter = new Rewriter({ signer, srsDomain: setup.srsDomain, separator: config["srs.separator"], maxAgeDays });
  return {
    rewriter,
    ownDomains: parts.ownDomains,
    alwaysRewrite: config["srs.always_rewrite"],
    forwardTransport: config["srs.forward_transport"],
    store: parts.store,
    storeMode: config["srs.store.mode"],
    maxAgeDays,
    now: parts.now,
  };
}

/** The SPF checker for the service and for `postvouch spf` alike. */
export function createChecker(setup: Setup, resolver: StubResolver): SpfChecker {
  return createSpfChecker({
    resolver,
    receiver: setup.hostname,
    maxDnsLookups: setup.config["policy.max_dns_lookups"],
    maxVoidLookups: setup.config["policy.max_void_lookups"],
    clockMs: () => performance.now(),
  });
}

function createPolicy(setup: Setup, parts: Parts): Service<PolicyRequest> {
  return createPolicyService({
    settings: policySettings(setup.config, setup.hostname),
    hostname: setup.hostname,
    checkHost: createChecker(setup, parts.resolver).checkHost,
    resolver: parts.resolver,
    now: () => performance.now(),
    messages: parts.messages,
    observe: policyObserver(parts.metrics, parts.logger),
  });
}

/** A listener hands each decoder's requests to the service that made it: what they are is between those two. */
function erase<Request>(service: Service<Request>): Service<unknown> {
  return service as Service<unknown>;
}
