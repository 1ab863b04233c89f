/** Collects what the status page shows. */
import { LISTENER_KEYS, LISTENERS } from "../config/listeners.ts";
import type { LastTime } from "../metrics/plain.ts";
import { MAPS } from "../net/lookup.ts";
import type { StatusView, TrafficGroup } from "../status/view.ts";
import { parseStoreUrl } from "../store/url.ts";
import type { Generation, Lasting } from "./generation.ts";

/** What the daemon itself knows. */
interface Known {
  readonly version: string;
  readonly traffic: readonly TrafficGroup[];
  readonly notReady: string | undefined;
  readonly secretsSinceMs: number;
  readonly dns: Omit<StatusView["dns"], "servers">;
}

export function statusView(
  { setup, resolver, storeUp }: Generation,
  { metrics, activity, ownDomains, listeners }: Lasting,
  { version, traffic, notReady, secretsSinceMs, dns }: Known,
): StatusView {
  const { config } = setup;
  const served = new Set(LISTENER_KEYS.filter((key) => config[key].length > 0).map((key) => LISTENERS[key].service));
  const last = (time: LastTime): number | undefined => {
    const seconds = time.unixSeconds();
    return seconds === 0 ? undefined : seconds * 1000;
  };
  const reload = metrics.lastReload();
  const lastSuccess = ownDomains.lastSuccess();
  return {
    hostname: setup.hostname,
    version,
    node: process.versions.node,
    nowMs: Date.now(),
    clockMs: performance.now(),
    startedMs: performance.timeOrigin,
    notReady,
    asked: [
      { name: "policy service", lastMs: served.has("policy") ? last(metrics.policyLastRequest) : "off" },
      ...MAPS.map((map) => {
        const isServed = served.has("socketmap") || (map !== "forward-transport" && served.has(map));
        return { name: `map ${map}`, lastMs: isServed ? last(activity.asked[map]) : ("off" as const) };
      }),
    ],
    config: { file: setup.configFile, readMs: reload.unixSeconds * 1000, isCurrent: reload.successful },
    srsDomain: setup.srsDomain,
    secrets: { count: setup.secrets.length, sinceMs: secretsSinceMs },
    // The kind alone: the rest of the URL may be a password.
    store: storeUp === undefined ? undefined : { kind: parseStoreUrl(config["srs.store.url"]).kind, isUp: storeUp },
    connections: listeners.connections(),
    traffic,
    refusedMails: activity.mails.newest(),
    refusedLookups: activity.lookups.newest(),
    dns: { servers: resolver.servers(), ...dns },
    ownDomains: [...ownDomains.counts()].map(([source, count]) => {
      const seconds = lastSuccess.get(source);
      // The configuration itself is always read.
      return { source, count, lastMs: source === "domains" || seconds === undefined ? undefined : seconds * 1000 };
    }),
  };
}
