/** Mail authentication of one generation, behind the milter. Loaded only if there is a milter. */
import { createAuthentication } from "../authentication/application.ts";
import type { MessageReport } from "../authentication/report.ts";
import { TransientMap } from "../collections/transient-map.ts";
import type { HistoryMessage } from "../dmarc/history.ts";
import type { StubResolver } from "../dns/resolver.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Application } from "../milter/application.ts";
import type { Packet } from "../milter/packet.ts";
import { createMilterService } from "../milter/service.ts";
import type { Session } from "../net/session.ts";
import { join } from "../process/builtins.ts";
import { expectMessages } from "../process/heap.ts";
import type { Logger } from "../process/log.ts";
import { createCheckParts } from "../setup/mail-checks.ts";
import { SEEN_KEYS_FILE } from "../setup/seen-keys.ts";
import type { Setup } from "../setup/setup.ts";
import type { SpfChecker } from "../spf/checker.ts";
import type { SpfTransactions } from "../spf/transactions.ts";
import type { Activity } from "../status/activity.ts";
import { messageObserver } from "./message-observer.ts";
import { milterObserver } from "./milter-observer.ts";
import { type KeyList, WatchedKeys } from "./signing-keys.ts";

export interface MailAuthentication {
  readonly application: Application;
  /** Opens a session of the milter. It asks at each message which application is in force. */
  openSession(inForce: () => Application): Session<Packet>;
  /** The DKIM keys, one by one. */
  keys(): KeyList;
  /** Number of DKIM keys by state. */
  keyCounts(): ReadonlyMap<string, number>;
  /** Begins to watch the keys. */
  start(): void;
  close(): void;
}

interface Parts {
  readonly resolver: StubResolver;
  readonly checker: SpfChecker;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly activity: Activity;
  readonly timeMs: () => number;
  readonly transactions: SpfTransactions;
  readonly record: ((message: HistoryMessage) => void) | undefined;
  /** Keeps the parts open until the returned function is called: for each message under way. */
  readonly hold: () => () => void;
}

export function createMailAuthentication(setup: Setup, parts: Parts): MailAuthentication {
  const { resolver, checker, metrics, logger, activity, timeMs, transactions, record, hold } = parts;
  expectMessages();
  const seenFile = join(setup.stateDir, SEEN_KEYS_FILE);
  const keys = new WatchedKeys({ config: setup.config, seenFile, resolver, logger });
  const observe = messageObserver(metrics, logger, activity);
  const observePackets = milterObserver(metrics, logger);
  const underWay = new TransientMap<MessageReport["smtp"], () => void>();
  const application = createAuthentication({
    ...createCheckParts(setup, { resolver, checker, timeMs }),
    keys,
    transactions,
    timeMs,
    record,
    observe(report) {
      underWay.get(report.smtp)?.();
      underWay.delete(report.smtp);
      observe(report);
    },
  });
  return {
    application: {
      ...application,
      begin(smtp, sender) {
        underWay.get(smtp)?.();
        underWay.set(smtp, hold());
        return application.begin(smtp, sender);
      },
    },
    openSession: (inForce) => createMilterService(inForce, observePackets).open(),
    keys: () => keys.list(),
    keyCounts: () => keys.counts(),
    start: () => keys.start(),
    close: () => keys.close(),
  };
}
