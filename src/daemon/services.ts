/** Creates the services from one reading of the configuration. */
import { policySettings } from "../config/settings.ts";
import type { StubResolver } from "../dns/resolver.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { RequestService } from "../net/session.ts";
import type { Messages } from "../policy/messages.ts";
import { createPolicyService } from "../policy/service.ts";
import type { Logger } from "../process/log.ts";
import type { Setup } from "../setup/setup.ts";
import { createSrsTables, type SrsParts } from "../setup/srs-tables.ts";
import { socketmapService } from "../socketmap/service.ts";
import type { SpfChecker } from "../spf/checker.ts";
import type { SpfTransactions } from "../spf/transactions.ts";
import { forwardTable, forwardTransportTable, reverseTable } from "../srs/table.ts";
import type { Activity } from "../status/activity.ts";
import { tcpTableService } from "../tcptable/service.ts";
import { lookupObserver } from "./lookup-observer.ts";
import { policyObserver } from "./policy-observer.ts";

/** The parts of the services. */
export interface Parts extends SrsParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly activity: Activity;
  /** Shared with the milter, so that no identity is checked twice. */
  readonly checker: SpfChecker;
  readonly resolver: StubResolver;
  /** The memory of messages, kept so that no message gets a header twice because of a reload. */
  readonly messages: Messages;
  /** The SMTP transactions that the policy service and the milter see. */
  readonly transactions: SpfTransactions;
}

/** The services by the `service` of LISTENERS. */
export type Services = Readonly<Record<"forward" | "reverse" | "socketmap" | "policy", RequestService>>;

export function createServices(setup: Setup, parts: Parts): Services {
  const { logger, metrics, activity, checker, resolver, messages, transactions } = parts;
  const srs = createSrsTables(setup, parts);
  const [forward, reverse] = [forwardTable(srs), reverseTable(srs)];
  const overTcpTable = lookupObserver("tcp_table", metrics, logger, activity);
  const overSocketmap = lookupObserver("socketmap", metrics, logger, activity);
  return {
    forward: tcpTableService(forward, overTcpTable),
    reverse: tcpTableService(reverse, overTcpTable),
    socketmap: socketmapService([forward, reverse, forwardTransportTable(srs)], overSocketmap),
    policy: createPolicyService({
      settings: policySettings(setup.config, setup.hostname),
      hostname: setup.hostname,
      checkHost: checker.checkHost,
      resolver,
      clockMs: () => performance.now(),
      messages,
      transactions: setup.config["milter.listen"].length > 0 ? transactions : undefined,
      observe: policyObserver(metrics, logger, activity),
    }),
  };
}
